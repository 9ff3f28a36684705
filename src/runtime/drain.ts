import type { Snapshot } from "../codec/snapshot.ts";
import { type Binding, bindSkill, isUnreadable, underSkill } from "../engine/binding.ts";
import { failure } from "../engine/ending.ts";
import { runningState } from "../engine/execute.ts";
import type { Executor } from "../engine/executor.ts";
import { type Change, getCheckpoint, heldRow } from "../engine/held.ts";
import type { Host } from "../engine/host.ts";
import { change, type Decided } from "../engine/journal.ts";
import { event } from "../engine/kernel.ts";
import { isLeaseLive, released } from "../engine/lease.ts";
import { moved } from "../engine/moved.ts";
import type { Skill } from "../engine/skill.ts";
import type { ExecutionState } from "../execution-state.ts";
import type { RunId, TenantId } from "../ids.ts";
import type { Json } from "../json.ts";
import { present } from "../present.ts";
import { dueAt, type RunRecord } from "../run.ts";
import type { RunRow } from "../store.ts";
import { selected } from "./descent.ts";
import { countOption } from "./options.ts";

export interface DrainOptions {
  /** Only this tenant's runs; those of all tenants where absent. */
  readonly tenant?: TenantId;
  /** The most runs to take. Default 100. */
  readonly limit?: number;
  /** How many runs are executed side by side. Default 16. */
  readonly concurrency?: number;
  /** Once it aborts, no further run is taken. */
  readonly signal?: AbortSignal;
}

/** What a drain did. */
export interface Drained {
  /** Runs that were taken and whose pass is over. */
  readonly taken: number;
  /** Due runs left alone: somebody else took them, or their skill is not registered here. */
  readonly passedOver: number;
}

/** After so many take-overs without a new checkpoint a run is given up. */
const maxRecoveries = 10;

const firstUnservedDelayMs = 30_000;
const lastUnservedDelayMs = 60 * 60 * 1000;

/**
 * Takes whatever is due: runs whose executor is gone, timers, retries, delivered signals. Resolves when their passes are
 * over. A run that becomes due meanwhile is taken too, as long as the limit allows.
 */
export async function drain(host: Host, executor: Executor, options: DrainOptions): Promise<Drained> {
  const take = (measured: Host) => takeAll(measured, executor, options);
  return host.instrumentation?.drain(host, take) ?? take(host);
}

async function takeAll(host: Host, executor: Executor, options: DrainOptions): Promise<Drained> {
  const { tenant, signal } = options;
  const limit = countOption(options.limit, "limit", 100);
  const concurrency = countOption(options.concurrency, "concurrency", 16);
  const report = { taken: 0, passedOver: 0 };
  const seen = new Set<string>();
  const isOver = () => signal?.aborted || executor.stopped.aborted || host.isSpent();
  while (report.taken < limit && !isOver()) {
    const now = host.clock.now();
    const left = limit - report.taken;
    // What was passed over may be due still, and must not stand before the others.
    const query = { now, limit: left + report.passedOver, ...present({ tenant }) };
    const rows = [...(await host.store.dueRuns(query)), ...(await orphans(host, tenant))];
    // A row that was passed over stays due for others; looking at it twice in one drain gains nothing.
    const fresh = rows.filter((row) => !seen.has(rowKey(row))).slice(0, left);
    for (const row of fresh) seen.add(rowKey(row));
    if (fresh.length === 0) break;
    const lane = async () => {
      for (let row = fresh.shift(); row !== undefined && !isOver(); row = fresh.shift()) {
        const pass = await takeDue(host, executor, row);
        if (pass === undefined) report.passedOver++;
        else report.taken++;
        await pass?.done;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, lane));
  }
  host.instrumentation?.drained({ ...report, left: seen.size - report.taken - report.passedOver });
  return report;
}

/** Runs whose leases are live, but whose executors are known to be gone. Only within one tenant, where they are few. */
async function orphans(host: Host, tenant: TenantId | undefined): Promise<readonly RunRow[]> {
  const { presence } = host;
  if (presence === undefined || tenant === undefined) return [];
  const rows = await leasedRuns(host, tenant);
  const gone = await Promise.all(rows.map(({ executor }) => presence.isGone(executor)));
  return rows.filter((_, index) => gone[index]).map(({ row }) => row);
}

