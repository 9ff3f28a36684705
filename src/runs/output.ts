import { aSignal, expectKind, given, type Kinds, withMethods } from "../argument.ts";
import { aCount, aText, getOwn, present } from "../json.ts";
import { positionOf, type RunEvent } from "../record/event.ts";
import { isTerminal } from "../record/run.ts";
import { isSettled } from "../record/state.ts";
import { maxBatchChunks } from "../skills/step-output.ts";
import type { RunsApi } from "./api.ts";

/** One chunk of the output of a step. */
export interface OutputChunk<T = unknown> {
  /** The place of the chunk. Later chunks of a run have larger offsets, with gaps. */
  readonly offset: number;
  /**
   * Identifies the attempt that wrote it. A chunk of another part than the chunk before it begins the output anew: the
   * attempt before failed, or its executor died.
   */
  readonly part: string;
  readonly chunk: T;
  /** When it was stored, ISO-8601 in UTC. */
  readonly at: string;
}

/** A place in the output of a step. */
export interface OutputQuery {
  /** The offset of the first chunk: after a chunk, its offset + 1. Default 0, the beginning. */
  readonly from?: number;
  /** Ends the reading. */
  readonly signal?: AbortSignal;
}

/** A part of the output of a step. */
export interface OutputPage {
  readonly items: readonly OutputChunk[];
  /** The `from` of the next page. */
  readonly next: number;
  /** True if there may be more now. */
  readonly isMore: boolean;
  /** The status with which the step has ended; absent while it may still write. */
  readonly status?: string;
}

/** The runs of a runtime or a client. */
const aSource = /* @__PURE__ */ withMethods("get", "loadCheckpoint", "watch", "events");

const queryKinds: Kinds<OutputQuery> = { from: aCount(0), signal: aSignal };

/** Larger than the index of any event in its entry. */
const lastIndex = 999_999_999_999_999;

/**
 * The chunks that a step writes to its output, from an offset on: those that are stored, and then each as it is stored, until
 * the step has ended. `runs` are those of a runtime or a client. Returns the status with which the step ended, such as
 * `completed` or `degraded`; that of the run if it ended first; nothing if the reading ended before, by its signal or because
 * the platform soon allows no more queries.
 *
 * @throws `not_found` if there is no such run.
 * @example
 * ```ts
 * import { readOutput } from "orca-durable/steps";
 * import { runs } from "./runs.ts";
 *
 * let text = "";
 * let part: string | undefined;
 * for await (const said of readOutput<string>(runs, "story-7", "tell")) {
 *   if (said.part !== part) text = "";
 *   part = said.part;
 *   text += said.chunk;
 * }
 * console.log(text);
 * ```
 */
export async function* readOutput<T = unknown>(
  runs: RunsApi,
  runId: string,
  step: string,
  query: OutputQuery = {},
): AsyncGenerator<OutputChunk<T>, string | undefined, undefined> {
  expectKind(runs, aSource, "runs");
  const { from = 0, signal } = given(query, queryKinds, "query");
  expectKind(step, aText, "step");
  // A step whose result was copied or saved into the run writes nothing, and has ended all the same.
  let end = await endOf(runs, runId, step);
  if (end !== undefined && revisionOf(from) > end.revision) return end.status;
  const events = runs.watch(runId, { ...present({ after: placeBefore(from), signal }) });
  try {
    for (;;) {
      const { done, value } = await events.next();
      if (done) return value === undefined ? undefined : (end?.status ?? value);
      for (const chunk of chunksOf(value, step)) if (chunk.offset >= from) yield asTyped<T>(chunk);
      if (isEndOf(value, step)) {
        end = await endOf(runs, runId, step);
        // A run that was never resumed takes no step twice.
        if (end?.isLast) return end.status;
      }
      if (end !== undefined && positionOf(value).revision >= end.revision) return end.status;
    }
  } finally {
    await events.return(undefined);
  }
}

/**
 * The chunks of a step's output that are stored, from an offset on: at most `limit`.
 *
 * @throws `not_found` if there is no such run.
 * @example
 * ```ts
 * import { readOutputPage } from "orca-durable/steps";
 * import { runs } from "./runs.ts";
 *
 * const { items, next, status } = await readOutputPage(runs, "story-7", "tell", { limit: 100 });
 * console.log(items.length, status === undefined ? `goes on at ${next}` : status);
 * ```
 */
export async function readOutputPage(
  runs: RunsApi,
  runId: string,
  step: string,
  query: { readonly from?: number; readonly limit?: number } = {},
): Promise<OutputPage> {
  expectKind(runs, aSource, "runs");
  const { from = 0, limit = 1_000 } = given(query, { from: aCount(0), limit: aCount(1) }, "query");
  expectKind(step, aText, "step");
  const end = await endOf(runs, runId, step);
  const items: OutputChunk[] = [];
  let next = from;
  for (let reads = 0; reads < readsOfPage; reads++) {
    const { items: events, next: more } = await runs.events(runId, {
      limit: eventsAtOnce,
      ...present({ after: placeBefore(next) }),
    });
    for (const event of events) {
      for (const chunk of chunksOf(event, step)) {
        if (chunk.offset < next) continue;
        if (items.length === limit) return { items, next, isMore: true };
        items.push(chunk);
        next = chunk.offset + 1;
      }
    }
    const last = events.at(-1);
    if (more === undefined) return { items, next, isMore: false, ...present({ status: end?.status }) };
    if (last !== undefined) next = Math.max(next, (positionOf(last).revision + 1) * maxBatchChunks);
  }
  return { items, next, isMore: true };
}

const eventsAtOnce = 200;
/** Bounds what one page costs in a long run. */
const readsOfPage = 5;

interface End {
  readonly status: string;
  /** The revision of the run by which the step had ended. */
  readonly revision: number;
  /** True if the step cannot be taken again. */
  readonly isLast: boolean;
}

/** How the step ended, if it has, or its run. */
async function endOf(
  runs: Pick<RunsApi, "get" | "loadCheckpoint">,
  runId: string,
  step: string,
): Promise<End | undefined> {
  const { status, revision, checkpointHead, resumeFromCheckpointId } = await runs.get(runId);
  const isLast = resumeFromCheckpointId === undefined;
  if (checkpointHead !== undefined) {
    const { state } = await runs.loadCheckpoint(runId, checkpointHead);
    const result = getOwn(state.stepResults, step);
    if (result !== undefined && isSettled(result)) return { status: result.status, revision, isLast };
  }
  return isTerminal(status) ? { status, revision, isLast } : undefined;
}

function isEndOf({ eventType, payload }: RunEvent, step: string): boolean {
  return eventType === "step.completed" && payload.step_id === step;
}

function chunksOf(event: RunEvent, step: string): readonly OutputChunk[] {
  const { step_id, part, chunks } = event.payload;
  if (event.eventType !== "step.output" || step_id !== step || !Array.isArray(chunks)) return [];
  const first = positionOf(event).revision * maxBatchChunks;
  const at = event.occurredAt;
  return chunks.map((chunk: unknown, index) => ({ offset: first + index, part: String(part), chunk, at }));
}

function revisionOf(offset: number): number {
  return Math.floor(offset / maxBatchChunks);
}

/** The place of the last event before the chunk at that offset. */
function placeBefore(offset: number): string | undefined {
  const before = revisionOf(offset) - 1;
  return before < 1 ? undefined : `${before}-${lastIndex}`;
}

// The step writes what its author says.
function asTyped<T>(chunk: OutputChunk): OutputChunk<T> {
  return chunk as OutputChunk<T>;
}
