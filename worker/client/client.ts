import { anything, aTimestamp, expectKind, given, members } from "../../src/argument.ts";
import { isoTime } from "../../src/clock.ts";
import { encodeState, writeState } from "../../src/codec/state.ts";
import { encodeFields, encodeValue } from "../../src/codec/values.ts";
import { parseCheckpointId, parseRunId } from "../../src/ids.ts";
import { anyNumber, read as look, present } from "../../src/json.ts";
import type { Checkpoint, CheckpointRecord } from "../../src/record/checkpoint.ts";
import type { RunEvent } from "../../src/record/event.ts";
import { type Precondition, revisionsOf } from "../../src/record/precondition.ts";
import { isTerminal, type RunStatus } from "../../src/record/run.ts";
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
} from "../../src/runs/api.ts";
import type { CheckpointPage, CheckpointQuery, HistoryEntry, HistoryQuery } from "../../src/runs/checkpoints.ts";
import type { CancelOptions, DecisionRequest, NewSignal, Resumption } from "../../src/runs/continuation.ts";
import { cursorOf } from "../../src/runs/cursor.ts";
import type { Descent, ForkDescent } from "../../src/runs/descent.ts";
import type { EventQuery } from "../../src/runs/events.ts";
import { feeds } from "../../src/runs/feed.ts";
import type { NewCheckpointRequest } from "../../src/runs/new-checkpoint.ts";
import { birthOf, type NewRun, type StartOptions } from "../../src/runs/new-run.ts";
import { awaitedOf, resultOf } from "../../src/runs/outcome.ts";
import type { Page } from "../../src/runs/page.ts";
import type { Skill } from "../../src/skills/skill.ts";
import { Changes } from "./changes.ts";
import {
  checkpointOf,
  checkpointRecordOf,
  eventOf,
  historyEntryOf,
  type RunAnswered,
  read,
  runOf,
  skillOf,
} from "./records.ts";
import type { StreamWatchOptions } from "./watch.ts";
import type { WireClient } from "./wire.ts";

/** The most that one page has over HTTP. */
const mostEntries = 500;
const mostCheckpoints = 1_000;

/**
 * The runs of a service, as `Runs` are those of a runtime. Its methods are described at {@link RunsApi}. `wire` makes the same calls in the names of the wire, and those that
 * are more than a {@link RunsApi}: `children`, `compare`, `export`, `import`, `lineage`, `trace`, `whoami`, and every route.
 *
 * @example
 * ```ts
 * import { createClient } from "orca-durable/client";
 *
 * const client = createClient("https://runs.example.com", { apiKey: "dev-key" });
 * console.log(await client.list({ status: "failed" }), await client.wire.whoami());
 * ```
 */
export class Client implements RunsApi {
  readonly wire: WireClient;

  /** @internal */
  constructor(wire: WireClient) {
    this.wire = wire;
    feeds.set(this, new Changes((signal) => wire.changes({ signal })));
  }

  create<Inputs>(skill: Skill<Inputs>, ...rest: StartArguments<Inputs>): Promise<Started>;
  create(request: NewRun): Promise<Started>;
  async create(skill: NewRun | Skill, inputs?: unknown, options?: StartOptions): Promise<Started> {
    return this.#born(birthOf(skill, inputs, options), false);
  }

  start<Inputs>(skill: Skill<Inputs>, ...rest: StartArguments<Inputs>): Promise<Started>;
  start(request: NewRun): Promise<Started>;
  async start(skill: NewRun | Skill, inputs?: unknown, options?: StartOptions): Promise<Started> {
    return this.#born(birthOf(skill, inputs, options), true);
  }

