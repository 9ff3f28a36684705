import type { Snapshot } from "../codec/snapshot.ts";
import { encodeValue } from "../codec/values.ts";
import { type Binding, bindSkill, findBinding, isUnreadable, underSkill } from "../engine/binding.ts";
import { isOver } from "../engine/ending.ts";
import { runningState } from "../engine/execute.ts";
import type { Executor } from "../engine/executor.ts";
import { type Change, getCheckpoint, type Held, type LoadedCheckpoint } from "../engine/held.ts";
import { type Host, isoTime } from "../engine/host.ts";
import { type Changed, change } from "../engine/journal.ts";
import { event } from "../engine/kernel.ts";
import { refuseLive, released } from "../engine/lease.ts";
import { moved } from "../engine/moved.ts";
import type { Skill } from "../engine/skill.ts";
import { DurableError, invalidRequest } from "../errors.ts";
import type { ExecutionState } from "../execution-state.ts";
import { type CheckpointId, isId, type RunId, type TenantId } from "../ids.ts";
import { type Json, utf8Length } from "../json.ts";
import { present } from "../present.ts";
import { isTerminal, type RunRecord, type Wait } from "../run.ts";
import { refuseUnedited, selected } from "./descent.ts";
import { demand, type Precondition } from "./precondition.ts";

/** A run that goes on, and the checkpoint from which. */
export interface Resumed {
  readonly held: Held;
  readonly checkpointId: CheckpointId;
}

/** What is launched once the decision is committed. */
interface Continuation {
  readonly skill: Skill;
  readonly from: LoadedCheckpoint;
}

/** Continues the same run from a checkpoint. Resolves once the lease is committed; execution goes on behind it. */
export async function resumeRun(
  host: Host,
  executor: Executor,
  tenant: TenantId,
  runId: RunId,
  checkpointId: string | undefined,
  precondition: Precondition,
): Promise<Resumed> {
  const resumed = await change(host, tenant, runId, async ({ record }, now) => {
    demand(record, precondition);
    const from = await getCheckpoint(host, tenant, runId, selected(record, checkpointId));
    refuseLive(record, now, "cancel it first, or wait until its lease lapses");
    refuseUnedited(record);
    const { checkpointId: id } = from.record;
    const run = moved(record.run, { type: "resume", checkpointId: id }, now);
    const { skill, state } = bindSkill(host, record, from);
    const next = underSkill({ ...record, run, waits: keptWaits(record, id) }, skill);
    return { change: resumption(executor, next, { ...from, state }, [], now), answer: { skill, from } };
  });
  return go(executor, resumed);
}

// From the head a resume shortens no sleep and restarts no timeout; failed attempts are forgotten, and gates ask again. An
// older checkpoint is from before the waits, and is the only source of truth.
function keptWaits({ run, waits }: RunRecord<Json>, from: CheckpointId): readonly Wait[] {
  if (from !== run.checkpointHead) return [];
  return waits.filter((wait) => wait.kind === "sleep" || wait.kind === "signal");
}

function resumption(
  executor: Executor,
  record: RunRecord<Json>,
  from: LoadedCheckpoint,
  events: Change["events"],
  now: number,
): Change {
  const payload = { checkpoint_id: from.record.checkpointId };
  return {
    record: executor.taken(record, now),
    events: [...events, event("run.resumed", now, payload)],
    // From an older checkpoint than the head it is a keyframe, since it does not stand on the head.
    checkpoint: { kind: "run_resumed", state: runningState(from.state, now), over: from.snapshot },
  };
}

function go(executor: Executor, { held, answer, checkpoint }: Changed<Continuation>): Resumed {
  if (checkpoint !== undefined) {
    const { snapshot } = checkpoint;
    void executor.launch(answer.skill, held, snapshot.state, snapshot);
  }
  return { held, checkpointId: answer.from.record.checkpointId };
}

