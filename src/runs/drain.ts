import { anId, aSignal, given } from "../argument.ts";
import { joined } from "../clock.ts";
import type { Host } from "../engine/host.ts";
import type { TenantId } from "../ids.ts";
import { aCount, present } from "../json.ts";
import type { RunRow } from "../store.ts";
import { measured } from "../telemetry/instrumentation.ts";
import { dueRows } from "./due.ts";
import type { Place } from "./scope.ts";
import { type IsGone, type Look, takeDue } from "./take.ts";

/** The options of `runtime.drain`. */
export interface DrainOptions {
  /** Only this tenant's runs. Default: those of all tenants. */
  readonly tenant?: string;
  /** The most runs to take. Default 100. */
  readonly limit?: number;
  /** How many runs are executed concurrently, including those of other drains of this runtime. Default 16. */
  readonly concurrency?: number;
  /** Once it aborts, no further run is taken. */
  readonly signal?: AbortSignal;
}

/** The result of a drain. */
export interface Drained {
  /** Runs that were taken and whose pass is over. */
  readonly taken: number;
  /**
   * Due runs that were left alone: another executor took them, their skill is not registered here, or they cannot be
   * read. Those that stay due are set aside, and are due again after longer and longer pauses.
   */
  readonly passedOver: number;
}

/** How many runs are executed concurrently by default. */
export const defaultConcurrency = 16;

export const sweepKinds = { tenant: anId, signal: aSignal, concurrency: /* @__PURE__ */ aCount(1) } as const;

/** `sweepKinds` has seen that it is an id. */
export function tenantOf(tenant: string | undefined): TenantId | undefined {
  return tenant as TenantId | undefined;
}

/**
 * Takes the runs that are due: their executor is gone, or a timer, a retry or a delivered signal is due. It serves all
 * tenants in turn, so that no backlog delays another tenant's run. Resolves when their passes are over. A run that
 * becomes due meanwhile is taken too, as long as the limit allows.
 */
export async function drain(place: Place, options: DrainOptions): Promise<Drained> {
  const kinds = { ...sweepKinds, limit: aCount(1) };
  const { tenant, limit = 100, concurrency = defaultConcurrency, signal } = given(options, kinds);
  const { taken, passedOver } = await sweepDue(place, {
    ...present({ tenant: tenantOf(tenant), signal }),
    ...{ limit, concurrency, isAwaited: true, asksLeases: tenant !== undefined },
  });
  return { taken, passedOver };
}

export interface Sweep {
  readonly tenant?: TenantId;
  readonly limit: number;
  readonly concurrency: number;
  readonly signal?: AbortSignal;
  /** True if the sweep is over only when its passes are over and nothing else has become due by then. */
  readonly isAwaited: boolean;
  /** True if it also reads the tenant's live leases: the executor of one may be known to be dead. */
  readonly asksLeases: boolean;
  /** Called with the executors that hold a lease. */
  readonly onHolder?: (executor: string) => void;
}

/** A sweep that stopped at its limit, or found no place, may have left some. */
export interface Swept extends Drained {
  readonly isMore: boolean;
}

/** One pass over everything that is due. */
export function sweepDue(place: Place, sweep: Sweep): Promise<Swept> {
  const { host } = place;
  const { instrumentation } = host;
  if (instrumentation === undefined) return takeAll(place, sweep);
  return instrumentation.drain(host.executor, (below) => takeAll({ ...place, host: measured(host, below) }, sweep));
}

async function takeAll(place: Place, sweep: Sweep): Promise<Swept> {
  const { host, executor } = place;
  const { slots } = executor;
  const { limit, concurrency, isAwaited } = sweep;
  const report = { taken: 0, passedOver: 0 };
  let pending = 0;
  let isCrowded = false;
  const seen = new Set<string>();
  /** The due runs that were not examined. */
  const left = new Set<string>();
  const isGone = knownDeaths(host, sweep);
  const over = joined(sweep.signal, executor.stopped);
  const isOver = () => over.signal.aborted || host.isSpent?.() === true;

  async function lookAtNext(rows: AsyncGenerator<RunRow, undefined, undefined>): Promise<Look | undefined> {
    for (;;) {
      const { value: row } = await rows.next();
      // The store calls may have taken the time, or the queries, that were left.
      if (row === undefined || isOver()) return undefined;
      const key = rowKey(row);
      if (seen.has(key)) continue;
      seen.add(key);
      const { tenant } = row;
      if (!(await slots.take(tenant, concurrency, over.signal, isAwaited))) {
        isCrowded = true;
        return undefined;
      }
      left.delete(key);
      const look = isOver() ? undefined : await takeDue(place, row, isGone);
      if (look?.kind === "taken" && look.execution !== undefined) void slots.fill(tenant, look.execution);
      else slots.free(tenant);
      return look;
    }
  }

  async function lane(rows: AsyncGenerator<RunRow, undefined, undefined>): Promise<void> {
    while (report.taken + pending < limit && !isOver()) {
      pending++;
      const look = await lookAtNext(rows).finally(() => pending--);
      if (look === undefined) return;
      if (look.kind === "passed over") report.passedOver++;
      if (look.kind !== "taken") continue;
      report.taken++;
      if (isAwaited) await look.execution?.done;
    }
  }

  try {
    let before: number;
    do {
      before = report.taken;
      const now = host.clock.now();
      const rows = dueRows(host, query(host, sweep, now), (page) => {
        for (const row of page) if ((row.dueAt ?? 0) <= now && !seen.has(rowKey(row))) left.add(rowKey(row));
      });
      const lanes = await Promise.allSettled(Array.from({ length: Math.min(concurrency, limit) }, () => lane(rows)));
      for (const ended of lanes) if (ended.status === "rejected") throw ended.reason;
    } while (isAwaited && report.taken > before && report.taken < limit && !isOver());
  } finally {
    over.release();
  }
  host.instrumentation?.drained({ ...report, left: left.size });
  return { ...report, isMore: isCrowded || report.taken >= limit };
}

// A live lease ends within its length, so lease holders are found by the same index, after what is due.
function query(host: Host, { tenant, asksLeases }: Sweep, now: number): { now: number; tenant?: TenantId } {
  if (tenant === undefined) return { now };
  return { tenant, now: asksLeases && host.presence !== undefined ? now + host.leaseMs : now };
}

/** Checks each executor once. */
function knownDeaths({ presence, executor }: Host, { onHolder }: Sweep): IsGone {
  const answers = new Map<string, Promise<boolean>>();
  return (holder) => {
    if (presence === undefined || holder === executor) return false;
    const answer = answers.get(holder) ?? presence.isGone(holder);
    answers.set(holder, answer);
    onHolder?.(holder);
    return answer;
  };
}

function rowKey(row: RunRow): string {
  return JSON.stringify([row.tenant, row.runId, row.revision]);
}
