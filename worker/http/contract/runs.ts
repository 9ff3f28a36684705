import * as v from "valibot";
import { runStatuses } from "../../../src/codec/index.ts";
import { type Operation, ofRun, reading, saving } from "./operation.ts";
import { run } from "./records.ts";
import { id, text, whole, wholeNumber } from "./values.ts";

/** `GET /v1/runs` */
export const runQuery = v.object({
  status: v.optional(v.picklist(runStatuses, `expected one of ${runStatuses.join(", ")}`)),
  skill_id: v.optional(id),
  source_run_id: v.pipe(v.optional(id), v.description("Replays and forks of this run.")),
  order: v.pipe(
    v.optional(v.picklist(["ascending", "descending"], "expected ascending or descending")),
    v.metadata({ default: "descending", description: "By the time at which the runs were made." }),
  ),
  limit: wholeNumber(1, 500, 100),
  offset: wholeNumber(0, Number.MAX_SAFE_INTEGER, 0),
  cursor: v.pipe(
    v.optional(text),
    v.description("Empty for the first page, and the `next_cursor` of each page for the next."),
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
    next_cursor: v.pipe(v.optional(text), v.description("The `cursor` of the next page; absent on the last.")),
  }),
});

/** Those that have a name in the document. */
export const runSchemas = { RunList: runList, RunPage: runPage };

export type RunListAnswer = v.InferOutput<typeof runList>;
export type RunPageAnswer = v.InferOutput<typeof runPage>;

export const runOperations: readonly Operation[] = [
  {
    id: "listRuns",
    method: "get",
    path: "/v1/runs",
    tag: "runs",
    summary: "The runs, newest first unless told otherwise",
    description:
      "Pages by `offset` tell the total. With `cursor`, empty for the first page, each page leads to the next whatever is created meanwhile, and costs the same however many runs there are.",
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
    summary: "A run",
    hasETag: true,
    headers: ["IfNoneMatch"],
    also: { 304: "The run is still of that ETag" },
    status: 200,
    answer: run,
    errors: ofRun,
  },
  {
    id: "deleteRun",
    method: "delete",
    path: "/v1/runs/{run_id}",
    tag: "runs",
    summary: "Delete a run for good; its id stays taken",
    role: "admin",
    isConditional: true,
    status: 204,
    errors: saving,
  },
];
