import { aCheckpointId, anId, anything, given, type Kinds, needed } from "../argument.ts";
import { isoTime } from "../clock.ts";
import { bytesAtMost, encodeValue } from "../codec/values.ts";
import type { Departure } from "../engine/execute.ts";
import { DurableError, invalidRequest } from "../errors.ts";
import { type CheckpointId, parseCheckpointId, type RunId } from "../ids.ts";
import type { Change, Held } from "../journal/change.ts";
import { change, getCheckpoint, type LoadedCheckpoint } from "../journal/held.ts";
import { aText, type Json, present, utf8Length } from "../json.ts";
import { type Gate, gateOf, opened, requestOf } from "../record/gate.ts";
import { disallowed, moved } from "../record/lifecycle.ts";
import {
  demand,
  demandEdited,
  demandUnleased,
  type Precondition,
  preconditionKinds,
  selected,
} from "../record/precondition.ts";
import {
  type Decision,
  event,
  isOver,
  isTerminal,
  keptWaits,
  maxInboxBytes,
  type RunRecord,
  released,
} from "../record/run.ts";
import { runningState } from "../record/state.ts";
import { bindSkill, isUnreadable, underSkill } from "../skills/registry.ts";
import type { Skill } from "../skills/skill.ts";
import { type ChangedOnce, changeOnce, type DecidedOnce, idempotencyClaim } from "./idempotency.ts";
import type { Scope } from "./scope.ts";

/** A run that continues, and the checkpoint from which it does. */
export interface Resumed {
  readonly held: Held;
  readonly checkpointId: CheckpointId;
  readonly isRepeat: boolean;
}

/** A run that was changed by this call, or by an earlier call with the same idempotency key. */
export interface Repeatable {
  readonly held: Held;
  readonly isRepeat: boolean;
}

/** How a run continues. */
export interface Resumption extends Precondition {
  /** Default: the run's head. */
  readonly checkpointId?: string;
  /** A second call with this key within 24 hours changes nothing, and has the answer of the first. */
  readonly idempotencyKey?: string;
}

/** What follows once the decision is committed. */
interface Continuation {
  /** The checkpoint from which the run continues. */
  readonly checkpointId: CheckpointId;
  /** The skill that is launched. Absent if the run is being executed: it goes on by itself. */
  readonly skill?: Skill;
}

/** Continues the same run from a checkpoint. Resolves once the lease is committed; execution goes on behind it. */
export async function resumeRun(scope: Scope, runId: RunId, from: Resumption): Promise<Resumed> {
  const request = given(from, { ...preconditionKinds, checkpointId: aCheckpointId, idempotencyKey: anything });
  const { checkpointId, idempotencyKey } = request;
  const claim = await idempotencyClaim(scope, "resume", idempotencyKey, [runId, checkpointId]);
  const resumed = await changeOnce(scope, runId, claim, async ({ record }, now) => {
    demand(record, request);
    const from = await getCheckpoint(scope, runId, selected(record, checkpointId));
    demandUnleased(record, now);
    demandEdited(record);
    const { checkpointId: id } = from.record;
    const run = moved(record.run, { type: "resume", checkpointId: id }, now);
    return continued(scope, { ...record, run, waits: keptWaits(record, id) }, from, [], now);
  });
  return go(scope, resumed);
}

/** Continues the run from that checkpoint, with its skill. */
function continued(
  { executor }: Scope,
  record: RunRecord<Json>,
  from: LoadedCheckpoint,
  events: Change["events"],
  now: number,
): DecidedOnce<Continuation> {
  const { skill, state } = bindSkill(executor.skills, record, from);
  const { checkpointId } = from.record;
  const change: Change = {
    record: executor.taken(underSkill(record, skill), now),
    events: [...events, event("run.resumed", now, { checkpoint_id: checkpointId })],
    // From a checkpoint older than the head it is a keyframe, since it is not based on the head.
    checkpoint: { kind: "run_resumed", state: runningState(state, now), over: from.snapshot },
  };
  return { change, answer: { checkpointId, skill }, kept: checkpointId };
}