/** Who decided at a gate, and about which. */
export interface GateDecision {
  readonly approver?: string;
  readonly notes?: string;
  /** The gate of that step; the first gate where absent. */
  readonly stepId?: string;
}

/** Opens a gate and resumes the run. */
export async function approveRun(
  host: Host,
  executor: Executor,
  tenant: TenantId,
  runId: RunId,
  { stepId, ...by }: GateDecision,
  precondition: Precondition,
): Promise<Resumed> {
  const approved = await change(host, tenant, runId, async ({ record }, now) => {
    demand(record, precondition);
    const gate = gateOf(record, stepId);
    const { capabilityId } = gate;
    const decision = { ...by, stepId: gate.stepId, ...present({ capabilityId }) };
    const run = moved(record.run, { type: "approve", decision }, now);
    const from = await getCheckpoint(host, tenant, runId, selected(record, undefined));
    const { skill, state } = bindSkill(host, record, from);
    const decided: RunRecord<Json> = {
      ...record,
      run: { ...run, resumeFromCheckpointId: from.record.checkpointId },
      waits: decidedWaits(record.waits, gate, { ...by, at: isoTime(now) }),
      confirmed: capabilityId === undefined ? record.confirmed : [...new Set([...record.confirmed, capabilityId])],
    };
    const next = underSkill(decided, skill);
    const opened = event("run.approved", now, decisionPayload(decision));
    return { change: resumption(executor, next, { ...from, state }, [opened], now), answer: { skill, from } };
  });
  return go(executor, approved);
}

// A confirmation holds for the whole run; any other decision is for the step that asked.
function decidedWaits(waits: readonly Wait[], gate: Gate, decision: NonNullable<Gate["decision"]>): readonly Wait[] {
  return waits.flatMap((wait) => {
    if (wait !== gate) return [wait];
    return gate.reason === "confirmation" ? [] : [{ ...gate, decision }];
  });
}

/** Closes a gate for good: the run is canceled. */
export async function denyRun(
  host: Host,
  executor: Executor,
  tenant: TenantId,
  runId: RunId,
  request: GateDecision,
  precondition: Precondition,
): Promise<Held> {
  const { stepId, ...by } = request;
  const { held } = await change(host, tenant, runId, ({ record }, now) => {
    demand(record, precondition);
    const { capabilityId, stepId: id } = gateOf(record, stepId);
    const decision = { ...by, stepId: id, ...present({ capabilityId }) };
    const run = moved(record.run, { type: "deny", decision }, now);
    const events = [event("run.denied", now, decisionPayload(decision)), event("run.canceled", now)];
    // Its waits stay: where it is resumed after all, that shortens no sleep and restarts no timeout.
    return { change: { record: released({ ...record, run }), events }, answer: undefined };
  });
  executor.interrupt(held, "the run was denied");
  return held;
}

function decisionPayload(decision: { stepId: string; approver?: string; notes?: string }): Record<string, Json> {
  return { step_id: decision.stepId, approver: decision.approver ?? null, notes: decision.notes ?? null };
}

type Gate = Extract<Wait, { kind: "approval" }>;

function gateOf(record: RunRecord<Json>, stepId: string | undefined): Gate {
  const gates = record.waits.filter((wait): wait is Gate => wait.kind === "approval" && wait.decision === undefined);
  const found = gates.find((gate) => stepId === undefined || gate.stepId === stepId);
  if (found !== undefined) return found;
  if (record.run.status === "waiting_for_human" && stepId !== undefined) {
    throw invalidRequest("step_id", `run "${record.run.runId}" does not wait at step "${stepId}"`);
  }
  // Whatever the status, the lifecycle refuses it, and says so.
  return { kind: "approval", stepId: stepId ?? "", since: 0, reason: "approval" };
}

