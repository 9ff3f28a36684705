import { DurableError } from "../errors.ts";
import type { RunRecord } from "./run.ts";

/** The record under a new lease of that executor. Its new epoch tells older holders that they have lost the run. */
export function leased<V>(
  record: RunRecord<V>,
  holder: { readonly executor: string; readonly leaseMs: number },
  now: number,
): RunRecord<V> {
  const { wakeAt: _, ...rest } = record;
  return {
    ...rest,
    epoch: record.epoch + 1,
    lease: { executor: holder.executor, endsAt: now + holder.leaseMs },
    unservedCount: 0,
  };
}

/** True while only the holder may change what the lease protects. */
export function isLeaseLive(record: RunRecord<unknown>, now: number): boolean {
  return record.lease !== undefined && record.lease.endsAt > now;
}

/** @throws `conflict` with the time after which the lease can be taken. */
export function demandUnleased(record: RunRecord<unknown>, now: number, hint: string): void {
  const { lease, run } = record;
  if (lease === undefined || !isLeaseLive(record, now)) return;
  throw new DurableError("conflict", `run "${run.runId}" is being executed`, {
    retryAfterMs: lease.endsAt - now,
    hint,
  });
}

/**
 * The record of a run without an executor. Only for the holder, which releases its run; others need {@link released}.
 */
export function withoutLease<V>({ lease: _, wakeAt: __, ...record }: RunRecord<V>): RunRecord<V> {
  return record;
}

/**
 * The record without a hold on it. The new epoch fences the former holder, live or lapsed: an executor that stood still
 * while others changed the run writes nothing when it goes on.
 */
export function released<V>(record: RunRecord<V>): RunRecord<V> {
  return { ...withoutLease(record), epoch: record.epoch + 1 };
}
