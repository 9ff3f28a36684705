import { aLength, aSignal, given, type Kinds } from "../argument.ts";
import { isoTime, unlessAborted } from "../clock.ts";
import { decodeRun } from "../codec/bodies.ts";
import { decodeValue } from "../codec/values.ts";
import { DurableError, isUnreadableData } from "../errors.ts";
import { parseRunId, type RunId } from "../ids.ts";
import type { Held } from "../journal/change.ts";
import { heldRow } from "../journal/commit.ts";
import { getCheckpoint, getRun } from "../journal/held.ts";
import { aCount, aFlag, aText, oneOf, present } from "../json.ts";
import type { Checkpoint } from "../record/checkpoint.ts";
import type { RunEvent } from "../record/event.ts";
import { known } from "../record/known.ts";
import { type Precondition, preconditionKinds } from "../record/precondition.ts";
import { isTerminal, type RunStatus, runStatuses } from "../record/run.ts";
import type { Skill } from "../skills/skill.ts";
import type { RunPosition, RunRow } from "../store.ts";
import type {
  ChangedRun,
  CurrentRun,
  DescentOutcome,
  ListedSkill,
  ListQuery,
  ResumeOutcome,
  Returned,
  RunFilter,
  RunsApi,
  StartArguments,
  Started,
  WaitOptions,
} from "./api.ts";
import { bear } from "./birth.ts";
import {
  type CheckpointPage,
  type CheckpointQuery,
  type HistoryEntry,
  type HistoryQuery,
  listCheckpoints,
  loadCheckpoint,
  readHistory,
} from "./checkpoints.ts";
import {
  approveRun,
  type CancelOptions,
  cancelRun,
  type DecisionRequest,
  denyRun,
  type NewSignal,
  type Repeatable,
  type Resumed,
  type Resumption,
  resumeRun,
  signalRun,
} from "./continuation.ts";
import { cursorOf, parseCursor } from "./cursor.ts";
import { deleteRun } from "./deletion.ts";
import { type Descended, type Descent, type ForkDescent, forkRun, replayRun } from "./descent.ts";
import { type EventQuery, type PolledWatchOptions, readEvents, watchKinds, watchRun } from "./events.ts";
import { birthOf, type NewRun, type StartOptions } from "./new-run.ts";
import { awaitedOf, resultOf } from "./outcome.ts";
import { aPageSize, type Page, readPage } from "./page.ts";
import { type Scope, scopes } from "./scope.ts";
import { listedSkills } from "./skills.ts";

/**
 * The runs of one tenant, and the operations that every app needs. Made by `runtime.for(tenant)`. Its methods are
 * described at {@link RunsApi}. Rarer operations are
 * functions with it as an argument, such as `exportRun(runs, runId)`, so that only apps that import them carry them.
 *
 * Each call reads what is stored and commits its decision; it keeps no state in between. A missing thing is a
 * `not_found` that names it; an operation that the lifecycle forbids is an `invalid_transition`. After either nothing
 * has changed. Calls that write a run have a {@link Precondition} among their options, like HTTP's `If-Match`; the
 * newborn of a replay or fork is written only if its source fulfils it.
 *
 * @example
 * ```ts
 * import { createRuntime } from "orca-durable";
 * import { memoryStore } from "orca-durable/memory";
 * import { letter } from "./skills.ts";
 *
 * const runs = createRuntime({ store: memoryStore(), skills: [letter] }).for("acme");
 * const { run } = await runs.start(letter, { to: "Alice" });
 * console.log(await runs.result(letter, run.runId));
 * ```
 */
export class Runs implements RunsApi {
  readonly #scope: Scope;

  /** @internal */
  constructor(scope: Scope) {
    this.#scope = scope;
    scopes.set(this, scope);
  }

