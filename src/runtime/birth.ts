import type { Checkpoint } from "../checkpoint.ts";
import type { Snapshot } from "../codec/snapshot.ts";
import { encodeFields } from "../codec/values.ts";
import { bindSkill } from "../engine/binding.ts";
import { write } from "../engine/commit.ts";
import { runningState } from "../engine/execute.ts";
import type { Executor } from "../engine/executor.ts";
import { type Change, getCheckpoint, getRun, type Held, readRun } from "../engine/held.ts";
import { type Host, isoTime } from "../engine/host.ts";
import { change } from "../engine/journal.ts";
import { event } from "../engine/kernel.ts";
import { inheritedEffects } from "../engine/ledger.ts";
import { moved } from "../engine/moved.ts";
import { DurableError, invalidRequest, notFound } from "../errors.ts";
import { type ExecutionState, type Fields, initialState } from "../execution-state.ts";
import {
  type CheckpointId,
  isId,
  newDescendantId,
  newRunId,
  parseCheckpointId,
  parseRunId,
  type RunId,
  type TenantId,
} from "../ids.ts";
import { canonicalJson, type Json, sha256 } from "../json.ts";
import { type DescentKind, descendant, newRecord } from "../lineage.ts";
import { present } from "../present.ts";
import type { RunRecord } from "../run.ts";
import { validate } from "../schema.ts";
import type { Skill } from "../skill.ts";
import type { ClaimRow, NewClaim } from "../store.ts";

/** What a run is made from. */
export interface NewRun {
  readonly skillId: string;
  /** The version registered last where absent. */
  readonly skillVersion?: string;
  readonly inputs?: Fields;
  /** A random one where absent. */
  readonly runId?: string;
  readonly traceId?: string;
  readonly threadId?: string;
  readonly sessionId?: string;
  readonly environment?: string;
  readonly metadata?: Fields;
  /**
   * A second call with this key within 24 hours gives back the run of the first; with other content it is an
   * `idempotency_conflict`. Scoped by tenant and operation.
   */
  readonly idempotencyKey?: string;
}

/** A run that was born, or found under its idempotency key. */
export interface Born {
  readonly held: Held;
  readonly isRepeat: boolean;
  /** The first checkpoint's; absent on a repeat. */
  readonly snapshot?: Snapshot;
}

const idempotencyMs = 24 * 60 * 60 * 1000;
const idempotency = "idempotency";

/** Creates a run that executes nothing until somebody resumes it. The skill need not be registered here. */
export async function createRun(host: Host, tenant: TenantId, request: NewRun): Promise<Born> {
  const { record, state, claim } = await prepare(host, tenant, request, "create");
  return settle(host, tenant, claim, {
    record,
    events: [event("run.created", Date.parse(record.run.createdAt), { skill_id: record.run.skillId })],
    checkpoint: { kind: "run_created", state },
  });
}

/** Creates a run and begins to execute it. Resolves once that is committed. */
export async function startRun(host: Host, executor: Executor, tenant: TenantId, request: NewRun): Promise<Born> {
  const skill = host.skills.get(request.skillId, request.skillVersion);
  const { record, state, claim } = await prepare(host, tenant, request, "start");
  const now = Date.parse(record.run.createdAt);
  const running = runningState(state, now);
  const born = await settle(host, tenant, claim, {
    record: executor.taken({ ...record, run: moved(record.run, { type: "start" }, now) }, now),
    events: [event("run.started", now, { skill_id: skill.id })],
    checkpoint: { kind: "run_started", state: running },
  });
  launchBorn(executor, skill, born);
  return born;
}

function launchBorn(executor: Executor, skill: Skill, { held, snapshot }: Born): void {
  if (snapshot !== undefined) void executor.launch(skill, held, snapshot.state, snapshot);
}

async function prepare(host: Host, tenant: TenantId, request: NewRun, operation: "create" | "start") {
  for (const name of ["skillId", "skillVersion"] as const) {
    if (request[name] !== undefined && !isId(request[name])) {
      throw invalidRequest(name, "expected 1 to 200 characters of printable ASCII");
    }
  }
  const skill = host.skills.find(request.skillId, request.skillVersion);
  const given = request.inputs ?? {};
  // Encoded before its schema sees it, so that what cannot be kept is refused under its own path.
  const encoded = encodeFields(given, "inputs");
  const checked = skill?.inputs === undefined ? encoded : encodeFields(await validated(skill.inputs, given), "inputs");
  const { runId, idempotencyKey, skillId, traceId, threadId, sessionId, environment } = request;
  const skillVersion = request.skillVersion ?? skill?.version;
  const id = runId === undefined ? newRunId(host.random) : parseRunId(runId);
  const metadata = encodeFields(request.metadata ?? {}, "metadata");
  const now = host.clock.now();
  const content = [skillId, request.skillVersion ?? null, encoded, runId ?? null, metadata];
  const claim =
    idempotencyKey === undefined ? undefined : await idempotencyClaim(operation, idempotencyKey, content, now);
  const optional = {
    ...present({ traceId, skillVersion }),
  };
  const record = newRecord({
    runId: id,
    tenantId: tenant,
    skillId,
    ...optional,
    ...present({ threadId, sessionId, environment }),
    metadata,
    createdAt: isoTime(now),
  });
  const state = { ...initialState<Json>(skillId, checked), ...optional };
  return { record, state, claim };
}

