import * as v from "valibot";
import { runStatuses } from "../../../src/record/run.ts";
import { type Family, ofRun, reading, saving } from "./operation.ts";
import { run } from "./records.ts";
import { id, optional, text, whole, wholeNumber } from "./values.ts";

/** `GET /v1/runs` */
export const runQuery = v.object({
  status: v.optional(v.picklist(runStatuses, `expected one of ${runStatuses.join(", ")}`)),
  skill_id: v.optional(id),
  source_run_id: optional(id, "Only the replays and forks of this run."),
  order: v.pipe(
    v.optional(v.picklist(["ascending", "descending"], "expected ascending or descending")),
    v.metadata({ default: "descending", description: "The order, by the time at which the runs were created." }),
  ),
  limit: wholeNumber(1, 500, 100),
  offset: wholeNumber(0, Number.MAX_SAFE_INTEGER, 0),
  cursor: optional(text, "Empty for the first page; the `next_cursor` of a page for the page after it."),
});

export const runList = v.object({
  runs: v.array(run),
  pagination: v.object({
    offset: whole,
    limit: whole,
    total: whole,
    has_more: v.boolean(),
    next_offset: v.optional(whole),
  }),
});
export type RunListAnswer = v.InferOutput<typeof runList>;

export const runPage = v.object({
  runs: v.array(run),
  pagination: v.object({
    limit: whole,
    has_more: v.boolean(),
    next_cursor: optional(text, "The `cursor` of the next page. Absent on the last page."),
  }),
});
export type RunPageAnswer = v.InferOutput<typeof runPage>;

export const runOperations: Family = {
  listRuns: {
    route: "GET /v1/runs",
    summary: "List runs, newest first by default",
    description:
      "Pages by `offset` include the total. Pages by `cursor` do not shift when runs are created between two calls, and each costs the same however many runs there are.",
    exchange: { query: runQuery, answer: v.union([runList, runPage]), errors: reading },
  },
  streamChanges: {
    route: "GET /v1/changes",
    summary: "Stream the ids of the tenant's runs that change, as server-sent events",
    description:
      'Each message is `{"run_ids": […]}`: what has changed since the message before. It is a hint: read the runs. Changes before the connection, and of runs older than the newest 100 that another process makes, may be missing. Comments between messages are heartbeats. The stream closes after some minutes: connect again, and read the runs that you follow.',
    exchange: { answerType: "text/event-stream", errors: reading },
  },
  getRun: {
    route: "GET /v1/runs/{run_id}",
    summary: "Get a run",
    exchange: {
      headers: ["IfNoneMatch"],
      hasETag: true,
      answer: run,
      also: { 304: "The run still has this ETag" },
      errors: ofRun,
    },
  },
  deleteRun: {
    route: "DELETE /v1/runs/{run_id}",
    summary: "Delete a run permanently; its id cannot be used again",
    exchange: { status: 204, errors: saving },
  },
};

/** The schemas that have a name in the document. */
export const runSchemas = { RunList: runList, RunPage: runPage };
