import type { Snapshot } from "../codec/bodies.ts";
import { failure } from "../engine/ending.ts";
import type { Departure, Execution } from "../engine/execute.ts";
import type { Executor } from "../engine/executor.ts";
import type { Host } from "../engine/host.ts";
import { isMediumFault } from "../engine/kernel.ts";
import { isDurableError, isUnreadableData } from "../errors.ts";
import type { RunId, TenantId } from "../ids.ts";
import type { Change, Held } from "../journal/change.ts";
import { heldRow, postpone, write } from "../journal/commit.ts";
import { change, type Decided, getCheckpoint } from "../journal/held.ts";
import type { Json } from "../json.ts";
import { moved } from "../record/lifecycle.ts";
import { selected } from "../record/precondition.ts";
import { asideMs, dueAt, event, isTerminal, type RunRecord, released, setAside } from "../record/run.ts";
import { runningState } from "../record/state.ts";
import { type Binding, bindSkill, isUnreadable, underSkill } from "../skills/registry.ts";
import type { RunRow } from "../store.ts";
import type { Place, Scope } from "./scope.ts";

/** The outcome for a row that may be due. */
export type Look =
  | { readonly kind: "taken"; readonly execution: Execution | undefined }
  /** Due, and left alone. */
  | { readonly kind: "passed over" }
  /** Not due, or executed here, or gone. */
  | { readonly kind: "none" };

/** Returns whether an executor is known to be dead. */
export type IsGone = (executor: string) => boolean | Promise<boolean>;

const none: Look = { kind: "none" };
const passedOver: Look = { kind: "passed over" };

/** After this many takeovers without a new checkpoint a run fails. */
const maxRecoveries = 10;

/**
 * For this long a due run is left to servers that have its skill, or its version of the stored form: two ticks of a
 * cron trigger. After that it is set aside.
 */
const graceMs = 2 * 60_000;

/** Faults of the medium, whatever it threw, and lost races: they mean nothing for the run. */
function isPassing(error: unknown): boolean {
  return !isDurableError(error) || isMediumFault(error) || isDurableError(error, "conflict");
}

/**
 * Takes the run of a row, if it is due and can be taken here. A run that cannot be taken is set aside if it would keep
 * others waiting. Never rejects: one run that cannot be taken must not block the others.
 */
export async function takeDue(place: Place, row: RunRow, isGone: IsGone): Promise<Look> {
  const { host, executor } = place;
  const now = host.clock.now();
  const isDue = row.dueAt !== undefined && row.dueAt <= now;
  try {
    const held = heldRow(row);
    if (held === undefined || !(await isFree(place, held, isGone, now))) return none;
    if (isTerminal(held.record.run.status) && host.family !== undefined) {
      return { kind: "taken", execution: await host.family.pay(held.record) };
    }
    if (isServed(executor, held.record)) return await take(place, row, isGone);
    const { change } = unserved(held, now);
    if (change !== undefined) await write(host, held, change);
  } catch (error) {
    if (isDurableError(error, "not_found") && error.missing === "run") return none;
    if (isUnreadableData(error)) executor.reportOnce(row, error);
    else host.onError(error);
    if (!isDue) return none;
    const isNewer = isDurableError(error, "unsupported_version");
    if (!isPassing(error) && !(isNewer && isLeft(row, now))) await setRowAside(host, row, now);
  }
  return passedOver;
}

async function take(place: Place, row: RunRow, isGone: IsGone): Promise<Look> {
  const { executor } = place;
  const scope: Scope = { ...place, tenant: row.tenant as TenantId };
  const runId = row.runId as RunId;
  const { held, answer, checkpoint } = await change<Departure | undefined>(scope, runId, (held, now) =>
    decide(scope, held, isGone, now),
  );
  if (answer === undefined) return passedOver;
  return { kind: "taken", execution: executor.launch(held, { ...answer, head: checkpoint?.snapshot ?? answer.head }) };
}

