import { expectKind } from "../argument.ts";
import { DurableError, invalidRequest } from "../errors.ts";
import { present } from "../json.ts";
import type { Skill } from "../skills/skill.ts";
import { aSkill } from "../skills/skill-kind.ts";
import type { CurrentRun, WaitOptions } from "./api.ts";

/** The arguments of `result`, the id of the skill last if it is named. */
export function awaitedOf(
  asked: Skill | string,
  rest: readonly unknown[],
): readonly [runId: string, options?: WaitOptions, skillId?: string] {
  if (typeof asked === "string") return [asked, rest[0] as WaitOptions];
  return [rest[0] as string, rest[1] as WaitOptions, expectKind(asked, aSkill, "skill").id];
}

/**
 * The result of a run that has ended.
 *
 * @throws `run_failed`, `run_canceled`; `invalid_request` if the run is of another skill.
 */
export function resultOf({ runId, skillId, status, result, error }: CurrentRun, expected: string | undefined): unknown {
  if (expected !== undefined && skillId !== expected) {
    throw invalidRequest("skill", `run "${runId}" executes skill "${skillId}", not skill "${expected}"`);
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
