import { decodeState, readState } from "../../src/codec/state.ts";
import { decodeFields, decodeValue } from "../../src/codec/values.ts";
import { DurableError } from "../../src/errors.ts";
import { parseCheckpointId, parseRunId } from "../../src/ids.ts";
import type { Json, JsonObject } from "../../src/json.ts";
import { present } from "../../src/json.ts";
import type { Checkpoint, ListedCheckpoint } from "../../src/record/checkpoint.ts";
import type { RunEvent } from "../../src/record/event.ts";
import { known } from "../../src/record/known.ts";
import type { ApprovalRequest } from "../../src/record/run.ts";
import type { CurrentRun, ListedSkill } from "../../src/runs/api.ts";
import type { HistoryEntry } from "../../src/runs/checkpoints.ts";
import type { CheckpointAnswer } from "../http/contract/checkpoints.ts";
import type { HistoryAnswer } from "../http/contract/histories.ts";
import type { CheckpointRecordAnswer, EventAnswer, RunAnswer } from "../http/contract/records.ts";
import type { SkillListAnswer } from "../http/contract/service.ts";

// The records of the core, from how they look on the wire: names of code, live values, and absent for null.

type InCode<Name> = Name extends `${infer First}_${infer Rest}` ? `${First}${Capitalize<InCode<Rest>>}` : Name;

type IsOptional<Value> = null extends Value ? true : undefined extends Value ? true : false;

/** Fields under their names in code; those that are null are absent. */
type Named<T> = { [Name in keyof T as IsOptional<T[Name]> extends true ? never : InCode<Name>]: T[Name] } & {
  [Name in keyof T as IsOptional<T[Name]> extends true ? InCode<Name> : never]?: Exclude<T[Name], null | undefined>;
};

function named<T extends object>(fields: T): Named<T> {
  const known = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);
  return asNamed(Object.fromEntries(known.map(([name, value]) => [inCode(name), value])));
}

function inCode(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function asNamed<T>(fields: object): Named<T> {
  return fields as Named<T>;
}

/**
 * What an answer says.
 *
 * @throws `upstream_failure` if the answer has another shape, or a value in it cannot be read: it is the answer that is wrong, and
 * not the call.
 */
export function read<Answer, T>(answer: Answer, decode: (answer: Answer) => T): T {
  try {
    return decode(answer);
  } catch (cause) {
    const why = cause instanceof Error ? `: ${cause.message}` : "";
    throw new DurableError("upstream_failure", `the answer cannot be read${why}`, { cause });
  }
}

// The types that the routes derive of JSON in an answer are wider than JSON.

/** A run in an answer. */
export type RunAnswered = Omit<RunAnswer, "versions" | "metadata" | "result" | "approval_request"> & {
  readonly approval_request: RequestAnswered | null;
  readonly versions: object;
  readonly metadata: object;
  readonly result?: unknown;
  readonly idempotent_replay?: true | undefined;
};

type RequestAnswered = Omit<NonNullable<RunAnswer["approval_request"]>, "show"> & { readonly show?: unknown };

type EventAnswered = Omit<EventAnswer, "payload"> & { readonly payload: object };

type CheckpointAnswered = Omit<CheckpointAnswer, "state"> & { readonly state: object };

type EntryAnswered = Omit<HistoryAnswer["history"][number], "events"> & { readonly events: readonly EventAnswered[] };

export function runOf(answer: RunAnswered): CurrentRun {
  const { idempotent_replay: _, run_id, parent_run_id, checkpoint_head, resume_from_checkpoint_id, ...rest } = answer;
  const { waiting_on, waiting_for, next_at, last_error, ...shown } = rest;
  const { approval_request, error, versions, metadata, result, ...plain } = shown;
  const run: CurrentRun = {
    ...named(plain),
    ...present({
      parentRunId: parent_run_id === undefined ? undefined : parseRunId(parent_run_id),
      checkpointHead: idOf(checkpoint_head),
      resumeFromCheckpointId: idOf(resume_from_checkpoint_id),
      approvalRequest: approval_request === null ? undefined : requestOf(approval_request),
      error: error === null ? undefined : named(error),
    }),
    runId: parseRunId(run_id),
    versions: decodeFields(asObject(versions), "versions"),
    metadata: decodeFields(asObject(metadata), "metadata"),
    result: decodeValue(asJson(result), "result"),
  };
  if (waiting_on !== null) {
    const facts = { nextAt: next_at ?? undefined, lastError: last_error === null ? undefined : named(last_error) };
    known.set(run, { on: waiting_on, ...(waiting_for === null ? {} : named(waiting_for)), ...present(facts) });
  }
  return run;
}

export function checkpointRecordOf(answer: CheckpointRecordAnswer): ListedCheckpoint {
  const { state_snapshot_ref: _, checkpoint_id, run_id, ...rest } = answer;
  return { ...named(rest), checkpointId: parseCheckpointId(checkpoint_id), runId: parseRunId(run_id) };
}

export function checkpointOf({ record, state }: CheckpointAnswered): Checkpoint {
  return { record: checkpointRecordOf(record), state: decodeState(readState(asJson(state))) };
}

export function eventOf({ run_id, payload, ...rest }: EventAnswered): RunEvent {
  return {
    ...named(rest),
    runId: parseRunId(run_id),
    payload: decodeValue(asJson(payload), "payload") as RunEvent["payload"],
  };
}

export function historyEntryOf(answer: EntryAnswered): HistoryEntry {
  const { events, checkpoint, ...rest } = answer;
  return {
    ...named(rest),
    events: events.map(eventOf),
    ...present({ checkpoint: checkpoint === null ? undefined : checkpointRecordOf(checkpoint) }),
  };
}

export function skillOf({ steps, ...rest }: SkillListAnswer["skills"][number]): ListedSkill {
  return { ...named(rest), ...present({ steps: steps?.map((step) => named(step)) }) };
}

function requestOf({ show, ...request }: RequestAnswered): ApprovalRequest {
  return { ...named(request), ...(show === undefined ? {} : { show: decodeValue(asJson(show), "show") }) };
}

function idOf(id: string | null) {
  return id === null ? undefined : parseCheckpointId(id);
}

// What was parsed of an answer is JSON.
function asJson(json: unknown): Json {
  return json as Json;
}

function asObject(json: object): JsonObject {
  return json as JsonObject;
}
