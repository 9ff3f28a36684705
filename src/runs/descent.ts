import { aCheckpointId, anything, aRunId, given, type Kinds } from "../argument.ts";
import { isoTime } from "../clock.ts";
import { writeSnapshot } from "../codec/bodies.ts";
import { encodeFields, type ValueLimits } from "../codec/values.ts";
import { inheritedEffects } from "../engine/ledger.ts";
import { type CheckpointId, newDescendantId, parseCheckpointId, parseRunId, type RunId } from "../ids.ts";
import type { Held } from "../journal/change.ts";
import { checkState } from "../journal/commit.ts";
import { change, getCheckpoint, getRun, type LoadedCheckpoint } from "../journal/held.ts";
import { aText, type Json, oneOf } from "../json.ts";
import { type DescentKind, descendant } from "../record/lineage.ts";
import { demand, demandEdited, type Precondition, preconditionKinds, selected } from "../record/precondition.ts";
import { event, type RunRecord, released } from "../record/run.ts";
import type { ExecutionState, Fields } from "../record/state.ts";
import { type Binding, bindSkill, versionOf } from "../skills/registry.ts";
import { type Born, earlierRun, settle } from "./birth.ts";
import { idempotencyClaim } from "./idempotency.ts";
import type { Scope } from "./scope.ts";

/** The checkpoint and the id of a descendant. It is written only if its source fulfils the precondition. */
export interface Descent extends Precondition {
  /** Default: the source's head. */
  readonly checkpointId?: string;
  /** Default: `replay_…` or `fork_…`. */
  readonly newRunId?: string;
  /** As in {@link NewRun}: a second call with this key within 24 hours returns the run of the first. */
  readonly idempotencyKey?: string;
  /**
   * What becomes of child runs that the source started after the checkpoint: `reuse` takes their recorded results, and
   * `start` starts others. Default: a replay reuses, a fork starts. A child without a recorded result is started anyway.
   */
  readonly children?: "reuse" | "start";
}

/** Values that replace those of the same names. */
export interface StateEdit {
  readonly inputs?: Fields;
  readonly vars?: Fields;
}

/** The options of a fork, with the edits of its state. */
export interface ForkDescent extends Descent {
  /**
   * Changes the state from which the fork continues: the selected checkpoint is copied unchanged, and the change is a
   * second checkpoint, `state_edited`, the head. Such a fork starts with no confirmed capabilities.
   */
  readonly edit?: StateEdit;
}

const kinds: Kinds<Descent> = {
  ...preconditionKinds,
  checkpointId: aCheckpointId,
  newRunId: aRunId,
  idempotencyKey: aText,
  children: oneOf(["reuse", "start"]),
};

/** A descendant as it was born. */
export interface Descended {
  readonly held: Held;
  readonly checkpointId: CheckpointId;
  readonly isRepeat: boolean;
}

/** Creates a new run that executes from a checkpoint's state. The source is only read. */
export async function replayRun(scope: Scope, runId: RunId, from: Descent): Promise<Descended> {
  const { executor } = scope;
  let binding: Binding | undefined;
  const replay = await descend(
    "replay",
    scope,
    runId,
    given(from, kinds),
    undefined,
    (record, source, checkpoint, now) => {
      // Only to fail early: the copy stays unchanged, and is migrated when it begins. It does not take the waits along.
      binding = bindSkill(executor.skills, { ...source, waits: [] }, checkpoint);
      const run = { ...record.run, status: "replaying" as const, startedAt: isoTime(now) };
      return executor.taken({ ...record, run }, now);
    },
  );
  const { snapshot: head, held } = replay;
  if (head !== undefined && binding !== undefined) executor.launch(held, { ...binding, head });
  return descended(replay);
}

/** Creates a new pending run whose head is the checkpoint. It executes nothing until it is resumed. */
export async function forkRun(scope: Scope, runId: RunId, from: ForkDescent): Promise<Descended> {
  const { host } = scope;
  const descent = given(from, { ...kinds, edit: { inputs: anything, vars: anything } });
  const edit = descent.edit && encodedEdit(host, descent.edit);
  const fork = await descend("fork", scope, runId, descent, edit, (record, _, { state }) => {
    if (!edit) return record;
    // Before the birth: a fork that cannot take its edit is of no use.
    checkState(host, record.run, writeSnapshot(edited(state, edit), 1).snapshot);
    // An old approval must not send edited mail.
    return { ...record, confirmed: [], isEdited: true, isEditPending: true };
  });
  return descended(await withEdit(scope, fork, edit));
}

