import * as v from "valibot";
import { runStatuses } from "../../../src/index.ts";
import { run, runEvent, runList } from "./answers.ts";
import { jsonValue } from "./requests.ts";
import { traceMetrics, traceStep } from "./state-answers.ts";

// What the routes beyond the contract answer to those who look, as answers.ts does for the others.

const text = v.string();
const textOrNull = v.nullable(text);
const whole = v.pipe(v.number(), v.integer());

export const runPage = v.object({
  runs: v.array(run),
  pagination: v.object({
    limit: whole,
    has_more: v.boolean(),
    next_cursor: v.pipe(v.optional(text), v.description("The `cursor` of the next page; absent on the last.")),
  }),
});

export const anyRunPage = v.union([runList, runPage]);

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

const change = v.pipe(
  v.object({
    op: v.picklist(["add", "remove", "replace"]),
    path: v.pipe(text, v.description("A JSON pointer into the state.")),
    before: v.pipe(v.optional(jsonValue), v.description("Of `remove` and `replace`.")),
    after: v.pipe(v.optional(jsonValue), v.description("Of `add` and `replace`.")),
  }),
  v.description("One place in which the two states differ."),
);

export const comparison = v.object({
  run_id: text,
  from: v.pipe(textOrNull, v.description("Null where `to` is the first checkpoint.")),
  to: text,
  changes: v.array(change),
});

export const skillList = v.object({
  skills: v.array(
    v.object({
      skill_id: text,
      versions: v.pipe(v.array(text), v.description("The last is what a run gets that names none.")),
      description: textOrNull,
      form: v.picklist(["graph", "code"]),
      steps: v.pipe(
        v.optional(v.array(v.object({ step_id: text, depends_on: v.array(text) }))),
        v.description("Of a graph."),
      ),
    }),
  ),
});

export type RunPageAnswer = v.InferOutput<typeof runPage>;
export type EventPageAnswer = v.InferOutput<typeof eventPage>;
export type TraceAnswer = v.InferOutput<typeof trace>;
export type LineageNodeAnswer = v.InferOutput<typeof lineageNode>;
export type LineageAnswer = v.InferOutput<typeof lineage>;
export type ComparisonAnswer = v.InferOutput<typeof comparison>;
export type SkillListAnswer = v.InferOutput<typeof skillList>;
