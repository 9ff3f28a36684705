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
  step_id: v.pipe(v.nullish(stepId), v.description("The gate of that step. The first gate where absent.")),
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
    description: "Where somebody executes the run, `conflict` with the seconds after which its lease may be taken.",
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
    summary: "Open the gate at which a run waits, and resume it",
    description:
      "Without a `step_id` it is the first open gate. To open no later one by a call that comes late or twice, name the `step_id`, or send an Idempotency-Key or the ETag of the run as it was shown.",
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
    summary: "Refuse what a run waits for, and cancel it",
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
    summary: "Send a run a message, which one step will consume",
    body: newSignal,
    isConditional: true,
    isIdempotent: true,
    hasETag: true,
    status: 200,
    answer: markedRun,
    errors: signaling,
  },
];
