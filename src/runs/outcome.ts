import { DurableError, invalidRequest } from "../errors.ts";
import { present } from "../present.ts";
import type { Skill } from "../skills/skill.ts";
import type { CurrentRun, WaitOptions } from "./api.ts";

/** What a call of `result` names: a run, and the skill of which it must be if one is named. */
export interface Awaited {
  readonly skill?: Skill;
  readonly runId: string;
  readonly options?: WaitOptions;
}

/** The arguments of `result` by their names. */
export function awaitedOf(given: Skill | string, rest: readonly unknown[]): Awaited {
  const [runId, options] = (typeof given === "string" ? [given, rest[0]] : rest) as [string, WaitOptions?];
  return { runId, ...present({ options, skill: typeof given === "string" ? undefined : given }) };
}

/**
 * The result of a run that has ended.
 *
 * @throws `run_failed`, `run_canceled`; `invalid_request` if the run is of another skill.
 */
export function resultOf({ runId, skillId, status, result, error }: CurrentRun, skill: Skill | undefined): unknown {
  if (skill !== undefined && skillId !== skill.id) {
    throw invalidRequest("skill", `run "${runId}" is of skill "${skillId}", not "${skill.id}"`);
  }
  if (status === "completed") return result;
  if (status === "canceled") {
    throw new DurableError("run_canceled", `run "${runId}" was canceled`, { details: { runId } });
  }
  const { code, message = "it failed without an error", stepId } = error ?? {};
  throw new DurableError("run_failed", `run "${runId}" failed: ${message}`, {
    details: { runId, ...present({ code, stepId }) },
  });
}
