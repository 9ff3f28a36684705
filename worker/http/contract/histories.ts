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
  after: v.pipe(v.optional(text), v.description("The id of an event, or its place, `<revision>-<index>`.")),
  limit: wholeNumber(1, 500, 100),
});

/** `GET /v1/runs/{run_id}/stream` */
export const streamQuery = v.object({
  after: v.pipe(v.optional(text), v.description("As in the events; the header Last-Event-ID wins.")),
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
    next_after: v.pipe(v.optional(text), v.description("The `after` of the next page; absent on the last.")),
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
  checkpoint_id: v.pipe(textOrNull, v.description("The checkpoint of the source on which it stands.")),
  kind: v.nullable(v.picklist(["fork", "replay"])),
  skill_id: textOrNull,
  status: v.nullable(v.picklist(runStatuses)),
  created_at: textOrNull,
  is_missing: v.pipe(v.optional(v.literal(true)), v.description("Present where the run is not there, or no longer.")),
});

export const lineage = v.object({
  run: lineageNode,
  ancestors: v.pipe(v.array(lineageNode), v.description("The nearest first.")),
  descendants: v.pipe(v.array(lineageNode), v.description("Parents before children.")),
  has_more: v.boolean(),
});

/** Those that have a name in the document. */
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
    summary: "What happened to a run, commit by commit",
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
    summary: "What happened to a run, event by event",
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
    summary: "What happens to a run, as server-sent events",
    description:
      "Each event has its place as `id`, `<revision>-<index>`, and is sent once and in order; comments in between are heartbeats. When the run has ended, an event `end` with its status comes last. A stream may close before that: connect again with the last id as `Last-Event-ID`.",
    headers: ["LastEventId"],
    query: streamQuery,
    status: 200,
    answerType: "text/event-stream",
    also: { 204: "The run has ended, and nothing happened after that place" },
    errors: ofRun,
  },
  {
    id: "getTrace",
    method: "get",
    path: "/v1/runs/{run_id}/trace",
    tag: "runs",
    summary: "The steps that a run has executed, as its head tells them",
    status: 200,
    answer: trace,
    errors: ofRun,
  },
  {
    id: "getLineage",
    method: "get",
    path: "/v1/runs/{run_id}/lineage",
    tag: "runs",
    summary: "The runs from which a run descends, and those that descend from it",
    description: "At most 500 beside the run itself.",
    status: 200,
    answer: lineage,
    errors: ofRun,
  },
];