async function validated(schema: Parameters<typeof validate>[0], inputs: Fields): Promise<Fields> {
  return (await validate(schema, inputs, "inputs")) as Fields;
}

async function idempotencyClaim(operation: string, key: string, content: Json[], now: number): Promise<NewClaim> {
  if (key.length === 0 || key.length > 1000) throw invalidRequest("idempotency_key", "expected 1 to 1000 characters");
  return {
    kind: idempotency,
    key: await sha256(JSON.stringify([operation, key])),
    lapsesAt: now + idempotencyMs,
    body: await sha256(canonicalJson(content)),
  };
}

/** Writes a newborn run, or finds the one that an earlier call with the same idempotency key made. */
async function settle(host: Host, tenant: TenantId, claim: NewClaim | undefined, change: Change): Promise<Born> {
  const earlier = await earlierRun(host, tenant, claim);
  if (earlier !== undefined) return earlier;
  const outcome = await write(host, undefined, { ...change, ...present({ claims: claim && [claim] }) });
  switch (outcome.kind) {
    case "committed":
      return { held: outcome.held, isRepeat: false, ...present({ snapshot: outcome.checkpoint?.snapshot }) };
    case "claimed":
    case "conflict": {
      // A call with the same key may have been first, under another run id or under this one.
      const first = await earlierRun(host, tenant, claim);
      if (first !== undefined) return first;
      throw new DurableError("conflict", `there already is, or was, a run "${change.record.run.runId}"`);
    }
  }
}

async function earlierRun(host: Host, tenant: TenantId, claim: NewClaim | undefined): Promise<Born | undefined> {
  if (claim === undefined) return undefined;
  const earlier = await host.store.getClaim(tenant, claim.kind, claim.key);
  if (earlier?.lapsesAt === undefined || earlier.lapsesAt <= host.clock.now()) return undefined;
  return repeated(host, tenant, claim, earlier);
}

async function repeated(host: Host, tenant: TenantId, claim: NewClaim, earlier: ClaimRow): Promise<Born> {
  const held = await readRun(host, tenant, earlier.runId as RunId);
  if (held === undefined) throw notFound("run", `run "${earlier.runId}" of this idempotency key was deleted`);
  if (earlier.body !== claim.body) {
    throw new DurableError("idempotency_conflict", "this idempotency key was used with other content", {
      hint: "use a new key for a new request",
    });
  }
  return { held, isRepeat: true };
}

/** Where a descendant begins, and what it is called. */
export interface Descent {
  /** The source's head where absent. */
  readonly checkpointId?: string;
  /** `replay_…` or `fork_…` where absent. */
  readonly newRunId?: string;
}

/** Values that replace those of the same names. */
export interface StateEdit {
  readonly inputs?: Fields;
  readonly vars?: Fields;
}

export interface ForkDescent extends Descent {
  /**
   * Changes the state from which the fork goes on: the selected checkpoint is copied as it is, and the change is a second
   * checkpoint, `state_edited`, the head. Such a fork starts with no confirmed capabilities.
   */
  readonly edit?: StateEdit;
}

/** A descendant as it was born. */
export interface Descended {
  readonly held: Held;
  readonly checkpointId: CheckpointId;
}

