import { anId, anything, aRunId, given, type Kinds, needed } from "../argument.ts";
import { isoTime } from "../clock.ts";
import type { Snapshot } from "../codec/bodies.ts";
import { initialState } from "../codec/state.ts";
import { bytesAtMost, encodeFields } from "../codec/values.ts";
import type { Executor } from "../engine/executor.ts";
import { DurableError, isDurableError, notFound } from "../errors.ts";
import { newRunId, parseRunId, type RunId } from "../ids.ts";
import type { Change, Held } from "../journal/change.ts";
import { write } from "../journal/commit.ts";
import { readRun } from "../journal/held.ts";
import { aText, type Json, present } from "../json.ts";
import { moved } from "../record/lifecycle.ts";
import { newRecord } from "../record/lineage.ts";
import { event, type Run } from "../record/run.ts";
import type { Fields } from "../record/state.ts";
import { runningState } from "../record/state.ts";
import { validate } from "../schema.ts";
import type { Skill } from "../skills/skill.ts";
import { maxRowBytes, type NewClaim } from "../store.ts";
import { demandSame, earlierClaim, idempotencyClaim } from "./idempotency.ts";
import type { NewRun } from "./new-run.ts";
import type { Scope } from "./scope.ts";

/** A run that was born, or found under its idempotency key. */
export interface Born {
  readonly held: Held;
  readonly isRepeat: boolean;
  /** The id of the first checkpoint; absent on a repeat. */
  readonly snapshot?: Snapshot;
}

const kinds: Kinds<NewRun> = {
  skillId: needed(anId),
  skillVersion: anId,
  inputs: anything,
  runId: aRunId,
  traceId: aText,
  threadId: aText,
  sessionId: aText,
  environment: aText,
  metadata: anything,
  idempotencyKey: aText,
};

/** Creates a run that executes nothing until it is resumed. The skill need not be registered here. */
export async function createRun(scope: Scope, from: NewRun): Promise<Born> {
  const request = given(from, kinds, "request");
  const { record, state, claim } = await prepare(scope, request, "create");
  return settle(scope, claim, {
    record,
    events: [event("run.created", Date.parse(record.run.createdAt), { skill_id: record.run.skillId })],
    checkpoint: { kind: "run_created", state },
  });
}

/** Of a child run. */
type Parent = Pick<Run, "parentRunId" | "parentStepId">;

/** Creates a run and begins to execute it. Resolves once that is committed. */
export async function startRun(scope: Scope, from: NewRun, parent?: Parent): Promise<Born> {
  const { executor } = scope;
  const request = given(from, kinds, "request");
  const skill = executor.skills.get(request.skillId, request.skillVersion);
  const { record, state, claim } = await prepare(scope, request, "start");
  const now = Date.parse(record.run.createdAt);
  const running = runningState(state, now);
  const born = await settle(scope, claim, {
    record: executor.taken(
      { ...record, ...(parent && { toldEpoch: 0 }), run: moved({ ...record.run, ...parent }, { type: "start" }, now) },
      now,
    ),
    events: [event("run.started", now, { skill_id: skill.id })],
    checkpoint: { kind: "run_started", state: running },
  });
  launchBorn(executor, skill, born);
  return born;
}

function launchBorn(executor: Executor, skill: Skill, { held, snapshot }: Born): void {
  if (snapshot !== undefined) executor.launch(held, { skill, state: snapshot.state, head: snapshot });
}

async function prepare(scope: Scope, request: NewRun, operation: "create" | "start") {
  const { host, executor, tenant } = scope;
  const skill = executor.skills.find(request.skillId, request.skillVersion);
  const inputs = request.inputs ?? {};
  // Encoded before its schema sees it, so that a value that cannot be stored is rejected under its own path.
  const encoded = encodeFields(inputs, "inputs", host);
  const checked =
    skill?.inputs === undefined ? encoded : encodeFields(await validated(skill.inputs, inputs), "inputs", host);
  const { runId, idempotencyKey, skillId, traceId, threadId, sessionId, environment } = request;
  const skillVersion = request.skillVersion ?? skill?.version;
  const id = runId === undefined ? newRunId(host.random) : parseRunId(runId);
  const metadata = encodeFields(request.metadata ?? {}, "metadata", bytesAtMost(maxRowBytes));
  const now = host.clock.now();
  const content = [skillId, request.skillVersion, encoded, runId, metadata];
  const claim = await idempotencyClaim(scope, operation, idempotencyKey, content);
  const optional = present({ traceId, skillVersion });
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
  try {
    return (await validate(schema, inputs, "inputs")) as Fields;
  } catch (cause) {
    if (isDurableError(cause)) throw cause;
    throw new DurableError("internal_error", "inputs: the schema of the skill failed", { path: "inputs", cause });
  }
}

/** Writes a newborn run, or finds the run of an earlier call with the same idempotency key. */
export async function settle(scope: Scope, claim: NewClaim | undefined, change: Change): Promise<Born> {
  const { host } = scope;
  const earlier = await earlierRun(scope, claim);
  if (earlier !== undefined) return earlier;
  // The key first: if others hold several claims, the store reports the first.
  const claims = [...(claim === undefined ? [] : [claim]), ...(change.claims ?? [])];
  const outcome = await write(host, undefined, { ...change, claims });
  switch (outcome.kind) {
    case "committed":
      return { held: outcome.held, isRepeat: false, ...present({ snapshot: outcome.checkpoint?.snapshot }) };
    case "claimed":
    case "conflict": {
      // Another call with the same key may have come first, under another run id or under this one.
      const first = await earlierRun(scope, claim);
      if (first !== undefined) return first;
      throw new DurableError("conflict", `run id "${change.record.run.runId}" is already taken`);
    }
  }
}

/** The run of an earlier call with this idempotency key. */
export async function earlierRun(scope: Scope, claim: NewClaim | undefined): Promise<Born | undefined> {
  const earlier = await earlierClaim(scope, claim);
  if (earlier === undefined || claim === undefined) return undefined;
  const held = await readRun(scope, earlier.runId as RunId);
  if (held === undefined)
    throw notFound("run", `run "${earlier.runId}", which this idempotency key created, was deleted`);
  demandSame(claim, earlier);
  return { held, isRepeat: true };
}
