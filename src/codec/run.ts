import { DurableError, isDurableError } from "../errors.ts";
import { parseCheckpointId, parseRunId } from "../ids.ts";
import { at, isJsonObject, type Json, type JsonObject, jsonText, located } from "../json.ts";
import type { Gate } from "../record/gate.ts";
import {
  type ApprovalRequest,
  type FormerVersion,
  type Lease,
  type LedgerNames,
  type Run,
  type RunError,
  type RunRecord,
  runStatuses,
  type Signal,
  type Wait,
} from "../record/run.ts";
import {
  boolean,
  byKey,
  count,
  type Field,
  id,
  list,
  nullable,
  optionalBoolean,
  optionalText,
  record,
  requiredText,
  requiredTime,
  sparse,
  textList,
  value,
  values,
  word,
} from "./fields.ts";
import { decodeValue, encodeValue } from "./values.ts";

const approvalRequest = record<ApprovalRequest>("required", {
  stepId: requiredText,
  capabilityId: optionalText,
  status: word(["pending", "approved", "denied"]),
  requestedAt: requiredText,
  approver: optionalText,
  notes: optionalText,
  decidedAt: optionalText,
});

const runError = record<RunError>("required", {
  code: requiredText,
  message: requiredText,
  stepId: optionalText,
});

const run = record<Run>("required", {
  runId: id(parseRunId),
  threadId: optionalText,
  sessionId: optionalText,
  skillId: requiredText,
  skillVersion: optionalText,
  status: word(runStatuses),
  traceId: optionalText,
  createdAt: requiredText,
  startedAt: optionalText,
  finishedAt: optionalText,
  currentStepId: optionalText,
  checkpointHead: nullable(id(parseCheckpointId)),
  resumeFromCheckpointId: nullable(id(parseCheckpointId)),
  tenantId: optionalText,
  environment: optionalText,
  policySnapshotId: optionalText,
  versions: values,
  metadata: values,
  approvalRequest: nullable(approvalRequest),
  result: value,
  error: nullable(runError),
});

const lease = record<Lease>("required", {
  executor: requiredText,
  endsAt: requiredTime,
});

const signal = record<Signal>("required", {
  name: requiredText,
  payload: value,
  receivedAt: requiredText,
});

const gateDecided = record<NonNullable<Gate["decision"]>>("required", {
  approver: optionalText,
  notes: optionalText,
  at: requiredText,
});

const waitOf: { readonly [K in Wait["kind"]]: Field<Extract<Wait, { kind: K }>> } = {
  approval: record<Extract<Wait, { kind: "approval" }>>("required", {
    kind: word(["approval"]),
    stepId: requiredText,
    capabilityId: sparse(requiredText),
    since: requiredTime,
    reason: word(["confirmation", "approval", "replay", "attempted"]),
    attempts: sparse(count),
    request: sparse(requiredText),
    decision: sparse(gateDecided),
  }),
  signal: record<Extract<Wait, { kind: "signal" }>>("required", {
    kind: word(["signal"]),
    stepId: requiredText,
    name: requiredText,
    until: sparse(requiredTime),
  }),
  sleep: record<Extract<Wait, { kind: "sleep" }>>("required", {
    kind: word(["sleep"]),
    stepId: requiredText,
    until: requiredTime,
  }),
  retry: record<Extract<Wait, { kind: "retry" }>>("required", {
    kind: word(["retry"]),
    stepId: requiredText,
    until: requiredTime,
    attempts: count,
    error: requiredText,
    request: sparse(requiredText),
  }),
};
const waitKind = word(Object.keys(waitOf) as Wait["kind"][]);
const wait: Field<Wait> = {
  read(json, path) {
    const name = waitKind.read(isJsonObject(json) ? json.kind : json, at(path, "kind"));
    return waitOf[name].read(json, path);
  },
  write(value, path) {
    waitKind.write(value?.kind, at(path, "kind"));
    return (waitOf[value.kind] as Field<Wait>).write(value, path);
  },
  map: (value) => value,
};

