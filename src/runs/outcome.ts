import { DurableError, invalidRequest } from "../errors.ts";
import { present } from "../json.ts";
import type { Skill } from "../skills/skill.ts";
import type { CurrentRun, WaitOptions } from "./api.ts";

/** The arguments of `result`, the skill last if it is named. */
export function awaitedOf(
  given: Skill | string,
  rest: readonly unknown[],
): readonly [runId: string, options?: WaitOptions, skill?: Skill] {
  if (typeof given === "string") return [given, rest[0] as WaitOptions];
  return [rest[0] as string, rest[1] as WaitOptions, given];
}

/**
 * The result of a run that has ended.
 *
 * @throws `run_failed`, `run_canceled`; `invalid_request` if the run is of another skill.
 */
export function resultOf({ runId, skillId, status, result, error }: CurrentRun, skill: Skill | undefined): unknown {
  if (skill !== undefined && skillId !== skill.id) {
    throw invalidRequest("skill", `run "${runId}" executes skill "${skillId}", not skill "${skill.id}"`);
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
