import { DurableError, isDurableError } from "../errors.ts";
import { parseCheckpointId, parseRunId } from "../ids.ts";
import { at, isJsonObject, type Json, type JsonObject } from "../json.ts";
import {
  type ApprovalRequest,
  type GateDecided,
  type Lease,
  type Run,
  type RunError,
  type RunRecord,
  runStatuses,
  type Signal,
  type Wait,
} from "../run.ts";
import { changeBetween } from "./delta.ts";
import {
  type Field,
  id,
  list,
  nullable,
  number,
  optionalBoolean,
  optionalText,
  record,
  requiredNumber,
  requiredText,
  sparse,
  textList,
  value,
  values,
  word,
} from "./fields.ts";
import { decodeValue, encodeValue } from "./values.ts";

const approvalRequest = record<ApprovalRequest>("required", {
  stepId: ["step_id", requiredText],
  capabilityId: ["capability_id", optionalText],
  status: ["status", word(["pending", "approved", "denied"])],
  requestedAt: ["requested_at", requiredText],
  approver: ["approver", optionalText],
  notes: ["notes", optionalText],
  decidedAt: ["decided_at", optionalText],
});

const runError = record<RunError>("required", {
  code: ["code", requiredText],
  message: ["message", requiredText],
  stepId: ["step_id", optionalText],
});

const run = record<Run>("required", {
  runId: ["run_id", id(parseRunId)],
  threadId: ["thread_id", optionalText],
  sessionId: ["session_id", optionalText],
  skillId: ["skill_id", requiredText],
  skillVersion: ["skill_version", optionalText],
  status: ["status", word(runStatuses)],
  traceId: ["trace_id", optionalText],
  createdAt: ["created_at", requiredText],
  startedAt: ["started_at", optionalText],
  finishedAt: ["finished_at", optionalText],
  currentStepId: ["current_step_id", optionalText],
  checkpointHead: ["checkpoint_head", nullable(id(parseCheckpointId))],
  resumeFromCheckpointId: ["resume_from_checkpoint_id", nullable(id(parseCheckpointId))],
  tenantId: ["tenant_id", optionalText],
  environment: ["environment", optionalText],
  policySnapshotId: ["policy_snapshot_id", optionalText],
  versions: ["versions", values],
  metadata: ["metadata", values],
  approvalRequest: ["approval_request", nullable(approvalRequest)],
  result: ["result", value],
  error: ["error", nullable(runError)],
});

const lease = record<Lease>("required", {
  executor: ["executor", requiredText],
  endsAt: ["ends_at", requiredNumber],
});

const signal = record<Signal>("required", {
  name: ["name", requiredText],
  payload: ["payload", value],
  receivedAt: ["received_at", requiredText],
});

const gateDecided = record<GateDecided>("required", {
  approver: ["approver", optionalText],
  notes: ["notes", optionalText],
  at: ["at", requiredText],
});

const stepId = ["step_id", requiredText] as const;
const kind = <K extends string>(name: K) => ["kind", word([name])] as const;
const waitOf: { readonly [K in Wait["kind"]]: Field<Extract<Wait, { kind: K }>> } = {
  approval: record<Extract<Wait, { kind: "approval" }>>("required", {
    kind: kind("approval"),
    stepId,
    capabilityId: ["capability_id", sparse(requiredText)],
    since: ["since", requiredNumber],
    reason: ["reason", word(["confirmation", "approval", "replay", "attempted"])],
    decision: ["decision", sparse(gateDecided)],
  }),
  signal: record<Extract<Wait, { kind: "signal" }>>("required", {
    kind: kind("signal"),
    stepId,
    name: ["name", requiredText],
    until: ["until", sparse(requiredNumber)],
  }),
  sleep: record<Extract<Wait, { kind: "sleep" }>>("required", {
    kind: kind("sleep"),
    stepId,
    until: ["until", requiredNumber],
  }),
  retry: record<Extract<Wait, { kind: "retry" }>>("required", {
    kind: kind("retry"),
    stepId,
    until: ["until", requiredNumber],
    attempts: ["attempts", requiredNumber],
    error: ["error", requiredText],
  }),
};
const waitKind = word(Object.keys(waitOf) as Wait["kind"][]);
const wait: Field<Wait> = {
  read(json, path) {
    const name = waitKind.read(isJsonObject(json) ? json.kind : json, at(path, "kind"));
    return waitOf[name].read(json, path);
  },
  write: (value) => (waitOf[value.kind] as Field<Wait>).write(value),
  change: (before, after) => changeBetween(wait.write(before) ?? null, wait.write(after) ?? null),
  map: (value) => value,
};

const runRecord = record<RunRecord>("required", {
  run: ["run", run],
  epoch: ["epoch", number(0)],
  lease: ["lease", sparse(lease)],
  waits: ["waits", list(wait)],
  inbox: ["inbox", list(signal)],
  confirmed: ["confirmed", textList],
  wakeAt: ["wake_at", sparse(requiredNumber)],
  recoveries: ["recoveries", number(0)],
  unservedCount: ["unserved_count", number(0)],
  checkpointCount: ["checkpoint_count", number(0)],
  entryRevision: ["entry_revision", number(0)],
  headRevision: ["head_revision", number(0)],
  isEditPending: ["is_edit_pending", optionalBoolean],
  isResultInHead: ["is_result_in_head", optionalBoolean],
});

/** A run on the wire: snake_case, absent fields `null`. */
export function writeRun(value: Run<Json>): JsonObject {
  return run.write(value) as JsonObject;
}

/** The run with its values encoded, as {@link writeRun} takes it. */
export function encodeRun(value: Run): Run<Json> {
  return run.map(value, encodeValue, "run") as Run<Json>;
}

/** The run with its values live. */
export function decodeRun(value: Run<Json>): Run {
  return run.map(value, (json, path) => decodeValue(json as Json, path), "run");
}

/** The number in every body this version writes; bodies of a larger number are refused. */
export const bodyFormat = 1;

/** The body of a run's row. `nonce` names the commit that wrote it. */
export function writeRunBody(nonce: string, value: RunRecord<Json>): string {
  return JSON.stringify({ format: bodyFormat, nonce, record: runRecord.write(value) ?? null });
}

/** The nonce of a row's body, and the record where the row is not a tombstone. */
export function readRunBody(body: string, place: string): { nonce: string; record?: RunRecord<Json> } {
  return readBody(body, place, ({ nonce, record: json }) => ({
    nonce: nonce as string,
    ...(json === undefined ? {} : { record: runRecord.read(json, "record") as RunRecord<Json> }),
  }));
}

/** The body of a tombstone. */
export function writeTombstone(nonce: string): string {
  return JSON.stringify({ format: bodyFormat, nonce });
}

/**
 * Reads a stored body of ours.
 *
 * @throws `unsupported_version` for a newer format, `corrupt_data` for what cannot be read; both name the place.
 */
export function readBody<T>(body: string, place: string, read: (fields: JsonObject) => T): T {
  try {
    const json = JSON.parse(body) as Json;
    if (!isJsonObject(json) || typeof json.format !== "number") throw new Error("it has no format number");
    if (json.format > bodyFormat) {
      throw new DurableError("unsupported_version", `${place} was written by a newer version (format ${json.format})`);
    }
    return read(json);
  } catch (cause) {
    if (isDurableError(cause, "unsupported_version")) throw cause;
    throw new DurableError("corrupt_data", `${place} cannot be read`, { cause });
  }
}