const ledgerNames = record<LedgerNames>("required", {
  form: word(["graph", "code"]),
  names: byKey(requiredText),
});

const formerVersion = record<FormerVersion>("required", {
  version: requiredText,
  until: count,
});

const runRecord = record<RunRecord>("required", {
  run: run,
  epoch: count,
  lease: sparse(lease),
  waits: list(wait),
  inbox: list(signal),
  confirmed: textList,
  wakeAt: sparse(requiredTime),
  recoveries: count,
  unservedCount: count,
  checkpointCount: count,
  entryRevision: count,
  headRevision: count,
  isEdited: sparse(boolean),
  isEditPending: optionalBoolean,
  isResultInHead: optionalBoolean,
  ledgerNames: sparse(byKey(ledgerNames)),
  formerVersions: sparse(list(formerVersion)),
});

/**
 * A run on the wire: snake_case, absent fields `null`.
 */
export function writeRun(value: Run<Json>): JsonObject {
  return run.write(value) as JsonObject;
}

/**
 * The run with its values encoded, as {@link writeRun} takes it.
 */
export function encodeRun(value: Run): Run<Json> {
  return run.map(value, "run", encodeValue) as Run<Json>;
}

/** The run with its values live. */
export function decodeRun(value: Run<Json>): Run {
  return run.map(value, "run", (json, path) => decodeValue(json as Json, path));
}

/**
 * The format number in every body that this version writes; bodies with a larger number are rejected. In format 1 nothing
 * was left out.
 */
export const bodyFormat = 2;

/** The body of a run's row. `nonce` identifies the commit that wrote it. */
export function writeRunBody(nonce: string, value: RunRecord<Json>): string {
  const record = located("", (path) => runRecord.write(value, path)) ?? null;
  return jsonText({ format: bodyFormat, nonce, record });
}

/** The nonce of a row's body, and the record, unless the row is a tombstone or that of an import under way. */
export function readRunBody(body: string, place: string): RunBody {
  return readBody(body, place, ({ nonce, record: json, is_import }) => ({
    nonce: nonce as string,
    ...(json === undefined ? {} : { record: runRecord.read(json, "record") as RunRecord<Json> }),
    isImport: is_import === true,
  }));
}

interface RunBody {
  readonly nonce: string;
  readonly record?: RunRecord<Json>;
  readonly isImport: boolean;
}

/**
 * The body of the row of an import under way, with the nonce of the run's last commit. It has no status, so it is in no
 * list, and only an import of this run writes over it.
 */
export function writeImportBody(nonce: string): string {
  return JSON.stringify({ format: bodyFormat, nonce, is_import: true });
}

/** The body of a tombstone. */
export function writeTombstone(nonce: string): string {
  return JSON.stringify({ format: bodyFormat, nonce });
}

/**
 * Reads a stored body in a format of this package.
 *
 * @throws `unsupported_version` for a newer format, `corrupt_data` for a body that cannot be read; both name the place.
 */
export function readBody<T>(body: string, place: string, read: (fields: JsonObject) => T): T {
  return readStored(place, () => {
    const json = JSON.parse(body) as JsonObject;
    checkFormat(json.format);
    return read(json);
  });
}

/** @throws `unsupported_version` for a newer format. */
export function checkFormat(format: unknown): void {
  if (typeof format !== "number") throw new Error("expected a format number");
  if (format > bodyFormat) throw new DurableError("unsupported_version", `unsupported format ${format}`);
}

/** What is read. @throws `unsupported_version` or `corrupt_data`; both name the place. */
export function readStored<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!isDurableError(cause, "unsupported_version")) {
      throw new DurableError("corrupt_data", `${place} cannot be read`, { cause });
    }
    const { code, message } = cause;
    throw new DurableError(code, `${place} was written by a newer version: ${message}`, { cause });
  }
}
