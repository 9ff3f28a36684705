import * as v from "valibot";
import { runStatuses } from "../../../src/codec/index.ts";
import { type Operation, ofRun } from "./operation.ts";
import { checkpointRecord, damageMark, runEvent } from "./records.ts";
import { traceMetrics, traceStep } from "./state.ts";
import { text, textOrNull, whole, wholeNumber } from "./values.ts";

/** `GET /v1/runs/{run_id}/history` */
export const historyQuery = v.object({
  after: wholeNumber(0, Number.MAX_SAFE_INTEGER, 0),
  limit: wholeNumber(1, 500, 100),
});

/** `GET /v1/runs/{run_id}/events` */
export const eventQuery = v.object({
  after: v.pipe(
    v.optional(text),
    v.description("The id of an event, or its position, `<revision>-<index>`. The page starts after it."),
  ),
  limit: wholeNumber(1, 500, 100),
});

/** `GET /v1/runs/{run_id}/stream` */
export const streamQuery = v.object({
  after: v.pipe(
    v.optional(text),
    v.description("The id or the position of an event, as in `getEvents`. The header Last-Event-ID takes precedence."),
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

export const eventPage = v.object({
  run_id: text,
  events: v.array(runEvent),
  pagination: v.object({
    limit: whole,
    has_more: v.boolean(),
    next_after: v.pipe(v.optional(text), v.description("The `after` of the next page. Absent on the last page.")),
  }),
});

export const trace = v.object({
  run_id: text,
  trace_id: textOrNull,
  status: v.picklist(runStatuses),
  steps: v.array(traceStep),
  metrics: traceMetrics,
});

export const lineageNode = v.object({
  run_id: text,
  source_run_id: textOrNull,
  checkpoint_id: v.pipe(textOrNull, v.description("The checkpoint of the source from which this run started.")),
  kind: v.nullable(v.picklist(["fork", "replay"])),
  skill_id: textOrNull,
  status: v.nullable(v.picklist(runStatuses)),
  created_at: textOrNull,
  is_missing: v.pipe(v.optional(v.literal(true)), v.description("Present if the run does not exist or was deleted.")),
});

export const lineage = v.object({
  run: lineageNode,
  ancestors: v.pipe(v.array(lineageNode), v.description("Nearest first.")),
  descendants: v.pipe(v.array(lineageNode), v.description("Each parent comes before its children.")),
  has_more: v.boolean(),
});

/** The schemas that have a name in the document. */
export const historySchemas = {
  EventPage: eventPage,
  HistoryPage: historyPage,
  Trace: trace,
  LineageNode: lineageNode,
  Lineage: lineage,
};

export type HistoryAnswer = v.InferOutput<typeof historyPage>;
export type EventPageAnswer = v.InferOutput<typeof eventPage>;
export type TraceAnswer = v.InferOutput<typeof trace>;
export type LineageNodeAnswer = v.InferOutput<typeof lineageNode>;
export type LineageAnswer = v.InferOutput<typeof lineage>;

export const historyOperations: readonly Operation[] = [
  {
    id: "getHistory",
    method: "get",
    path: "/v1/runs/{run_id}/history",
    tag: "runs",
    summary: "List the history of a run, one entry per commit",
    query: historyQuery,
    status: 200,
    answer: historyPage,
    errors: ofRun,
  },
  {
    id: "getEvents",
    method: "get",
    path: "/v1/runs/{run_id}/events",
    tag: "runs",
    summary: "List the events of a run",
    query: eventQuery,
    status: 200,
    answer: eventPage,
    errors: ofRun,
  },
  {
    id: "streamEvents",
    method: "get",
    path: "/v1/runs/{run_id}/stream",
    tag: "runs",
    summary: "Stream the events of a run as server-sent events",
    description:
      "Each event is sent once, in order, with its position `<revision>-<index>` as `id`. Comments between events are heartbeats. When the run ends, the last message is an event `end` with its status. The stream may close earlier: connect again and send the last id as `Last-Event-ID`.",
    headers: ["LastEventId"],
    query: streamQuery,
    status: 200,
    answerType: "text/event-stream",
    also: { 204: "The run has ended, and there is no event after that position" },
    errors: ofRun,
  },
  {
    id: "getTrace",
    method: "get",
    path: "/v1/runs/{run_id}/trace",
    tag: "runs",
    summary: "List the steps that a run has executed, as its head records them",
    status: 200,
    answer: trace,
    errors: ofRun,
  },
  {
    id: "getLineage",
    method: "get",
    path: "/v1/runs/{run_id}/lineage",
    tag: "runs",
    summary: "List the ancestors and descendants of a run",
    description: "Returns at most 500 runs besides the run itself.",
    status: 200,
    answer: lineage,
    errors: ofRun,
  },
];
