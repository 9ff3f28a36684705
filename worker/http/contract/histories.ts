import * as v from "valibot";
import { runStatuses } from "../../../src/record/run.ts";
import { type Family, ofRun } from "./operation.ts";
import { checkpointRecord, damageMark, parentRunId, parentStepId, runEvent } from "./records.ts";
import { traceMetrics, traceStep } from "./state.ts";
import { id, jsonValue, nextAfter, optional, stepId, text, textOrNull, whole, wholeNumber } from "./values.ts";

/** `GET /v1/runs/{run_id}/history` */
export const historyQuery = v.object({
  after: wholeNumber(0, Number.MAX_SAFE_INTEGER, 0),
  limit: wholeNumber(1, 500, 100),
});

/** `GET /v1/runs/{run_id}/events` */
export const eventQuery = v.object({
  after: optional(text, "The id of an event, or its position, `<revision>-<index>`. The page starts after it."),
  limit: wholeNumber(1, 500, 100),
});

/** `GET /v1/runs/{run_id}/stream` */
export const streamQuery = v.object({
  after: optional(
    text,
    "The id or the position of an event, as in `getEvents`. The header Last-Event-ID takes precedence.",
  ),
});

export const historyPage = v.object({
  run_id: text,
  history: v.array(
    v.object({
      revision: whole,
      events: v.array(runEvent),
      checkpoint: v.nullable(checkpointRecord),
      is_damaged: damageMark,
    }),
  ),
  pagination: v.object({ after: whole, limit: whole, has_more: v.boolean(), next_after: v.optional(whole) }),
});
export type HistoryAnswer = v.InferOutput<typeof historyPage>;

export const eventPage = v.object({
  run_id: text,
  events: v.array(runEvent),
  pagination: v.object({
    limit: whole,
    has_more: v.boolean(),
    next_after: nextAfter,
  }),
});
export type EventPageAnswer = v.InferOutput<typeof eventPage>;

/** `GET /v1/runs/{run_id}/output` */
export const outputQuery = v.object({
  step: v.pipe(stepId, v.description("The id of the step.")),
  from: wholeNumber(0, Number.MAX_SAFE_INTEGER, 0),
  limit: wholeNumber(1, 500, 100),
});

export const outputPage = v.object({
  run_id: text,
  step_id: text,
  chunks: v.array(
    v.object({
      offset: v.pipe(whole, v.description("Later chunks have larger offsets, with gaps.")),
      part: v.pipe(text, v.description("Identifies the attempt. Another part begins the output anew.")),
      at: text,
      chunk: jsonValue,
    }),
  ),
  status: v.pipe(
    textOrNull,
    v.description("The status with which the step ended, or its run. `null` if it may write more."),
  ),
  pagination: v.object({
    from: whole,
    limit: whole,
    has_more: v.boolean(),
    next_from: v.pipe(whole, v.description("The `from` of the next page, also if there are no more chunks now.")),
  }),
});
export type OutputPageAnswer = v.InferOutput<typeof outputPage>;

export const trace = v.object({
  run_id: text,
  trace_id: textOrNull,
  status: v.picklist(runStatuses),
  steps: v.array(traceStep),
  metrics: traceMetrics,
});
/** The trace of a run on the wire. */
export type TraceAnswer = v.InferOutput<typeof trace>;

export const lineageNode = v.object({
  run_id: text,
  source_run_id: textOrNull,
  checkpoint_id: v.pipe(textOrNull, v.description("The checkpoint of the source from which this run started.")),
  kind: v.nullable(v.picklist(["fork", "replay"])),
  parent_run_id: parentRunId,
  parent_step_id: parentStepId,
  skill_id: textOrNull,
  status: v.nullable(v.picklist(runStatuses)),
  created_at: textOrNull,
  is_missing: v.pipe(v.optional(v.literal(true)), v.description("Present if the run does not exist or was deleted.")),
});
export type LineageNodeAnswer = v.InferOutput<typeof lineageNode>;

export const lineage = v.object({
  run: lineageNode,
  ancestors: v.pipe(v.array(lineageNode), v.description("Nearest first.")),
  descendants: v.pipe(v.array(lineageNode), v.description("Each parent comes before its children.")),
  has_more: v.boolean(),
});
export type LineageAnswer = v.InferOutput<typeof lineage>;

/** `GET /v1/runs/{run_id}/children` */
export const childQuery = v.object({
  after: optional(id, "The id of a child. The page starts after it."),
  limit: wholeNumber(1, 500, 100),
});

export const childPage = v.object({
  run_id: text,
  children: v.array(
    v.object({
      run_id: text,
      step_id: v.pipe(text, v.description("The step of the parent.")),
      is_detached: v.pipe(v.boolean(), v.description("True if it continues when its parent is canceled.")),
      skill_id: textOrNull,
      status: v.nullable(v.picklist(runStatuses)),
      created_at: textOrNull,
      is_missing: v.pipe(
        v.optional(v.literal(true)),
        v.description("Present if the child was deleted, cannot be read, or was canceled before it began."),
      ),
    }),
  ),
  pagination: v.object({ limit: whole, has_more: v.boolean(), next_after: nextAfter }),
});
export type ChildPageAnswer = v.InferOutput<typeof childPage>;

export const historyOperations: Family = {
  getHistory: {
    route: "GET /v1/runs/{run_id}/history",
    summary: "List the history of a run, one entry per commit",
    exchange: { query: historyQuery, answer: historyPage, errors: ofRun },
  },
  getEvents: {
    route: "GET /v1/runs/{run_id}/events",
    summary: "List the events of a run",
    exchange: { query: eventQuery, answer: eventPage, errors: ofRun },
  },
  getOutput: {
    route: "GET /v1/runs/{run_id}/output",
    summary: "List what a step has written to its output",
    description: "A page ends early in a long history: go on while `has_more`.",
    exchange: { query: outputQuery, answer: outputPage, errors: ofRun },
  },
  streamEvents: {
    route: "GET /v1/runs/{run_id}/stream",
    summary: "Stream the events of a run as server-sent events",
    description:
      "Each event is sent once, in order, with its position `<revision>-<index>` as `id`. Between them, messages `live` show what steps do while they work: they are not recorded, have no `id`, and may be missing. Comments are heartbeats. When the run ends, the last message is an event `end` with its status. The stream may close earlier: connect again and send the last id as `Last-Event-ID`.",
    exchange: {
      headers: ["LastEventId"],
      query: streamQuery,
      answerType: "text/event-stream",
      also: { 204: "The run has ended, and there is no event after that position" },
      errors: ofRun,
    },
  },
  getTrace: {
    route: "GET /v1/runs/{run_id}/trace",
    summary: "List the steps that a run has executed, as its head records them",
    exchange: { answer: trace, errors: ofRun },
  },
  getLineage: {
    route: "GET /v1/runs/{run_id}/lineage",
    summary: "List the ancestors and descendants of a run: its replays, forks and child runs",
    description: "Returns at most 500 runs besides the run itself.",
    exchange: { answer: lineage, errors: ofRun },
  },
  getChildren: {
    route: "GET /v1/runs/{run_id}/children",
    summary: "List the child runs that the steps of a run have started, by their ids",
    description: "A replay or fork has only the children that it started itself.",
    exchange: { query: childQuery, answer: childPage, errors: ofRun },
  },
};

/** The schemas that have a name in the document. */
export const historySchemas = {
  EventPage: eventPage,
  OutputPage: outputPage,
  HistoryPage: historyPage,
  Trace: trace,
  LineageNode: lineageNode,
  Lineage: lineage,
  ChildPage: childPage,
};
