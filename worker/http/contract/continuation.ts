import * as v from "valibot";
import { deciding, type Family, moving, signaling } from "./operation.ts";
import { accepted, markedRun, replayMark, run } from "./records.ts";
import { basis, id, jsonValue, stepId, text } from "./values.ts";

/** `POST /v1/runs/{run_id}/cancel` */
export const cancelQuery = v.object({
  rollback: v.pipe(
    v.optional(v.picklist(["true", "false"], 'expected "true" or "false"')),
    v.description("`true`: the run first undoes the steps that have begun, if its skill has rollbacks."),
  ),
});

/** `POST /v1/runs/{run_id}/resume` */
export const resumption = v.object({ checkpoint_id: basis });

export const resumedRun = v.object({ run, idempotent_replay: replayMark, resume: accepted("checkpoint_resume", {}) });
export type ResumedRunAnswer = v.InferOutput<typeof resumedRun>;

/** `POST /v1/runs/{run_id}/approve` and `…/deny` */
export const gateDecision = v.object({
  approver: v.nullish(text),
  notes: v.nullish(text),
  step_id: v.pipe(v.nullish(stepId), v.description("The step whose gate is decided. Default: the first open gate.")),
  data: v.pipe(
    v.optional(jsonValue),
    v.description("What the gate asks for. If it does not match the schema of the skill, the gate stays open."),
  ),
});

/** `POST /v1/runs/{run_id}/signal` */
export const newSignal = v.object({ name: id, payload: v.optional(jsonValue) });

export const continuationOperations: Family = {
  cancelRun: {
    route: "POST /v1/runs/{run_id}/cancel",
    summary: "Cancel a run",
    exchange: { query: cancelQuery, hasETag: true, answer: run, errors: moving },
  },
  resumeRun: {
    route: "POST /v1/runs/{run_id}/resume",
    summary: "Continue the same run from a checkpoint",
    description:
      "If an executor holds the lease of the run, the answer is a `conflict` whose `Retry-After` says when the lease ends.",
    exchange: { body: resumption, hasETag: true, answer: resumedRun, errors: deciding },
  },
  approveRun: {
    route: "POST /v1/runs/{run_id}/approve",
    summary: "Approve what a run waits for, and resume it",
    description:
      "Without a `step_id` the first open gate is approved. A late or repeated call could approve a later gate: to prevent this, name the `step_id`, or send an Idempotency-Key or the ETag of the run.",
    exchange: { body: gateDecision, hasETag: true, answer: resumedRun, errors: deciding },
  },
  denyRun: {
    route: "POST /v1/runs/{run_id}/deny",
    summary: "Deny what a run waits for, and cancel it",
    exchange: { body: gateDecision, hasETag: true, answer: markedRun, errors: deciding },
  },
  signalRun: {
    route: "POST /v1/runs/{run_id}/signal",
    summary: "Send a signal to a run; one step consumes it",
    exchange: { body: newSignal, hasETag: true, answer: markedRun, errors: signaling },
  },
};