  async #born(asked: NewRun, start: boolean): Promise<Started> {
    const [request, conditions] = said(asked, "request");
    const { skillId, skillVersion, runId, inputs, traceId, threadId, sessionId, environment, metadata } = request;
    const { startAt, delay } = request;
    const body = {
      skill_id: skillId,
      skill_version: skillVersion,
      run_id: runId,
      inputs: encodeFields(inputs ?? {}, "inputs"),
      trace_id: traceId,
      thread_id: threadId,
      session_id: sessionId,
      environment,
      metadata: encodeFields(metadata ?? {}, "metadata"),
      start_at: startAt === undefined ? undefined : isoTime(Number(expectKind(startAt, aTimestamp, "startAt"))),
      delay,
      start,
    };
    const answer = await this.wire.create(body, conditions);
    return read(answer, (created) => ({ run: runOf(created), isRepeat: isRepeat(created) }));
  }

  async get(runId: string): Promise<CurrentRun> {
    return read(await this.wire.get(runId), runOf);
  }

  async list(query: ListQuery = {}): Promise<Page<CurrentRun>> {
    const { after, offset, limit, order, ...filter } = members(query, "query");
    // A page by cursor costs the same wherever it begins; one by offset tells the total besides.
    const place = offset === undefined ? { cursor: after ?? "" } : present({ offset, cursor: after });
    const answer = await this.wire.list({ ...filterOf(filter), ...place, ...present({ limit, order }) });
    return read(answer, ({ runs, pagination }) => {
      const items = runs.map(runOf);
      const last = pagination.has_more ? items.at(-1) : undefined;
      if (last === undefined) return { items };
      return { items, next: cursorOf({ runId: last.runId, createdAt: Date.parse(last.createdAt) }) };
    });
  }

  async count(filter: RunFilter = {}): Promise<number> {
    const { pagination } = await this.wire.list({ ...filterOf(members(filter, "filter")), offset: 0, limit: 1 });
    return "total" in pagination ? pagination.total : 0;
  }

  async cancel(runId: string, options: CancelOptions = {}): Promise<CurrentRun> {
    const [{ rollback }, conditions] = said(options);
    // The service rejects what is no flag.
    const query = present({ rollback: rollback === undefined ? undefined : (`${rollback}` as "true") });
    return read(await this.wire.cancel(runId, query, conditions), runOf);
  }

  async resume(runId: string, options: Resumption = {}): Promise<ResumeOutcome> {
    const [{ checkpointId }, conditions] = said(options);
    return resumed(await this.wire.resume(runId, { checkpoint_id: checkpointId }, conditions));
  }

  async replay(runId: string, descent: Descent = {}): Promise<DescentOutcome> {
    const [{ checkpointId, newRunId, children }, conditions] = said(descent);
    const body = { checkpoint_id: checkpointId, run_id: newRunId, children };
    const answer = await this.wire.replay(runId, body, conditions);
    return descended(answer, ({ replay }) => replay);
  }

  async fork(runId: string, descent: ForkDescent = {}): Promise<DescentOutcome> {
    const [{ checkpointId, newRunId, children, edit }, conditions] = said(descent);
    const { inputs = {}, vars = {} } = members(edit === undefined ? {} : edit, "edit");
    const edited = edit && { inputs: encodeFields(inputs, "edit.inputs"), vars: encodeFields(vars, "edit.vars") };
    const body = { checkpoint_id: checkpointId, run_id: newRunId, children, edit: edited };
    const answer = await this.wire.fork(runId, body, conditions);
    return descended(answer, ({ fork }) => fork);
  }

  async approve(runId: string, decision: DecisionRequest = {}): Promise<ResumeOutcome> {
    return resumed(await this.wire.approve(runId, ...decided(decision)));
  }

  async deny(runId: string, decision: DecisionRequest = {}): Promise<ChangedRun> {
    return changed(await this.wire.deny(runId, ...decided(decision)));
  }

  async signal(runId: string, signal: NewSignal): Promise<ChangedRun> {
    const [{ name, payload = null }, conditions] = said(signal, "signal");
    const body = { name, payload: encodeValue(payload, "payload") };
    return changed(await this.wire.signal(runId, body, conditions));
  }

  async delete(runId: string, options: Precondition = {}): Promise<void> {
    await this.wire.delete(runId, said(options)[1]);
  }

  /**
   * Saves a checkpoint from outside, as the function of this name does over a runtime.
   *
   * @example
   * ```ts
   * import { createClient } from "orca-durable/client";
   *
   * const client = createClient("https://runs.example.com", { apiKey: "dev-key" });
   * const { head } = await client.listCheckpoints("letter-7");
   * if (head !== undefined) {
   *   const { state } = await client.loadCheckpoint("letter-7", head);
   *   const vars = { ...state.vars, draft: "Dear Bob, …" };
   *   await client.saveCheckpoint("letter-7", { kind: "corrected", state: { ...state, vars } });
   * }
   * ```
   */
  async saveCheckpoint(runId: string, request: NewCheckpointRequest): Promise<CheckpointRecord> {
    const [{ checkpointId, stepId, kind, pendingWrites, state }, conditions] = said(request, "request");
    const body = look("state", () => ({
      checkpoint_id: checkpointId,
      step_id: stepId,
      kind,
      pending_writes: pendingWrites && [...pendingWrites],
      state: writeState(encodeState(state)),
    }));
    return read(await this.wire.saveCheckpoint(runId, body, conditions), checkpointRecordOf);
  }

  async loadCheckpoint(runId: string, checkpointId: string): Promise<Checkpoint> {
    return read(await this.wire.checkpoint(runId, checkpointId), checkpointOf);
  }

  async listCheckpoints(runId: string, query: CheckpointQuery = {}): Promise<CheckpointPage> {
    let [head, total]: [string | null, number] = [null, 0];
    const page = await paged(query, mostCheckpoints, async (part) => {
      return read(await this.wire.checkpoints(runId, part), ({ checkpoints, next_after, ...whole }) => {
        [head, total] = [whole.checkpoint_head, whole.total];
        return { items: checkpoints.map(checkpointRecordOf), next: next_after };
      });
    });
    return { ...page, total, ...(head === null ? {} : { head }) };
  }

  async history(runId: string, query: HistoryQuery = {}): Promise<Page<HistoryEntry, number>> {
    return paged(query, mostEntries, async ({ after, limit }) => {
      const place = after === undefined ? {} : { after: look("after", () => String(after)) };
      return read(await this.wire.history(runId, { ...place, limit }), ({ history, pagination }) => ({
        items: history.map(historyEntryOf),
        next: pagination.next_after,
      }));
    });
  }

  async events(runId: string, query: EventQuery = {}): Promise<Page<RunEvent>> {
    return paged(query, mostEntries, async (part) => {
      return read(await this.wire.events(runId, part), ({ events, pagination }) => ({
        items: events.map(eventOf),
        next: pagination.next_after,
      }));
    });
  }

  async *watch(
    runId: string,
    options: StreamWatchOptions = {},
  ): AsyncGenerator<RunEvent, RunStatus | undefined, undefined> {
    const events = this.wire.watch(runId, options);
    try {
      for (;;) {
        const { done, value } = await events.next();
        if (done) return value;
        yield read(value, eventOf);
      }
    } finally {
      await events.return(undefined);
    }
  }

  async skills(): Promise<readonly ListedSkill[]> {
    return read(await this.wire.skills(), ({ skills }) => skills.map(skillOf));
  }

  result<Result>(skill: Skill<never, Result>, runId: string, options?: WaitOptions): Promise<Returned<Result>>;
  result(runId: string, options?: WaitOptions): Promise<unknown>;
  async result(asked: Skill | string, ...rest: readonly unknown[]): Promise<unknown> {
    const [runId, options, skillId] = awaitedOf(asked, rest);
    return resultOf(await this.settled(runId, options), skillId);
  }

  async settled(runId: string, options: WaitOptions = {}): Promise<CurrentRun> {
    const { signal, pollMs = 200 } = members(options);
    for (;;) {
      const run = read(await this.wire.get(runId, { signal }), runOf);
      if (isTerminal(run.status)) return run;
      // The stream ends with the run; nothing that was there before is sent again.
      const after = `${run.revision}-${lastIndex}`;
      for await (const _ of this.wire.watch(runId, { after, retryMs: pollMs, ...(signal && { signal }) }));
      signal?.throwIfAborted();
    }
  }
}