/** The descendant, as `formed` makes it of a pending copy; or that of an earlier call with the same key. */
async function descend(
  kind: DescentKind,
  scope: Scope,
  runId: RunId,
  descent: Descent,
  edit: EncodedEdit | undefined,
  formed: (record: RunRecord<Json>, source: RunRecord<Json>, from: LoadedCheckpoint, now: number) => RunRecord<Json>,
): Promise<Born> {
  const { host } = scope;
  const { checkpointId, newRunId, children, idempotencyKey } = descent;
  // It covers the request, whatever the head is by then.
  const content = [runId, checkpointId, newRunId, children, edit?.inputs, edit?.vars];
  const claim = await idempotencyClaim(scope, kind, idempotencyKey, content);
  const earlier = await earlierRun(scope, claim);
  if (earlier !== undefined) return earlier;
  const { record: source } = await getRun(scope, runId);
  demand(source, descent);
  const from = await getCheckpoint(scope, runId, selected(source, checkpointId));
  demandEdited(source);
  const { state, record: copied, snapshot } = from;
  const now = host.clock.now();
  const id = newRunId === undefined ? newDescendantId(kind, runId, host.random) : parseRunId(newRunId);
  const record = descendant(kind, source, copied.checkpointId, id, isoTime(now));
  // A state without a version has the source's version at that time, and the copy is the descendant's first entry.
  const version = versionOf(source, state, snapshot.revision);
  const isOlder = version !== undefined && version !== source.run.skillVersion;
  // An action of the source is not repeated by a replay, also if it comes after the checkpoint. Those of a fork are its own
  // from there on, under its own keys.
  const isReplay = kind === "replay";
  const reusesChildren = children === undefined ? isReplay : children === "reuse";
  const { source_run_id = null, source_checkpoint_id = null } = record.run.metadata;
  const { runId: _, ...rest } = copied;
  return settle(scope, claim, {
    record: formed(isOlder ? { ...record, formerVersions: [{ version, until: 1 }] } : record, source, from, now),
    events: [event("run.created", now, { source_run_id, source_checkpoint_id })],
    // The newborn owns the data that it needs: the checkpoint is copied, under its own id, so that nothing is lost with the
    // source.
    checkpoint: { ...rest, state, over: snapshot },
    claims: await inheritedEffects(scope, source, id, state, version, reusesChildren, isReplay),
  });
}

interface EncodedEdit {
  readonly inputs: Fields<Json>;
  readonly vars: Fields<Json>;
}

function encodedEdit(limits: ValueLimits, { inputs = {}, vars = {} }: StateEdit): EncodedEdit {
  return { inputs: encodeFields(inputs, "edit.inputs", limits), vars: encodeFields(vars, "edit.vars", limits) };
}

function edited(state: ExecutionState<Json>, { inputs, vars }: EncodedEdit): ExecutionState<Json> {
  return { ...state, inputs: { ...state.inputs, ...inputs }, vars: { ...state.vars, ...vars } };
}

/** The fork with its edit. A fork that was found by its key may still lack it, if the first call was interrupted. */
async function withEdit(scope: Scope, fork: Born, edit: EncodedEdit | undefined): Promise<Born> {
  if (!edit || !fork.held.record.isEditPending) return fork;
  const { runId } = fork.held.record.run;
  const { held } = await change(scope, runId, async ({ record }) => {
    if (!record.isEditPending) return { answer: undefined };
    const { isEditPending: _, ...rest } = record;
    const over = fork.snapshot ?? (await getCheckpoint(scope, runId, selected(record, undefined))).snapshot;
    const checkpoint = { kind: "state_edited", state: edited(over.state, edit), over };
    return { change: { record: released(rest), events: [], checkpoint }, answer: undefined };
  });
  return { ...fork, held };
}

function descended({ held, isRepeat }: Born): Descended {
  return { held, checkpointId: parseCheckpointId(held.record.run.metadata.source_checkpoint_id), isRepeat };
}
