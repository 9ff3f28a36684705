import { isTerminal, type RunRecord, type Wait } from "./run.ts";

/** When the wait ends by itself, in milliseconds. */
export function endOf(wait: Wait): number {
  return "until" in wait && wait.until !== undefined ? wait.until : Number.POSITIVE_INFINITY;
}

/** True if the step would no longer wait. */
export function isOver(record: RunRecord<unknown>, wait: Wait, now: number): boolean {
  switch (wait.kind) {
    case "approval":
      if (wait.reason === "confirmation") return record.confirmed.includes(wait.capabilityId ?? "");
      return record.waits.some(
        (own) => own.kind === "approval" && own.stepId === wait.stepId && own.decision !== undefined,
      );
    case "signal":
      return record.inbox.some((signal) => signal.name === wait.name) || endOf(wait) <= now;
    case "sleep":
    case "retry":
      return wait.until <= now;
  }
}

/** The wait of that kind of the step, if there is one. */
export function waitOf<K extends Wait["kind"]>(
  record: RunRecord<unknown>,
  stepId: string,
  kind: K,
): Extract<Wait, { kind: K }> | undefined {
  return record.waits.find((wait): wait is Extract<Wait, { kind: K }> => wait.stepId === stepId && wait.kind === kind);
}

/** The record with that wait of its step, which replaces any other. */
export function withWait<V>(record: RunRecord<V>, wait: Wait): RunRecord<V> {
  return { ...record, waits: [...record.waits.filter((other) => other.stepId !== wait.stepId), wait] };
}

/**
 * When an executor should look at the run next, in milliseconds; `undefined` for never.
 *
 * | status | lease | set aside | due |
 * |---|---|---|---|
 * | completed, failed, canceled | | | never |
 * | any other | held | | when the lease ends |
 * | pending | none | | never: it waits for an explicit resume |
 * | any other | none | yes | at `wakeAt`: no timer makes it due for executors that cannot serve it |
 * | any other | none | no | at the earliest of `wakeAt` and the ends of its waits; never if it waits for a person or a signal alone |
 */
export function dueAt(record: RunRecord<unknown>): number | undefined {
  const { run, lease, wakeAt, unservedCount } = record;
  const isDoneOrNew = isTerminal(run.status) || (run.status === "pending" && lease === undefined);
  if (isDoneOrNew) return undefined;
  const ends = unservedCount > 0 ? [] : record.waits.map(endOf);
  const time = lease?.endsAt ?? Math.min(wakeAt ?? Number.POSITIVE_INFINITY, ...ends);
  // Stores hold whole milliseconds, and a duration need not be of any.
  return time === Number.POSITIVE_INFINITY ? undefined : Math.ceil(time);
}