function go({ executor }: Scope, resumed: ChangedOnce<Continuation>): Resumed {
  const { held } = resumed;
  if (resumed.isRepeat) return { held, checkpointId: parseCheckpointId(resumed.kept), isRepeat: true };
  const { answer, checkpoint } = resumed;
  const { checkpointId, skill } = answer;
  const head = checkpoint?.snapshot;
  if (skill && head) executor.launch(held, { skill, state: head.state, head });
  else executor.notify(held);
  return { held, checkpointId, isRepeat: false };
}

/** A decision, the gate that it is about, and the conditions of the call. */
export interface DecisionRequest extends Decision, Precondition {
  /**
   * The gate of that step. Default: the first open gate. A late or repeated decision is safe if it identifies what it
   * is about: by this, by an idempotency key, or by the revision that its caller saw.
   */
  readonly stepId?: string;
  /** What the gate asks for, checked by the schema of its skill. A denial needs none. */
  readonly data?: unknown;
  /** A second call with this key within 24 hours changes nothing, and has the answer of the first. */
  readonly idempotencyKey?: string;
}

const decisionKinds: Kinds<DecisionRequest> = {
  ...preconditionKinds,
  approver: aText,
  notes: aText,
  stepId: aText,
  idempotencyKey: anything,
  data: anything,
};

/** A person's decision at a gate, for what becomes of the run. */
interface Judged {
  /** With the run as it is after the decision, and the gate as it was. */
  readonly record: RunRecord<Json>;
  readonly isRunning: boolean;
  readonly gate: Gate;
  readonly decision: Parameters<typeof opened>[2];
  readonly events: Change["events"];
}

/** Decides at a gate, once for each idempotency key. `follow` returns what becomes of the run. */
async function judge<T>(
  scope: Scope,
  runId: RunId,
  from: DecisionRequest,
  type: "approve" | "deny",
  follow: (judged: Judged, now: number) => DecidedOnce<T> | Promise<DecidedOnce<T>>,
): Promise<ChangedOnce<T>> {
  const request = given(from, decisionKinds, "decision");
  const { stepId, approver, notes, data, idempotencyKey } = request;
  const encoded = encodeValue(data, "data");
  // What a run shows of it is without the data.
  const decision = present({ approver, notes, data: data === undefined ? data : encoded });
  const claim = await idempotencyClaim(scope, type, idempotencyKey, [runId, stepId, approver, notes, encoded]);
  return changeOnce(scope, runId, claim, async ({ record }, now) => {
    demand(record, request);
    const gate = gateOf(record, stepId, type);
    const run = moved(record.run, { type, request: requestOf(gate), decision }, now);
    if (gate.show === undefined) {
      if (data !== undefined) throw invalidRequest("data", "this gate takes no data");
    } else if (type === "approve") {
      const { skill, path } = scope.executor.skills.demand(run.skillId, run.skillVersion);
      await skill.body.checkData?.(path.record({ ...record, waits: [gate] }), data);
    }
    const payload = { step_id: gate.stepId, approver: approver ?? null, notes: notes ?? null };
    const events = [event(type === "deny" ? "run.denied" : "run.approved", now, payload)];
    const isRunning = record.run.status === "running";
    return follow({ record: { ...record, run }, isRunning, gate, decision, events }, now);
  });
}

/** Opens a gate, and resumes the run if it waits; other steps of it may still be in flight. */
export async function approveRun(scope: Scope, runId: RunId, from: DecisionRequest): Promise<Resumed> {
  const approved = await judge<Continuation>(scope, runId, from, "approve", async (judged, now) => {
    const { gate, decision, events } = judged;
    const record = opened(judged.record, gate, decision, now);
    const checkpointId = selected(record, undefined);
    if (judged.isRunning) {
      // The holder of the lease goes on with it, and so does the next one when that lease has lapsed.
      const due = record.lease === undefined ? { ...record, wakeAt: now } : record;
      return { change: { record: due, events }, answer: { checkpointId }, kept: checkpointId };
    }
    const from = await getCheckpoint(scope, runId, checkpointId);
    const resumed = { ...record, run: { ...record.run, resumeFromCheckpointId: checkpointId } };
    return continued(scope, resumed, from, events, now);
  });
  return go(scope, approved);
}

/** Closes a gate for good: the run is canceled. */
export async function denyRun(scope: Scope, runId: RunId, from: DecisionRequest): Promise<Repeatable> {
  const { held, isRepeat } = await judge(scope, runId, from, "deny", ({ record, events }, now) => ({
    // Its waits stay: if it is resumed after all, no sleep is shortened and no timeout restarts.
    change: { record: released(record), events: [...events, event("run.canceled", now)] },
    answer: undefined,
  }));
  if (!isRepeat) await scope.executor.interrupt(held, "the run was denied");
  return { held, isRepeat };
}

