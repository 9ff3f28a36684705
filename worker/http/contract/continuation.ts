import * as v from "valibot";
import { deciding, moving, type Operation, signaling } from "./operation.ts";
import { markedRun, replayMark, run } from "./records.ts";
import { basis, id, jsonValue, stepId, text } from "./values.ts";

/** `POST /v1/runs/{run_id}/resume` */
export const resumption = v.object({ checkpoint_id: basis });

/** `POST /v1/runs/{run_id}/approve` and `…/deny` */
export const gateDecision = v.object({
  approver: v.nullish(text),
  notes: v.nullish(text),
  step_id: v.pipe(v.nullish(stepId), v.description("The step whose gate is decided. Default: the first open gate.")),
});

/** `POST /v1/runs/{run_id}/signal` */
export const newSignal = v.object({ name: id, payload: v.optional(jsonValue) });

export const resumedRun = v.object({
  run,
  idempotent_replay: replayMark,
  resume: v.object({ accepted: v.literal(true), mode: v.literal("checkpoint_resume"), checkpoint_id: text }),
});

export type ResumedRunAnswer = v.InferOutput<typeof resumedRun>;

export const continuationOperations: readonly Operation[] = [
  {
    id: "cancelRun",
    method: "post",
    path: "/v1/runs/{run_id}/cancel",
    tag: "runs",
    summary: "Cancel a run",
    isConditional: true,
    hasETag: true,
    status: 200,
    answer: run,
    errors: moving,
  },
  {
    id: "resumeRun",
    method: "post",
    path: "/v1/runs/{run_id}/resume",
    tag: "runs",
    summary: "Continue the same run from a checkpoint",
    description:
      "If an executor holds the lease of the run, the answer is a `conflict` whose `Retry-After` says when the lease ends.",
    body: resumption,
    isBodyOptional: true,
    isConditional: true,
    isIdempotent: true,
    hasETag: true,
    status: 200,
    answer: resumedRun,
    errors: deciding,
  },
  {
    id: "approveRun",
    method: "post",
    path: "/v1/runs/{run_id}/approve",
    tag: "runs",
    summary: "Approve what a run waits for, and resume it",
    description:
      "Without a `step_id` the first open gate is approved. A late or repeated call could approve a later gate: to prevent this, name the `step_id`, or send an Idempotency-Key or the ETag of the run.",
    body: gateDecision,
    isBodyOptional: true,
    isConditional: true,
    isIdempotent: true,
    hasETag: true,
    status: 200,
    answer: resumedRun,
    errors: deciding,
  },
  {
    id: "denyRun",
    method: "post",
    path: "/v1/runs/{run_id}/deny",
    tag: "runs",
    summary: "Deny what a run waits for, and cancel it",
    body: gateDecision,
    isBodyOptional: true,
    isConditional: true,
    isIdempotent: true,
    hasETag: true,
    status: 200,
    answer: markedRun,
    errors: deciding,
  },
  {
    id: "signalRun",
    method: "post",
    path: "/v1/runs/{run_id}/signal",
    tag: "runs",
    summary: "Send a signal to a run; one step consumes it",
    body: newSignal,
    isConditional: true,
    isIdempotent: true,
    hasETag: true,
    status: 200,
    answer: markedRun,
    errors: signaling,
  },
];