/** True if no executor has the run that could continue it, and there is work to do. */
async function isFree(place: Place, { row, record }: Held, isGone: IsGone, now: number): Promise<boolean> {
  const { host, executor } = place;
  const due = dueAt(record);
  if (!executor.executes || due === undefined) return false;
  const holder = record.lease?.executor;
  if (due > now) return holder !== undefined && isGone(holder);
  // Its lease lapsed while the machine slept, and the pass is alive: if it were taken again, its step would begin again
  // at each sleep of the machine.
  return holder !== host.executor || !executor.renew(row, record);
}

function isServed(executor: Executor, { run }: RunRecord<Json>): boolean {
  return !isTerminal(run.status) && executor.skills.successor(run.skillId, run.skillVersion) !== undefined;
}

/** True if the row has been due only briefly: another server may be about to take it. */
function isLeft({ dueAt = 0 }: RunRow, now: number): boolean {
  return now - dueAt < graceMs;
}

async function decide(scope: Scope, held: Held, isGone: IsGone, now: number): Promise<Decided<Departure | undefined>> {
  const { host, executor } = scope;
  if (!(await isFree(scope, held, isGone, now))) return { answer: undefined };
  const { record } = held;
  const { run } = record;
  if (!isServed(executor, record)) return unserved(held, now);
  let binding: Binding;
  let head: Snapshot;
  try {
    const from = await getCheckpoint(scope, run.runId, selected(record, undefined));
    head = from.snapshot;
    binding = bindSkill(executor.skills, record, from);
  } catch (error) {
    // Any other error, such as that of a medium that is gone for a while, means nothing for the run.
    if (!isUnreadable(error)) throw error;
    // The state may be of an earlier version than the run, and that version is what is missing here.
    if (isDurableError(error, "not_found") && error.missing === "skill") return unserved(held, now);
    if (isDurableError(error, "unsupported_version")) {
      executor.reportOnce(held.row, error);
      return unserved(held, now);
    }
    host.onError(error);
    return { change: { record: setAside(record, now), events: [] }, answer: undefined };
  }
  const { skill, state, isMigrated } = binding;
  const wasLost = record.lease !== undefined;
  if (wasLost && record.recoveries >= maxRecoveries) return { change: giveUp(record, head, now), answer: undefined };
  const isReplaying = run.status === "replaying";
  const isBorn = run.status === "pending";
  const proceeding = run.status === "running" ? record : { ...record, run: moved(run, { type: "proceed" }, now) };
  const next: RunRecord<Json> = {
    // A replay takes its skill's version when it begins, with the checkpoint that says so.
    ...(isReplaying ? record : underSkill(proceeding, skill)),
    recoveries: record.recoveries + (wasLost ? 1 : 0),
  };
  const continued = isReplaying ? state : runningState(state, now);
  const begins = isBorn ? [event("run.started", now, { skill_id: skill.id })] : [];
  const kind = isBorn ? "run_started" : "run_resumed";
  const change: Change = {
    record: executor.taken(next, now),
    events: wasLost ? [event("run.recovered", now, { recoveries: next.recoveries })] : begins,
    ...((isBorn || (isMigrated && !isReplaying)) && { checkpoint: { kind, state: continued, over: head } }),
  };
  return { change, answer: { skill, state: continued, head } };
}

// Another server may have the skill, and take the run at once.
function unserved({ row, record }: Held, now: number): Decided<undefined> {
  return isLeft(row, now)
    ? { answer: undefined }
    : { change: { record: setAside(record, now), events: [] }, answer: undefined };
}

// Sets aside a row that cannot be read, or has no room to be rewritten, and so cannot count its pauses: it is due again
// when it is twice as old.
async function setRowAside(host: Host, row: RunRow, now: number): Promise<void> {
  const pause = Math.min(Math.max(now - row.createdAt, asideMs.shortest), asideMs.longest);
  await postpone(host, row, now + pause, now).catch(host.onError);
}

function giveUp(record: RunRecord<Json>, head: Snapshot, now: number): Change {
  const message = `the run was taken over ${record.recoveries} times without a new checkpoint`;
  const failed = failure(released(record), head.state, now, { code: "recovery_exhausted", message });
  return { ...failed, checkpoint: { ...failed.checkpoint, state: failed.state, over: head } };
}
