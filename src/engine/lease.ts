import type { RunRecord } from "../run.ts";
import type { Host } from "./host.ts";

/** The record under a new lease of this host's executor: a new epoch, by which older holders know that they lost. */
export function leased<V>(record: RunRecord<V>, host: Host, now: number): RunRecord<V> {
  const { wakeAt: _, ...rest } = record;
  return {
    ...rest,
    epoch: record.epoch + 1,
    lease: { executor: host.executor, endsAt: now + host.leaseMs },
    unservedCount: 0,
  };
}

/** True while nobody but the holder may touch what the lease protects. */
export function isLeaseLive(record: RunRecord<unknown>, now: number): boolean {
  return record.lease !== undefined && record.lease.endsAt > now;
}