/** Larger than the index of any event in its entry. */
const lastIndex = 999_999_999_999_999;

/** A page of at most `limit`, of as many pages of the wire as that takes; everything if there is no limit. */
async function paged<Item, Place>(
  query: { readonly after?: Place; readonly limit?: number },
  most: number,
  readPart: (part: { after?: Place; limit: number }) => Promise<{ items: readonly Item[]; next: Place | undefined }>,
): Promise<Page<Item, Place>> {
  const { after, limit } = given(query, { after: anything, limit: anyNumber }, "query");
  const items: Item[] = [];
  for (let place = after; ; ) {
    const wanted = limit === undefined ? most : Math.min(limit - items.length, most);
    const part = await readPart({ ...(place === undefined ? {} : { after: place }), limit: wanted });
    items.push(...part.items);
    place = part.next;
    if (place === undefined) return { items };
    if (limit !== undefined && (limit <= most || items.length >= limit)) return { items, next: place };
  }
}

/** The members of an object, read once, and the conditions among them. The wire and the service check their kinds. */
function said<T extends Precondition & { readonly idempotencyKey?: string }>(from: T, name = "options") {
  const read = members(from, name);
  const { idempotencyKey, expectedRevision } = read;
  const ifMatch = expectedRevision === undefined ? undefined : tagsOf(revisionsOf(expectedRevision));
  return [read, { idempotencyKey, ifMatch }] as const;
}

