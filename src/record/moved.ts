import { isoTime } from "../clock.ts";

import { type LifecycleEvent, transition } from "./lifecycle.ts";
import type { Run } from "./run.ts";

/**
 * The run after a lifecycle event.
 *
 * @throws `invalid_transition` where the lifecycle refuses; nothing has been written then.
 */
export function moved<V>(run: Run<V>, event: LifecycleEvent<V>, now: number): Run<V> {
  const outcome = transition(run, event, isoTime(now));
  if (outcome.kind === "refused") throw outcome.error;
  return outcome.run;
}