/** How a run is canceled. */
export interface CancelOptions extends Precondition {
  /**
   * True to undo the steps that have begun, if the skill uses `rollbacks`: the run goes on as one that undoes, and is
   * canceled once it has. Default false.
   */
  readonly rollback?: boolean;
}

/** Cancels a run. An executor elsewhere learns it at its next heartbeat at the latest. */
export async function cancelRun(scope: Scope, runId: RunId, request: CancelOptions): Promise<Held> {
  const { executor } = scope;
  const { held } = await change(scope, runId, ({ record }, now) => {
    demand(record, request);
    const run = moved(record.run, { type: "cancel" }, now);
    const { undo } = request.rollback ? executor.skills.demand(run.skillId, run.skillVersion).skill.body : {};
    const canceled = { record: released({ ...record, run }), events: [event("run.canceled", now)] };
    return { change: undo?.(record, now) ?? canceled, answer: undefined };
  });
  await executor.interrupt(held, "the run was canceled");
  return held;
}

/** A message to a run. */
export interface NewSignal extends Precondition {
  /** Printable ASCII, 1 to 200 characters. */
  readonly name: string;
  readonly payload?: unknown;
  /** A second call with this key within 24 hours delivers nothing, and has the answer of the first. */
  readonly idempotencyKey?: string;
}

/** Puts a signal into the run's inbox, and wakes the run if it waits for it. Each signal is delivered once. */
export async function signalRun(scope: Scope, runId: RunId, from: NewSignal): Promise<Repeatable> {
  const { executor } = scope;
  const kinds = { ...preconditionKinds, name: needed(anId), payload: anything, idempotencyKey: anything };
  const request = given(from, kinds, "signal");
  const { name, payload, idempotencyKey } = request;
  const encoded = encodeValue(payload ?? null, "payload", bytesAtMost(maxInboxBytes));
  if (utf8Length(JSON.stringify(encoded)) > maxInboxBytes) {
    throw invalidRequest("payload", `at most ${maxInboxBytes} bytes are allowed`, {}, "too_large");
  }
  const claim = await idempotencyClaim(scope, "signal", idempotencyKey, [runId, name, encoded]);
  const signaled = await changeOnce<Departure | undefined>(scope, runId, claim, async ({ record }, now) => {
    demand(record, request);
    const { run } = record;
    if (isTerminal(run.status)) throw disallowed(run, "signal");
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
    // A later version of the skill may wait for another signal.
    const isMigrated = executor.skills.successor(run.skillId, run.skillVersion)?.path.isMigration;
    if (!isWaiting || !(isAwaited || isMigrated)) return { change: { record: received, events }, answer: undefined };
    return wake(scope, received, events, now);
  });
  const { held, isRepeat } = signaled;
  if (isRepeat) return { held, isRepeat };
  const { answer } = signaled;
  if (answer === undefined) executor.notify(held);
  else executor.launch(held, answer);
  return { held, isRepeat };
}

/** Continues a waiting run, or makes it due if its skill is not registered here. */
async function wake(
  scope: Scope,
  record: RunRecord<Json>,
  events: Change["events"],
  now: number,
): Promise<{ change: Change; answer: Departure | undefined }> {
  const { executor } = scope;
  const { run } = record;
  const toDrain = { change: { record: { ...record, wakeAt: now }, events }, answer: undefined };
  try {
    const from = await getCheckpoint(scope, run.runId, selected(record, undefined));
    const { skill, state, isMigrated } = bindSkill(executor.skills, record, from);
    // A run that must be migrated first is left to the drain, which migrates it in a separate checkpoint.
    if (isMigrated) return toDrain;
    const proceeding = underSkill({ ...record, run: moved(run, { type: "proceed" }, now) }, skill);
    const change = { record: executor.taken(proceeding, now), events };
    return { change, answer: { skill, state: runningState(state, now), head: from.snapshot } };
  } catch (error) {
    // A signal is kept in every state of its run. The drain reports what is wrong with that state.
    if (!isUnreadable(error)) throw error;
    return toDrain;
  }
}
