import { invalidRequest } from "../errors.ts";
import { read } from "../json.ts";
import { known } from "../record/known.ts";
import { isTerminal } from "../record/run.ts";
import { type Waiting, waitingOf } from "../record/waiting.ts";
import type { CurrentRun } from "./api.ts";

/**
 * Why a run does not go on at this moment: the step that waits and what it waits for, when an executor looks at the run
 * next, and the error of the last attempt. `undefined` if the run has ended, or waits for an explicit start.
 *
 * It is derived from what was stored when the run was read, so read the run again to learn whether it still holds.
 *
 * @example
 * ```ts
 * import type { RunsApi } from "orca-durable";
 * import { whyWaiting } from "orca-durable/steps";
 *
 * export async function explain(runs: RunsApi, runId: string) {
 *   const waiting = whyWaiting(await runs.get(runId));
 *   if (waiting === undefined) return "it has ended, or was not started";
 *   const { on, stepId, nextAt, lastError } = waiting;
 *   return [on, stepId, nextAt && `until ${nextAt}`, lastError && `after ${lastError.message}`].join(" ");
 * }
 * ```
 *
 * @throws `invalid_request` if the run was not returned by a runtime or a client, such as a copy of it.
 */
export function whyWaiting(run: CurrentRun): Waiting | undefined {
  if (read("run", () => run.isDamaged || isTerminal(run.status))) return undefined;
  const found = known.get(run);
  if (found === undefined) throw invalidRequest("run", "expected a run that a call has returned, not a copy of it");
  return "on" in found ? found : waitingOf(found);
}