/** Cancels a run. An executor elsewhere learns it at its next heartbeat at the latest. */
export async function cancelRun(
  host: Host,
  executor: Executor,
  tenant: TenantId,
  runId: RunId,
  precondition: Precondition,
): Promise<Held> {
  const { held } = await change(host, tenant, runId, ({ record }, now) => {
    demand(record, precondition);
    const canceled = released({ ...record, run: moved(record.run, { type: "cancel" }, now) });
    return { change: { record: canceled, events: [event("run.canceled", now)] }, answer: undefined };
  });
  executor.interrupt(held, "the run was canceled");
  return held;
}

/** A message to a run. */
export interface NewSignal {
  /** Printable ASCII, 1 to 200 characters. */
  readonly name: string;
  readonly payload?: unknown;
}

/** How many bytes of signals may wait in a run's inbox. */
export const maxInboxBytes = 64 * 1024;

/** Puts a signal into the run's inbox, and wakes the run where it waits for it. Each signal is delivered once. */
export async function signalRun(
  host: Host,
  executor: Executor,
  tenant: TenantId,
  runId: RunId,
  { name, payload }: NewSignal,
  precondition: Precondition,
): Promise<Held> {
  if (!isId(name)) throw invalidRequest("name", "expected 1 to 200 characters of printable ASCII");
  const encoded = encodeValue(payload ?? null, "payload");
  if (utf8Length(JSON.stringify(encoded)) > maxInboxBytes) {
    throw new DurableError("too_large", `payload: at most ${maxInboxBytes} bytes fit`, { path: "payload" });
  }
  const { held, answer } = await change<Awakened | undefined>(host, tenant, runId, async ({ record }, now) => {
    demand(record, precondition);
    const { run } = record;
    if (isTerminal(run.status)) {
      throw new DurableError("invalid_transition", `run "${runId}" is ${run.status}, which takes no signals`, {
        details: { status: run.status, event: "signal" },
      });
    }
    const inbox = [...record.inbox, { name, payload: encoded, receivedAt: isoTime(now) }];
    if (utf8Length(JSON.stringify(inbox)) > maxInboxBytes) {
      throw new DurableError("inbox_full", `the inbox of run "${runId}" is full`, { retryAfterMs: 1_000 });
    }
    const received: RunRecord<Json> = { ...record, inbox };
    const events = [event("signal.received", now, { name })];
    const isAwaited = record.waits.some(
      (wait) => wait.kind === "signal" && wait.name === name && isOver(received, wait, now),
    );
    const isWaiting = run.status === "waiting_for_signal" || run.status === "waiting_for_human";
    if (!isWaiting || !isAwaited) return { change: { record: received, events }, answer: undefined };
    return wake(host, executor, tenant, received, events, now);
  });
  if (answer !== undefined) void executor.launch(answer.skill, held, answer.state, answer.head);
  return held;
}

interface Awakened {
  readonly skill: Skill;
  readonly state: ExecutionState<Json>;
  readonly head: Snapshot;
}

/** Takes a waiting run on, or makes it due where its skill is not here. */
async function wake(
  host: Host,
  executor: Executor,
  tenant: TenantId,
  record: RunRecord<Json>,
  events: Change["events"],
  now: number,
): Promise<{ change: Change; answer: Awakened | undefined }> {
  const { run } = record;
  const toDrain = { change: { record: { ...record, wakeAt: now }, events }, answer: undefined };
  let from: LoadedCheckpoint;
  let binding: Binding | undefined;
  try {
    from = await getCheckpoint(host, tenant, run.runId, selected(record, undefined));
    binding = findBinding(host, record, from);
  } catch (error) {
    // A signal is kept whatever its run's state is like. The drain reports what is wrong with that.
    if (!isUnreadable(error)) throw error;
    return toDrain;
  }
  // A run that must be migrated first is left to the drain, which does it in a checkpoint of its own.
  if (binding === undefined || binding.isMigrated) return toDrain;
  const proceeding = executor.taken(
    underSkill({ ...record, run: moved(run, { type: "proceed" }, now) }, binding.skill),
    now,
  );
  const state = runningState(binding.state, now);
  return { change: { record: proceeding, events }, answer: { skill: binding.skill, state, head: from.snapshot } };
}
