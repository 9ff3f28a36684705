import type { RunRecord, Wait } from "./run.ts";

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
