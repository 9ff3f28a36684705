import * as v from "valibot";
import { runStatuses } from "../../../src/codec/index.ts";
import { type Operation, ofRun, reading, saving } from "./operation.ts";
import { run } from "./records.ts";
import { id, text, whole, wholeNumber } from "./values.ts";

/** `GET /v1/runs` */
export const runQuery = v.object({
  status: v.optional(v.picklist(runStatuses, `expected one of ${runStatuses.join(", ")}`)),
  skill_id: v.optional(id),
  source_run_id: v.pipe(v.optional(id), v.description("Only the replays and forks of this run.")),
  order: v.pipe(
    v.optional(v.picklist(["ascending", "descending"], "expected ascending or descending")),
    v.metadata({ default: "descending", description: "The order, by the time at which the runs were created." }),
  ),
  limit: wholeNumber(1, 500, 100),
  offset: wholeNumber(0, Number.MAX_SAFE_INTEGER, 0),
  cursor: v.pipe(
    v.optional(text),
    v.description("Empty for the first page; the `next_cursor` of a page for the page after it."),
  ),
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

export const runPage = v.object({
  runs: v.array(run),
  pagination: v.object({
    limit: whole,
    has_more: v.boolean(),
    next_cursor: v.pipe(v.optional(text), v.description("The `cursor` of the next page. Absent on the last page.")),
  }),
});

/** The schemas that have a name in the document. */
export const runSchemas = { RunList: runList, RunPage: runPage };

export type RunListAnswer = v.InferOutput<typeof runList>;
export type RunPageAnswer = v.InferOutput<typeof runPage>;

export const runOperations: readonly Operation[] = [
  {
    id: "listRuns",
    method: "get",
    path: "/v1/runs",
    tag: "runs",
    summary: "List runs, newest first by default",
    description:
      "Pages by `offset` include the total. Pages by `cursor` do not shift when runs are created between two calls, and each costs the same however many runs there are.",
    query: runQuery,
    status: 200,
    answer: v.union([runList, runPage]),
    errors: reading,
  },
  {
    id: "getRun",
    method: "get",
    path: "/v1/runs/{run_id}",
    tag: "runs",
    summary: "Get a run",
    hasETag: true,
    headers: ["IfNoneMatch"],
    also: { 304: "The run still has this ETag" },
    status: 200,
    answer: run,
    errors: ofRun,
  },
  {
    id: "deleteRun",
    method: "delete",
    path: "/v1/runs/{run_id}",
    tag: "runs",
    summary: "Delete a run permanently; its id cannot be used again",
    role: "admin",
    isConditional: true,
    status: 204,
    errors: saving,
  },
];
