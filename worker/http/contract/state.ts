import * as v from "valibot";
import { jsonObject, jsonValue, text } from "./values.ts";

const values = v.array(jsonValue);
const texts = v.array(text);
const milliseconds = v.nullable(v.number());

export const traceStep = v.looseObject({
  step_id: v.optional(text),
  capability_id: v.nullish(text),
  status: v.optional(text),
  started_at: v.nullish(text),
  ended_at: v.nullish(text),
  reads: v.optional(texts),
  writes: v.optional(texts),
  latency_ms: v.optional(milliseconds),
});

export const traceMetrics = v.looseObject({
  step_count: v.optional(v.number()),
  llm_calls: v.optional(v.number()),
  tool_calls: v.optional(v.number()),
  tokens_in: v.optional(v.number()),
  tokens_out: v.optional(v.number()),
  elapsed_ms: v.optional(v.number()),
});

/**
 * A state in the ORCA v1 form. It is used by the document only: the core reads and writes states. Fields that are not listed
 * here are kept.
 */
const executionState = v.pipe(
  v.object({
    _checkpoint_version: v.optional(v.literal(1)),
    skill_id: text,
    inputs: jsonObject,
    vars: v.optional(jsonObject),
    outputs: v.optional(jsonObject),
    step_results: v.pipe(v.optional(jsonObject), v.description("The result of each step, by step id.")),
    written_targets: v.optional(texts),
    events: v.optional(v.array(jsonObject)),
    started_at: v.nullish(text),
    finished_at: v.nullish(text),
    status: v.optional(text),
    trace_id: v.nullish(text),
    frame: v.optional(
      v.object({
        goal: v.optional(jsonValue),
        context: v.optional(jsonObject),
        constraints: v.optional(jsonObject),
        success_criteria: v.optional(jsonObject),
        assumptions: v.optional(values),
        priority: v.optional(jsonValue),
      }),
    ),
    working: v.optional(
      v.object({
        artifacts: v.optional(jsonObject),
        entities: v.optional(values),
        options: v.optional(values),
        criteria: v.optional(values),
        evidence: v.optional(values),
        risks: v.optional(values),
        hypotheses: v.optional(values),
        uncertainties: v.optional(values),
        intermediate_decisions: v.optional(values),
        messages: v.optional(values),
      }),
    ),
    output: v.optional(
      v.object({
        result: v.optional(jsonValue),
        result_type: v.nullish(text),
        summary: v.nullish(text),
        status_reason: v.nullish(text),
      }),
    ),
    trace: v.optional(
      v.object({
        steps: v.optional(v.array(traceStep)),
        metrics: v.optional(traceMetrics),
      }),
    ),
    extensions: v.optional(jsonObject),
    state_version: v.pipe(v.optional(text), v.description("The major version is 1.")),
    skill_version: v.nullish(text),
    iteration: v.optional(v.number()),
    current_step: v.nullish(text),
    parent_run_id: v.nullish(text),
    updated_at: v.nullish(text),
  }),
  v.description(
    "The whole state of a run at one checkpoint. Absent fields take their defaults; unknown fields are kept.",
  ),
);

/** The schemas that have a name in the document. */
export const stateSchemas = { ExecutionState: executionState };
