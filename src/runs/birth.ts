import { anId, anything, aRunId, aTimestamp, given, type Kinds, needed } from "../argument.ts";
import { isoTime } from "../clock.ts";
import type { Snapshot } from "../codec/bodies.ts";
import { initialState } from "../codec/state.ts";
import { bytesAtMost, encodeFields } from "../codec/values.ts";
import { aDuration, durationMs } from "../duration.ts";
import { DurableError, invalidRequest, isDurableError, notFound } from "../errors.ts";
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
  startAt: aTimestamp,
  delay: aDuration,
  idempotencyKey: aText,
};

/** What makes a run the child of another. */
type Parent = Pick<Run, "parentRunId" | "parentStepId">;

/**
 * Creates a run. A `start` begins to execute it, unless its time is still to come; a run that does not begin executes nothing
 * until that time, or until it is resumed. Only a `start` needs the skill here. Resolves once that is committed.
 */
export async function bear(
  scope: Scope,
  operation: "create" | "start",
  from: NewRun,
  parent?: Parent | undefined,
): Promise<Born> {
  const { host, executor, tenant } = scope;
  const request = given(from, kinds, "request");
  const { skillId, inputs = {}, runId, idempotencyKey, traceId, threadId, sessionId, environment } = request;
  const { startAt, delay } = request;
  const isStart = operation === "start";
  const skill = executor.skills[isStart ? "get" : "find"](skillId, request.skillVersion);
  // Encoded before its schema sees it, so that a value that cannot be stored is rejected under its own path.
  const encoded = encodeFields(inputs, "inputs", host);
  const checked =
    skill?.inputs === undefined ? encoded : encodeFields(await validated(skill.inputs, inputs), "inputs", host);
  const id = runId === undefined ? newRunId(host.random) : parseRunId(runId);
  const metadata = encodeFields(request.metadata ?? {}, "metadata", bytesAtMost(maxRowBytes));
  const now = host.clock.now();
  if (startAt !== undefined && delay !== undefined) throw invalidRequest("delay", "expected either this or `startAt`");
  const at = startAt && Number(startAt);
  const time = at ?? delay;
  const dueAt = delay === undefined ? at : now + durationMs(delay, "delay");
  const content = [skillId, request.skillVersion, encoded, runId, metadata, ...(time === undefined ? [] : [time])];
  const claim = await idempotencyClaim(scope, operation, idempotencyKey, content);
  const optional = present({ traceId, skillVersion: request.skillVersion ?? skill?.version });
  const born = newRecord({
    runId: id,
    tenantId: tenant,
    skillId,
    ...optional,
    ...present({ threadId, sessionId, environment }),
    metadata,
    createdAt: isoTime(now),
  });
  const record = { ...born, ...(parent && { toldEpoch: 0 }), run: { ...born.run, ...parent } };
  const state = { ...initialState<Json>(skillId, checked), ...optional };
  const payload = { skill_id: skillId };
  if (skill === undefined || !isStart || (dueAt !== undefined && dueAt > now)) {
    return settle(scope, claim, {
      record: { ...record, ...present({ wakeAt: dueAt }) },
      events: [event("run.created", now, payload)],
      checkpoint: { kind: "run_created", state },
    });
  }
  const begun = await settle(scope, claim, {
    record: executor.taken({ ...record, run: moved(record.run, { type: "proceed" }, now) }, now),
    events: [event("run.started", now, payload)],
    checkpoint: { kind: "run_started", state: runningState(state, now) },
  });
  const { held, snapshot } = begun;
  if (snapshot !== undefined) executor.launch(held, { skill, state: snapshot.state, head: snapshot });
  return begun;
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
  if (held === undefined) throw notFound("run", `run "${earlier.runId}" of this idempotency key was deleted`);
  demandSame(claim, earlier);
  return { held, isRepeat: true };
}