/** The ETags of these revisions; one that no run has if there are none. */
function tagsOf(revisions: readonly number[]): string {
  return revisions.length === 0 ? '"none"' : revisions.map((revision) => `"${revision}"`).join(", ");
}

function filterOf({ status, skillId, sourceRunId }: RunFilter) {
  return present({ status, skill_id: skillId, source_run_id: sourceRunId });
}

/** The body and the conditions of a decision. */
function decided(decision: DecisionRequest) {
  const [{ approver, notes, stepId, data }, conditions] = said(decision, "decision");
  const encoded = data === undefined ? undefined : encodeValue(data, "data");
  return [{ approver, notes, step_id: stepId, data: encoded }, conditions] as const;
}

function isRepeat({ idempotent_replay }: { readonly idempotent_replay?: true | undefined }): boolean {
  return idempotent_replay === true;
}

function changed(answer: RunAnswered): ChangedRun {
  return read(answer, (run) => ({ ...runOf(run), ...(isRepeat(run) ? { isRepeat: true } : {}) }));
}

interface Resumed {
  readonly run: RunAnswered;
  readonly idempotent_replay?: true | undefined;
}

function resumed(answer: Resumed & { readonly resume: { readonly checkpoint_id: string } }): ResumeOutcome {
  return read(answer, ({ run, resume }) => ({
    run: runOf(run),
    checkpointId: parseCheckpointId(resume.checkpoint_id),
    isRepeat: isRepeat(answer),
  }));
}

function descended<Answer extends Resumed>(
  answer: Answer,
  from: (answer: Answer) => { readonly checkpoint_id: string; readonly source_run_id: string },
): DescentOutcome {
  return read(answer, () => {
    const { checkpoint_id, source_run_id } = from(answer);
    return {
      run: runOf(answer.run),
      checkpointId: parseCheckpointId(checkpoint_id),
      sourceRunId: parseRunId(source_run_id),
      isRepeat: isRepeat(answer),
    };
  });
}