  create<Inputs>(skill: Skill<Inputs>, ...rest: StartArguments<Inputs>): Promise<Started>;
  create(request: NewRun): Promise<Started>;
  async create(skill: NewRun | Skill, inputs?: unknown, options?: StartOptions): Promise<Started> {
    const { held, isRepeat } = await bear(this.#scope, "create", birthOf(skill, inputs, options));
    return { run: currentRun(held), isRepeat };
  }

  start<Inputs>(skill: Skill<Inputs>, ...rest: StartArguments<Inputs>): Promise<Started>;
  start(request: NewRun): Promise<Started>;
  async start(skill: NewRun | Skill, inputs?: unknown, options?: StartOptions): Promise<Started> {
    const { held, isRepeat } = await bear(this.#scope, "start", birthOf(skill, inputs, options));
    return { run: currentRun(held), isRepeat };
  }

  async get(runId: string): Promise<CurrentRun> {
    const held = await getRun(this.#scope, parseRunId(runId));
    const run = currentRun(held);
    const { isResultInHead, run: stored } = held.record;
    if (isResultInHead !== true || stored.checkpointHead === undefined) return run;
    const { state } = await getCheckpoint(this.#scope, stored.runId, stored.checkpointHead);
    return { ...run, result: decodeValue(state.output.result, "result") };
  }

  async list(query: ListQuery = {}): Promise<Page<CurrentRun>> {
    const { limit = 100, order = "descending", offset, after: cursor, ...filter } = given(query, listKinds, "query");
    const after = cursor === undefined ? undefined : parseCursor(cursor, "after");
    const { rows, isMore } = await readPage<RunRow>(limit, (last, size) => {
      // By its place and not by their number, since other runs are born meanwhile.
      const from = last === undefined ? present({ offset, after }) : { after: positionOf(last) };
      return this.#scope.host.store.listRuns(this.#scope.tenant, { ...filter, ...from, limit: size, order });
    });
    const last = isMore ? rows.at(-1) : undefined;
    return { items: rows.map(listedRun), ...present({ next: last && cursorOf(last) }) };
  }

  async count(filter: RunFilter = {}): Promise<number> {
    return this.#scope.host.store.countRuns(this.#scope.tenant, given(filter, filterKinds, "filter"));
  }

  async loadCheckpoint(runId: string, checkpointId: string): Promise<Checkpoint> {
    return loadCheckpoint(this.#scope, parseRunId(runId), checkpointId);
  }

  async listCheckpoints(runId: string, query: CheckpointQuery = {}): Promise<CheckpointPage> {
    return listCheckpoints(this.#scope, parseRunId(runId), query);
  }

  async resume(runId: string, options: Resumption = {}): Promise<ResumeOutcome> {
    return resumed(await resumeRun(this.#scope, parseRunId(runId), options));
  }

  async replay(runId: string, descent: Descent = {}): Promise<DescentOutcome> {
    const id = parseRunId(runId);
    return descended(id, await replayRun(this.#scope, id, descent));
  }

  async fork(runId: string, descent: ForkDescent = {}): Promise<DescentOutcome> {
    const id = parseRunId(runId);
    return descended(id, await forkRun(this.#scope, id, descent));
  }

  async approve(runId: string, decision: DecisionRequest = {}): Promise<ResumeOutcome> {
    return resumed(await approveRun(this.#scope, parseRunId(runId), decision));
  }

  async deny(runId: string, decision: DecisionRequest = {}): Promise<ChangedRun> {
    return changedRun(await denyRun(this.#scope, parseRunId(runId), decision));
  }

  async signal(runId: string, signal: NewSignal): Promise<ChangedRun> {
    return changedRun(await signalRun(this.#scope, parseRunId(runId), signal));
  }

  async cancel(runId: string, options: CancelOptions = {}): Promise<CurrentRun> {
    const kinds = { ...preconditionKinds, rollback: aFlag };
    return currentRun(await cancelRun(this.#scope, parseRunId(runId), given(options, kinds)));
  }

  async delete(runId: string, options: Precondition = {}): Promise<void> {
    return deleteRun(this.#scope, parseRunId(runId), given(options, preconditionKinds));
  }

  async history(runId: string, query: HistoryQuery = {}): Promise<Page<HistoryEntry, number>> {
    return readHistory(this.#scope, parseRunId(runId), query);
  }

  async events(runId: string, query: EventQuery = {}): Promise<Page<RunEvent>> {
    return readEvents(this.#scope, parseRunId(runId), query);
  }

  watch(runId: string, options: PolledWatchOptions = {}): AsyncGenerator<RunEvent, RunStatus | undefined, undefined> {
    return watchRun(this.#scope, parseRunId(runId), given(options, watchKinds));
  }

  async skills(): Promise<readonly ListedSkill[]> {
    return listedSkills(this.#scope.executor.skills.all());
  }

  result<Result>(skill: Skill<never, Result>, runId: string, options?: WaitOptions): Promise<Returned<Result>>;
  result(runId: string, options?: WaitOptions): Promise<unknown>;
  async result(given: Skill | string, ...rest: readonly unknown[]): Promise<unknown> {
    const [runId, options, skillId] = awaitedOf(given, rest);
    return resultOf(await this.settled(runId, options), skillId);
  }

  async settled(runId: string, options: WaitOptions = {}): Promise<CurrentRun> {
    const { signal, pollMs = 200 } = given(options, { signal: aSignal, pollMs: aLength });
    for (;;) {
      signal?.throwIfAborted();
      const run = await unlessAborted(signal, this.get(runId));
      if (isTerminal(run.status)) return run;
      const pass = this.#scope.executor.passOf(this.#scope.tenant, run.runId);
      await unlessAborted(signal, pass ?? this.#scope.host.clock.sleep(pollMs, signal));
    }
  }
}

const filterKinds: Kinds<RunFilter> = { status: oneOf(runStatuses), skillId: aText, sourceRunId: aText };

const listKinds: Kinds<ListQuery> = {
  ...filterKinds,
  after: aText,
  offset: aCount(0),
  limit: aPageSize,
  order: oneOf(["ascending", "descending"]),
};

/** The place of a row in a list of runs. */
export function positionOf({ createdAt, runId }: RunRow): RunPosition {
  return { createdAt, runId };
}

/** A run as a list shows it. */
function listedRun(row: RunRow): CurrentRun {
  try {
    const held = heldRow(row);
    if (held !== undefined) return currentRun(held);
    throw new DurableError("corrupt_data", `run "${row.runId}" cannot be read`);
  } catch (error) {
    if (!isUnreadableData(error)) throw error;
    const { code, message } = error;
    return {
      runId: row.runId as RunId,
      skillId: row.skillId ?? "",
      status: runStatuses.find((status) => status === row.status) ?? "failed",
      createdAt: isoTime(row.createdAt),
      tenantId: row.tenant,
      versions: {},
      metadata: {},
      result: null,
      error: { code, message },
      revision: row.revision,
      isDamaged: true,
    };
  }
}

/** A run as callers see it. */
export function currentRun({ record }: Held): CurrentRun {
  const run = { ...decodeRun(record.run), revision: record.entryRevision };
  known.set(run, record);
  return run;
}

function changedRun({ held, isRepeat }: Repeatable): ChangedRun {
  return Object.assign(currentRun(held), isRepeat && { isRepeat });
}

function resumed({ held, checkpointId, isRepeat }: Resumed): ResumeOutcome {
  return { run: currentRun(held), checkpointId, isRepeat };
}

function descended(sourceRunId: RunId, { held, checkpointId, isRepeat }: Descended): DescentOutcome {
  return { run: currentRun(held), checkpointId, sourceRunId, isRepeat };
}
