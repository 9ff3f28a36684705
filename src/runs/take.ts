import type { Snapshot } from "../codec/bodies.ts";
import { failure } from "../engine/ending.ts";
import type { Departure, Execution } from "../engine/execute.ts";
import type { Host } from "../engine/host.ts";
import { isMediumFault } from "../engine/kernel.ts";
import { type DurableError, isDurableError, isUnreadableData } from "../errors.ts";
import type { RunId, TenantId } from "../ids.ts";
import type { Change, Held } from "../journal/change.ts";
import { heldRow, postpone } from "../journal/commit.ts";
import { change, type Decided, getCheckpoint } from "../journal/held.ts";
import type { Json } from "../json.ts";
import { moved } from "../record/lifecycle.ts";
import { selected } from "../record/precondition.ts";
import { asideMs, contextOf, dueAt, event, isTerminal, type RunRecord, released, setAside } from "../record/run.ts";
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

/** What a look at a run decides. The answer is what is launched, or an error to report. */
type Decision = Decided<Departure | DurableError | undefined>;

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
    const { skillId, skillVersion } = held.record.run;
    if (isLeft(row, now) && executor.skills.successor(skillId, skillVersion) === undefined) return passedOver;
    return await take(place, row, isGone);
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
  const { executor, host } = place;
  const scope: Scope = { ...place, tenant: row.tenant as TenantId };
  const runId = row.runId as RunId;
  const { held, answer, checkpoint } = await change(scope, runId, (held, now) => decide(scope, held, isGone, now));
  if (!answer) return passedOver;
  if ("code" in answer) {
    host.onError(answer, contextOf(held.record));
    return passedOver;
  }
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

/** True if the row has been due only briefly: another server may be about to take it. */
function isLeft({ dueAt = 0 }: RunRow, now: number): boolean {
  return now - dueAt < graceMs;
}

async function decide(scope: Scope, held: Held, isGone: IsGone, now: number): Promise<Decision> {
  const { host, executor } = scope;
  if (!(await isFree(scope, held, isGone, now))) return { answer: undefined };
  const { record } = held;
  const { run } = record;
  // What a run that has ended owes to its family is left to executors that have child runs.
  if (isTerminal(run.status)) return unserved(held, now);
  let binding: Binding;
  let head: Snapshot;
  try {
    // Before a state is read, which may be large.
    executor.skills.demand(run.skillId, run.skillVersion);
    const from = await getCheckpoint(scope, run.runId, selected(record, undefined));
    head = from.snapshot;
    binding = bindSkill(executor.skills, record, from);
  } catch (error) {
    // Any other error, such as that of a medium that is gone for a while, means nothing for the run.
    if (!isUnreadable(error)) throw error;
    // The state may be of an earlier version than the run, and that version is what is missing here.
    if (isDurableError(error, "not_found") && error.missing === "skill") return unserved(held, now, error);
    const isNewer = isDurableError(error, "unsupported_version");
    if (isNewer) executor.reportOnce(held.row, error);
    else host.onError(error);
    return isNewer ? unserved(held, now) : aside(held, now);
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
function unserved(held: Held, now: number, error?: DurableError): Decision {
  return isLeft(held.row, now) ? { answer: undefined } : aside(held, now, error);
}

/** Sets the run aside. The error of a missing skill is an event, and is reported, when the run is set aside first. */
function aside({ record }: Held, now: number, error?: DurableError): Decision {
  const answer = record.unservedCount === 0 ? error : undefined;
  const events = answer ? [event("run.unserved", now, { message: answer.message })] : [];
  return { change: { record: setAside(record, now), events }, answer };
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
