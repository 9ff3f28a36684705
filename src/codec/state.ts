import { DurableError, invalidRequest } from "../errors.ts";
import type {
  ExecutionState,
  Frame,
  Output,
  RuntimeEvent,
  StepResult,
  Trace,
  TraceMetrics,
  TraceStep,
  Working,
} from "../execution-state.ts";
import { stateVersion } from "../execution-state.ts";
import { at, getOwn, isJsonObject, type Json, type JsonObject } from "../json.ts";
import type { Change } from "./delta.ts";
import {
  byKey,
  isNoUnknownField,
  list,
  nullable,
  number,
  optionalBoolean,
  optionalNumber,
  optionalText,
  record,
  requiredText,
  requiredValues,
  text,
  textList,
  value,
  valueList,
  values,
} from "./fields.ts";
import { decodeValue, encodeValue } from "./values.ts";

/** The format number of a snapshot in the ORCA v1 form. */
const snapshotFormat = 1;
/** The field in which a snapshot has its format number. */
export const snapshotFormatKey = "_checkpoint_version";

const stepResult = record<StepResult>("required", {
  stepId: ["step_id", text("")],
  uses: ["uses", text("")],
  status: ["status", text("")],
  resolvedInput: ["resolved_input", value],
  producedOutput: ["produced_output", value],
  rawResult: ["raw_result", value],
  bindingId: ["binding_id", optionalText],
  serviceId: ["service_id", optionalText],
  attemptsCount: ["attempts_count", optionalNumber],
  fallbackUsed: ["fallback_used", optionalBoolean],
  conformanceProfile: ["conformance_profile", optionalText],
  requiredConformanceProfile: ["required_conformance_profile", optionalText],
  errorMessage: ["error_message", optionalText],
  startedAt: ["started_at", optionalText],
  finishedAt: ["finished_at", optionalText],
  reads: ["reads", nullable(textList)],
  writes: ["writes", nullable(textList)],
  latencyMs: ["latency_ms", optionalNumber],
});

const runtimeEvent = record<RuntimeEvent>("required", {
  type: ["type", text("")],
  message: ["message", text("")],
  timestamp: ["timestamp", optionalText],
  stepId: ["step_id", optionalText],
  traceId: ["trace_id", optionalText],
  data: ["data", values],
});

const frame = record<Frame>("default", {
  goal: ["goal", value],
  context: ["context", values],
  constraints: ["constraints", values],
  successCriteria: ["success_criteria", values],
  assumptions: ["assumptions", valueList],
  priority: ["priority", value],
});

const working = record<Working>("default", {
  artifacts: ["artifacts", values],
  entities: ["entities", valueList],
  options: ["options", valueList],
  criteria: ["criteria", valueList],
  evidence: ["evidence", valueList],
  risks: ["risks", valueList],
  hypotheses: ["hypotheses", valueList],
  uncertainties: ["uncertainties", valueList],
  intermediateDecisions: ["intermediate_decisions", valueList],
  messages: ["messages", valueList],
});

const output = record<Output>("default", {
  result: ["result", value],
  resultType: ["result_type", optionalText],
  summary: ["summary", optionalText],
  statusReason: ["status_reason", optionalText],
});

const traceStep = record<TraceStep>("required", {
  stepId: ["step_id", text("")],
  capabilityId: ["capability_id", optionalText],
  status: ["status", text("")],
  startedAt: ["started_at", optionalText],
  endedAt: ["ended_at", optionalText],
  reads: ["reads", textList],
  writes: ["writes", textList],
  latencyMs: ["latency_ms", optionalNumber],
});

const metrics = record<TraceMetrics>("default", {
  stepCount: ["step_count", number(0)],
  llmCalls: ["llm_calls", number(0)],
  toolCalls: ["tool_calls", number(0)],
  tokensIn: ["tokens_in", number(0)],
  tokensOut: ["tokens_out", number(0)],
  elapsedMs: ["elapsed_ms", number(0)],
});

const trace = record<Trace>("default", {
  steps: ["steps", list(traceStep)],
  metrics: ["metrics", metrics],
});

const executionState = record<ExecutionState>("required", {
  skillId: ["skill_id", requiredText],
  inputs: ["inputs", requiredValues],
  vars: ["vars", values],
  outputs: ["outputs", values],
  stepResults: ["step_results", byKey(stepResult)],
  writtenTargets: ["written_targets", textList],
  events: ["events", list(runtimeEvent)],
  startedAt: ["started_at", optionalText],
  finishedAt: ["finished_at", optionalText],
  status: ["status", text("pending")],
  traceId: ["trace_id", optionalText],
  frame: ["frame", frame],
  working: ["working", working],
  output: ["output", output],
  trace: ["trace", trace],
  extensions: ["extensions", values],
  stateVersion: ["state_version", text(stateVersion)],
  skillVersion: ["skill_version", optionalText],
  iteration: ["iteration", number(0)],
  currentStep: ["current_step", optionalText],
  parentRunId: ["parent_run_id", optionalText],
  updatedAt: ["updated_at", optionalText],
});

/**
 * Reads a state in the ORCA v1 form. Every field but `skill_id` and `inputs` may be missing; unknown ones are kept.
 *
 * @throws `invalid_request` that names the place of a wrong type; `unsupported_version` for another snapshot format or
 * another major `state_version`.
 */
export function readState(json: Json, path = "state"): ExecutionState<Json> {
  if (!isJsonObject(json)) throw invalidRequest(path, "expected an object");
  const { [snapshotFormatKey]: format = snapshotFormat, ...fields } = json;
  if (format !== snapshotFormat) {
    const place = at(path, snapshotFormatKey);
    throw new DurableError("unsupported_version", `${place}: this reads format ${snapshotFormat} only`, {
      path: place,
    });
  }
  const version = getOwn(fields, "state_version");
  if (typeof version === "string" && version.split(".")[0] !== stateVersion.split(".")[0]) {
    const place = at(path, "state_version");
    throw new DurableError("unsupported_version", `${place}: ${version} is not a version 1 state`, { path: place });
  }
  return executionState.read(fields, path) as ExecutionState<Json>;
}

/** The state in the ORCA v1 form. */
export function writeState(state: ExecutionState<Json>): JsonObject {
  return { [snapshotFormatKey]: snapshotFormat, ...(executionState.write(state) as JsonObject) };
}

/**
 * How the ORCA v1 form of one state becomes that of a later one, in time that follows what they do not share. Of both in
 * the form that is written here: a state that was read from one without some field of today needs a keyframe first.
 */
export function changeOfState(before: ExecutionState<Json>, after: ExecutionState<Json>): Change | undefined {
  return executionState.change(before, after);
}

/**
 * The state with its values encoded.
 *
 * @throws `invalid_request` that names the path of a value that cannot be kept.
 */
export function encodeState(state: ExecutionState, path = "state"): ExecutionState<Json> {
  if (Object.hasOwn(state.unknownFields ?? {}, snapshotFormatKey)) throw isNoUnknownField(at(path, snapshotFormatKey));
  return executionState.map(state, encodeValue, path) as ExecutionState<Json>;
}

/** The state with its values live, fresh at every call. */
export function decodeState(state: ExecutionState<Json>, path = "state"): ExecutionState {
  return executionState.map(state, (json, place) => decodeValue(json as Json, place), path);
}
