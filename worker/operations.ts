import type * as v from "valibot";
import type { ErrorCode } from "../src/index.ts";
import * as answers from "./answers.ts";
import type { Role } from "./caller.ts";
import * as requests from "./requests.ts";

/** One route as the OpenAPI document describes it. The app does not need it; a test holds the two against each other. */
export interface Operation {
  readonly id: string;
  readonly method: "get" | "post" | "delete";
  /** With its parameters in braces. */
  readonly path: string;
  readonly tag: "runs" | "checkpoints" | "legacy" | "service";
  readonly summary: string;
  readonly description?: string;
  /** True where it answers without a key. */
  readonly isOpen?: true;
  /** Where it needs more than its method says: "read" for GET, "execute" for the others. */
  readonly role?: Role;
  readonly isDeprecated?: true;
  /** True where it takes an Idempotency-Key. */
  readonly isIdempotent?: true;
  readonly query?: { readonly entries: Readonly<Record<string, v.GenericSchema>> };
  readonly body?: v.GenericSchema;
  /** True where every field of the body may be missing, and so the body. */
  readonly isBodyOptional?: true;
  readonly status: 200 | 201 | 202;
  /** Absent for any JSON. */
  readonly answer?: v.GenericSchema;
  readonly errors: readonly ErrorCode[];
}

const always = ["invalid_request"] as const;
const keyed = [
  ...always,
  "unauthorized",
  "forbidden",
  "rate_limited",
  "internal_error",
  "corrupt_data",
  "unsupported",
  "store_failed",
  "store_blocked",
] as const;
const reading = [...keyed, "unsupported_version"] as const;
const ofRun = [...reading, "not_found"] as const;
const writing = ["too_large", "conflict", "quota_exceeded"] as const;
const starting = [...ofRun, ...writing, "idempotency_conflict"] as const;
const moving = [...ofRun, ...writing, "invalid_transition"] as const;
const descending = [...ofRun, ...writing] as const;

const started = {
  method: "post",
  tag: "runs",
  isIdempotent: true,
  status: 202,
  answer: answers.startedRun,
  errors: starting,
} as const;

const legacyStatus = {
  method: "get",
  tag: "legacy",
  summary: "A run, a canceled one shown as failed",
  isDeprecated: true,
  status: 200,
  answer: answers.run,
  errors: ofRun,
} as const;

const legacyCancel = {
  method: "post",
  tag: "legacy",
  summary: "Cancel a run, which is then shown as failed",
  isDeprecated: true,
  status: 200,
  answer: answers.run,
  errors: moving,
} as const;