/** The tenant's runs that an executor holds, the newest first. */
export async function leasedRuns(host: Host, tenant: TenantId): Promise<readonly { row: RunRow; executor: string }[]> {
  const pages = await Promise.all(
    (["running", "replaying"] as const).map((status) =>
      host.store.listRuns(tenant, { status, limit: 100, order: "descending" }),
    ),
  );
  return pages.flat().flatMap((row) => {
    const executor = heldRow(row)?.record.lease?.executor;
    return executor === undefined ? [] : [{ row, executor }];
  });
}

function rowKey(row: RunRow): string {
  return JSON.stringify([row.tenant, row.runId, row.revision]);
}

interface Taken {
  readonly skill: Skill;
  readonly state: ExecutionState<Json>;
  readonly head: Snapshot;
}

async function takeDue(host: Host, executor: Executor, row: RunRow): Promise<{ done: Promise<void> } | undefined> {
  try {
    const tenant = row.tenant as TenantId;
    const runId = row.runId as RunId;
    const { held, answer, checkpoint } = await change<Taken | undefined>(host, tenant, runId, ({ record }, now) =>
      decide(host, executor, tenant, record, now),
    );
    // An object, so that taking one run does not wait for its pass.
    return answer === undefined
      ? undefined
      : { done: executor.launch(answer.skill, held, answer.state, checkpoint?.snapshot ?? answer.head) };
  } catch (error) {
    // One run that cannot be taken must not keep the others from it.
    host.onError(error);
    return undefined;
  }
}

async function decide(
  host: Host,
  executor: Executor,
  tenant: TenantId,
  record: RunRecord<Json>,
  now: number,
): Promise<Decided<Taken | undefined>> {
  if (!executor.executes) return { answer: undefined };
  const due = dueAt(record);
  const isOrphan = isLeaseLive(record, now) && (await host.presence?.isGone(record.lease?.executor ?? ""));
  if (due === undefined || (due > now && !isOrphan)) return { answer: undefined };
  const { run } = record;
  if (host.skills.successor(run.skillId, run.skillVersion) === undefined) {
    return { change: setAside(record, now), answer: undefined };
  }
  let binding: Binding;
  let head: Snapshot;
  try {
    const from = await getCheckpoint(host, tenant, run.runId, selected(record, undefined));
    head = from.snapshot;
    binding = bindSkill(host, record, from);
  } catch (error) {
    // Whatever else it is, such as a medium that is gone for a while, says nothing about the run.
    if (!isUnreadable(error)) throw error;
    host.onError(error);
    return { change: setAside(record, now), answer: undefined };
  }
  const { skill, state, isMigrated } = binding;
  const wasLost = record.lease !== undefined;
  if (wasLost && record.recoveries >= maxRecoveries) return { change: giveUp(record, head, now), answer: undefined };
  const isWaiting = run.status === "waiting_for_human" || run.status === "waiting_for_signal";
  const isReplaying = run.status === "replaying";
  const proceeding = isWaiting ? { ...record, run: moved(run, { type: "proceed" }, now) } : record;
  const next: RunRecord<Json> = {
    // A replay takes its skill's version when it begins, with the checkpoint that says so.
    ...(isReplaying ? record : underSkill(proceeding, skill)),
    recoveries: record.recoveries + (wasLost ? 1 : 0),
  };
  const continued = isReplaying ? state : runningState(state, now);
  const change: Change = {
    record: executor.taken(next, now),
    events: wasLost ? [event("run.recovered", now, { recoveries: next.recoveries })] : [],
    ...(isMigrated && !isReplaying ? { checkpoint: { kind: "run_resumed", state: continued, over: head } } : {}),
  };
  return { change, answer: { skill, state: continued, head } };
}

// Nobody here can take the run, for want of its skill or of its state: it is due again later and later, so that it does
// not stand before others.
function setAside(record: RunRecord<Json>, now: number): Change {
  const delay = Math.min(firstUnservedDelayMs * 2 ** record.unservedCount, lastUnservedDelayMs);
  return { record: { ...released(record), wakeAt: now + delay, unservedCount: record.unservedCount + 1 }, events: [] };
}

function giveUp(record: RunRecord<Json>, head: Snapshot, now: number): Change {
  const message = `the run was taken over ${record.recoveries} times without reaching a new checkpoint`;
  const failed = failure(released(record), head.state, now, { code: "recovery_exhausted", message });
  return { ...failed, checkpoint: { ...failed.checkpoint, state: failed.state, over: head } };
}