/** Makes a new run that executes from a checkpoint's state. The source is only read. */
export async function replayRun(
  host: Host,
  executor: Executor,
  tenant: TenantId,
  runId: RunId,
  descent: Descent,
): Promise<Descended> {
  const { source, checkpoint } = await origin(host, tenant, runId, descent);
  // Here only to be refused in time: the copy stays as it was, and is migrated when it begins.
  const { skill, state } = bindSkill(host, source.record.run, checkpoint.state);
  const now = host.clock.now();
  const record = born("replay", host, source.record, checkpoint.record.checkpointId, descent, now);
  const replaying = { ...record, run: { ...record.run, status: "replaying" as const, startedAt: isoTime(now) } };
  const replay = await settle(host, tenant, undefined, {
    record: executor.taken(replaying, now),
    events: [event("run.created", now, lineageOf(record))],
    checkpoint: copyOf(checkpoint),
    // All of them, also those after the checkpoint: what the source did to the world is not done again.
    claims: await inheritedEffects(host, tenant, runId, record.run.runId),
  });
  if (replay.snapshot !== undefined) void executor.launch(skill, replay.held, state, replay.snapshot);
  return { held: replay.held, checkpointId: checkpoint.record.checkpointId };
}

/** Makes a new pending run whose head is the checkpoint. It executes nothing until somebody resumes it. */
export async function forkRun(host: Host, tenant: TenantId, runId: RunId, descent: ForkDescent): Promise<Descended> {
  const { source, checkpoint } = await origin(host, tenant, runId, descent);
  const { edit } = descent;
  const edited = edit && editedState(checkpoint.state, edit);
  const now = host.clock.now();
  const record = born("fork", host, source.record, checkpoint.record.checkpointId, descent, now);
  const { held, snapshot } = await settle(host, tenant, undefined, {
    // An old approval must not send edited mail.
    record: edited === undefined ? record : { ...record, confirmed: [], isEditPending: true },
    events: [event("run.created", now, lineageOf(record))],
    checkpoint: copyOf(checkpoint),
    // Only what the checkpoint has behind it: what comes after is the fork's own to do, under its own keys.
    claims: await inheritedEffects(host, tenant, runId, record.run.runId, checkpoint.state),
  });
  const { checkpointId } = checkpoint.record;
  if (edited === undefined) return { held, checkpointId };
  const saved = await change(host, tenant, record.run.runId, ({ record: { isEditPending: _, ...rest } }) => ({
    change: {
      record: rest,
      events: [],
      checkpoint: { kind: "state_edited", state: edited, ...present({ over: snapshot }) },
    },
    answer: undefined,
  }));
  return { held: saved.held, checkpointId };
}

function editedState(state: ExecutionState<Json>, { inputs = {}, vars = {} }: StateEdit): ExecutionState<Json> {
  return {
    ...state,
    inputs: { ...state.inputs, ...encodeFields(inputs, "edit.inputs") },
    vars: { ...state.vars, ...encodeFields(vars, "edit.vars") },
  };
}

async function origin(host: Host, tenant: TenantId, runId: RunId, descent: Descent) {
  const source = await getRun(host, tenant, runId);
  const checkpoint = await getCheckpoint(host, tenant, runId, selected(source.record, descent.checkpointId));
  refuseUnedited(source.record);
  return { source, checkpoint };
}

/** @throws `conflict` where the run is a fork whose edit was never saved: it would do what was to be changed. */
export function refuseUnedited({ run, isEditPending }: RunRecord<Json>): void {
  if (isEditPending !== true) return;
  throw new DurableError("conflict", `run "${run.runId}" was forked with an edit that was never saved`, {
    hint: "fork the source again",
  });
}

/**
 * The checkpoint that was asked for, or the head.
 *
 * @throws `invalid_request` where the run has no checkpoint at all.
 */
export function selected({ run }: RunRecord<Json>, checkpointId: string | undefined): CheckpointId {
  if (run.checkpointHead === undefined) {
    throw invalidRequest("checkpoint_id", `run "${run.runId}" has no checkpoint`, {
      hint: "save a checkpoint to it first",
    });
  }
  return checkpointId === undefined ? run.checkpointHead : parseCheckpointId(checkpointId);
}

function born(
  kind: DescentKind,
  host: Host,
  source: RunRecord<Json>,
  checkpointId: CheckpointId,
  { newRunId }: Descent,
  now: number,
): RunRecord<Json> {
  const id = newRunId === undefined ? newDescendantId(kind, source.run.runId, host.random) : parseRunId(newRunId);
  return descendant(kind, source, checkpointId, id, isoTime(now));
}

// The newborn owns what it stands on: the checkpoint is copied, under its own id, so that nothing is lost with the source.
function copyOf({ record, state }: Checkpoint<Json>): NonNullable<Change["checkpoint"]> {
  const { runId: _, ...rest } = record;
  return { ...rest, state };
}

function lineageOf({ run }: RunRecord<Json>): Fields<Json> {
  const { source_run_id, source_checkpoint_id } = run.metadata;
  return { source_run_id: source_run_id ?? null, source_checkpoint_id: source_checkpoint_id ?? null };
}