export const operations: readonly Operation[] = [
  {
    id: "getHealth",
    method: "get",
    path: "/v1/health",
    tag: "service",
    summary: "Whether the service is up",
    isOpen: true,
    status: 200,
    answer: answers.health,
    errors: always,
  },
  {
    id: "getDocument",
    method: "get",
    path: "/openapi.json",
    tag: "service",
    summary: "This document",
    isOpen: true,
    status: 200,
    errors: always,
  },
  {
    ...started,
    id: "executeSkill",
    path: "/v1/skills/{skill_id}/execute/async",
    summary: "Start a run of a skill",
    description: "The answer comes once the start is durable; the run is executed behind it. `options` is ignored.",
    body: requests.execution,
  },
  {
    ...started,
    id: "runAsync",
    path: "/v1/run_async",
    summary: "Start a run of the skill that the body names",
    body: requests.skillExecution,
  },
  {
    ...started,
    id: "unversionedRunAsync",
    path: "/run_async",
    tag: "legacy",
    summary: "Start a run of the skill that the body names",
    isDeprecated: true,
    body: requests.skillExecution,
  },
  {
    id: "createRun",
    method: "post",
    path: "/v1/runs",
    tag: "runs",
    summary: "Create a run, and start it unless told otherwise",
    description:
      "With `start: false` the run is pending; its skill need not be known here, and checkpoints may be saved.",
    isIdempotent: true,
    body: requests.newRun,
    status: 201,
    answer: answers.createdRun,
    errors: starting,
  },
  {
    id: "listRuns",
    method: "get",
    path: "/v1/runs",
    tag: "runs",
    summary: "The runs, newest first",
    query: requests.runQuery,
    status: 200,
    answer: answers.runList,
    errors: reading,
  },
  {
    id: "getRun",
    method: "get",
    path: "/v1/runs/{run_id}",
    tag: "runs",
    summary: "A run",
    status: 200,
    answer: answers.run,
    errors: ofRun,
  },
  {
    id: "getHistory",
    method: "get",
    path: "/v1/runs/{run_id}/history",
    tag: "runs",
    summary: "What happened to a run, commit by commit",
    query: requests.historyQuery,
    status: 200,
    answer: answers.historyPage,
    errors: ofRun,
  },
  {
    id: "cancelRun",
    method: "post",
    path: "/v1/runs/{run_id}/cancel",
    tag: "runs",
    summary: "Cancel a run",
    status: 200,
    answer: answers.run,
    errors: moving,
  },
  {
    id: "resumeRun",
    method: "post",
    path: "/v1/runs/{run_id}/resume",
    tag: "runs",
    summary: "Continue the same run from a checkpoint",
    description: "Where somebody executes the run, `conflict` with the seconds after which its lease may be taken.",
    body: requests.resumption,
    isBodyOptional: true,
    status: 200,
    answer: answers.resumedRun,
    errors: moving,
  },
  {
    id: "replayRun",
    method: "post",
    path: "/v1/runs/{run_id}/replay",
    tag: "runs",
    summary: "Execute a new run from a checkpoint of this one",
    body: requests.descent,
    isBodyOptional: true,
    status: 200,
    answer: answers.replayedRun,
    errors: descending,
  },
  {
    id: "forkRun",
    method: "post",
    path: "/v1/runs/{run_id}/fork",
    tag: "runs",
    summary: "Make a new pending run that stands on a checkpoint of this one",
    body: requests.descent,
    isBodyOptional: true,
    status: 200,
    answer: answers.forkedRun,
    errors: descending,
  },
  {
    id: "approveRun",
    method: "post",
    path: "/v1/runs/{run_id}/approve",
    tag: "runs",
    summary: "Open the gate at which a run waits, and resume it",
    body: requests.gateDecision,
    isBodyOptional: true,
    status: 200,
    answer: answers.resumedRun,
    errors: moving,
  },
  {
    id: "denyRun",
    method: "post",
    path: "/v1/runs/{run_id}/deny",
    tag: "runs",
    summary: "Refuse what a run waits for, and cancel it",
    body: requests.gateDecision,
    isBodyOptional: true,
    status: 200,
    answer: answers.run,
    errors: moving,
  },
  {
    id: "signalRun",
    method: "post",
    path: "/v1/runs/{run_id}/signal",
    tag: "runs",
    summary: "Send a run a message, which one step will consume",
    body: requests.newSignal,
    status: 200,
    answer: answers.run,
    errors: [...moving, "inbox_full"],
  },
  {
    id: "listCheckpoints",
    method: "get",
    path: "/v1/runs/{run_id}/checkpoints",
    tag: "checkpoints",
    summary: "The checkpoints of a run, in the order in which they were written",
    status: 200,
    answer: answers.checkpointList,
    errors: ofRun,
  },
  {
    id: "saveCheckpoint",
    method: "post",
    path: "/v1/runs/{run_id}/checkpoints",
    tag: "checkpoints",
    summary: "Save a checkpoint with its state",
    description:
      "It becomes the head of the run and never changes its status. The same again is accepted and changes nothing; other content under the same id is a `conflict`.",
    body: requests.newCheckpoint,
    status: 201,
    answer: answers.checkpointRecord,
    errors: descending,
  },
  {
    id: "getCheckpoint",
    method: "get",
    path: "/v1/runs/{run_id}/checkpoints/{checkpoint_id}",
    tag: "checkpoints",
    summary: "A checkpoint with its state",
    status: 200,
    answer: answers.checkpoint,
    errors: ofRun,
  },
  { ...legacyStatus, id: "legacyRunStatus", path: "/v1/run_status/{run_id}" },
  { ...legacyStatus, id: "unversionedRunStatus", path: "/run_status/{run_id}" },
  { ...legacyCancel, id: "legacyRunCancel", path: "/v1/run_cancel/{run_id}" },
  { ...legacyCancel, id: "unversionedRunCancel", path: "/run_cancel/{run_id}" },
];
