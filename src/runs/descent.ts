import { aCheckpointId, anything, aRunId, given, type Kinds } from "../argument.ts";
import { isoTime } from "../clock.ts";
import { writeSnapshot } from "../codec/bodies.ts";
import { encodeFields, type ValueLimits } from "../codec/values.ts";
import type { Host } from "../engine/host.ts";
import { inheritedEffects } from "../engine/ledger.ts";
import { type CheckpointId, newDescendantId, parseCheckpointId, parseRunId, type RunId } from "../ids.ts";
import type { Change, Held } from "../journal/change.ts";
import { checkState } from "../journal/commit.ts";
import { change, getCheckpoint, getRun, type LoadedCheckpoint } from "../journal/held.ts";
import { aText, type Json } from "../json.ts";
import { type DescentKind, descendant } from "../record/lineage.ts";
import { demand, demandEdited, type Precondition, preconditionKinds, selected } from "../record/precondition.ts";
import { event, type RunRecord, released } from "../record/run.ts";
import type { ExecutionState, Fields } from "../record/state.ts";
import { bindSkill, versionOf } from "../skills/registry.ts";
import type { NewClaim } from "../store.ts";
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
};

/** A descendant as it was born. */
export interface Descended {
  readonly held: Held;
  readonly checkpointId: CheckpointId;
  readonly isRepeat: boolean;
}

/** Creates a new run that executes from a checkpoint's state. The source is only read. */
export async function replayRun(scope: Scope, runId: RunId, from: Descent): Promise<Descended> {
  const descent = given(from, kinds);
  const { host, executor } = scope;
  const claim = await descentClaim("replay", scope, runId, descent);
  const earlier = await earlierRun(scope, claim);
  if (earlier !== undefined) return descended(earlier);
  const { source, checkpoint } = await origin(scope, runId, descent);
  // Only to fail early: the copy stays unchanged, and is migrated when it begins. It does not take the waits along.
  const { skill, state } = bindSkill(executor.skills, { ...source.record, waits: [] }, checkpoint);
  const now = host.clock.now();
  const record = born("replay", host, source.record, checkpoint, descent, now);
  const replaying = { ...record, run: { ...record.run, status: "replaying" as const, startedAt: isoTime(now) } };
  const replay = await settle(scope, claim, {
    record: executor.taken(replaying, now),
    events: [event("run.created", now, lineageOf(record))],
    checkpoint: copyOf(checkpoint),
    // All of them, also those after the checkpoint: an action of the source is not repeated.
    claims: await inheritedEffects(scope, source.record, record.run.runId),
  });
  if (replay.snapshot !== undefined) executor.launch(replay.held, { skill, state, head: replay.snapshot });
  return descended(replay);
}

/** Creates a new pending run whose head is the checkpoint. It executes nothing until it is resumed. */
export async function forkRun(scope: Scope, runId: RunId, from: ForkDescent): Promise<Descended> {
  const { host } = scope;
  const descent = given(from, { ...kinds, edit: { inputs: anything, vars: anything } });
  const edit = descent.edit && encodedEdit(host, descent.edit);
  const claim = await descentClaim("fork", scope, runId, descent, edit);
  const earlier = await earlierRun(scope, claim);
  if (earlier !== undefined) return descended(await withEdit(scope, earlier, edit));
  const { source, checkpoint } = await origin(scope, runId, descent);
  const now = host.clock.now();
  const version = versionOf(source.record, checkpoint.state, checkpoint.snapshot.revision);
  const record = born("fork", host, source.record, checkpoint, descent, now);
  // Before the birth: a fork that cannot take its edit is of no use.
  if (edit) checkState(host, record.run, writeSnapshot(edited(checkpoint.state, edit), 1).snapshot);
  const fork = await settle(scope, claim, {
    // An old approval must not send edited mail.
    record: edit ? { ...record, confirmed: [], isEdited: true, isEditPending: true } : record,
    events: [event("run.created", now, lineageOf(record))],
    checkpoint: copyOf(checkpoint),
    // Only the effects before the checkpoint: later ones are the fork's own, under its own keys.
    claims: await inheritedEffects(scope, source.record, record.run.runId, { state: checkpoint.state, version }),
  });
  return descended(await withEdit(scope, fork, edit));
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

/** The claim of a replay or fork by its key: it covers the request, whatever the head is by then. */
async function descentClaim(
  kind: DescentKind,
  scope: Scope,
  runId: RunId,
  { checkpointId, newRunId, idempotencyKey }: Descent,
  edit?: EncodedEdit,
): Promise<NewClaim | undefined> {
  const content = [runId, checkpointId, newRunId, ...(edit === undefined ? [] : [edit.inputs, edit.vars])];
  return idempotencyClaim(scope, kind, idempotencyKey, content);
}

function descended({ held, isRepeat }: Born): Descended {
  return { held, checkpointId: parseCheckpointId(held.record.run.metadata.source_checkpoint_id), isRepeat };
}

async function origin(scope: Scope, runId: RunId, descent: Descent) {
  const source = await getRun(scope, runId);
  demand(source.record, descent);
  const checkpoint = await getCheckpoint(scope, runId, selected(source.record, descent.checkpointId));
  demandEdited(source.record);
  return { source, checkpoint };
}

function born(
  kind: DescentKind,
  host: Host,
  source: RunRecord<Json>,
  from: LoadedCheckpoint,
  { newRunId }: Descent,
  now: number,
): RunRecord<Json> {
  const id = newRunId === undefined ? newDescendantId(kind, source.run.runId, host.random) : parseRunId(newRunId);
  const record = descendant(kind, source, from.record.checkpointId, id, isoTime(now));
  // A state without a version has the source's version at that time, and the copy is the descendant's first entry.
  const version = versionOf(source, from.state, from.snapshot.revision);
  if (version === undefined || version === source.run.skillVersion) return record;
  return { ...record, formerVersions: [{ version, until: 1 }] };
}

// The newborn owns the data that it needs: the checkpoint is copied, under its own id, so that nothing is lost with the
// source.
function copyOf({ record, state, snapshot }: LoadedCheckpoint): NonNullable<Change["checkpoint"]> {
  const { runId: _, ...rest } = record;
  return { ...rest, state, over: snapshot };
}

function lineageOf({ run }: RunRecord<Json>): Fields<Json> {
  const { source_run_id = null, source_checkpoint_id = null } = run.metadata;
  return { source_run_id, source_checkpoint_id };
}
