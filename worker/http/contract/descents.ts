import * as v from "valibot";
import { descending, type Operation } from "./operation.ts";
import { replayMark, run } from "./records.ts";
import { basis, jsonObject, newId, text } from "./values.ts";

const birthId = v.pipe(v.nullish(newId), v.description("The id of the new run. A generated one where absent."));

/** `POST /v1/runs/{run_id}/replay` */
export const descent = v.object({ checkpoint_id: basis, run_id: birthId });

/** `POST /v1/runs/{run_id}/fork` */
export const fork = v.object({
  checkpoint_id: basis,
  run_id: birthId,
  edit: v.pipe(
    // An object of valibot's may be an array.
    v.nullish(v.intersect([jsonObject, v.object({ inputs: v.nullish(jsonObject), vars: v.nullish(jsonObject) })])),
    v.description("Values that replace those of the same names in the fork's state."),
  ),
});

export const replayedRun = v.object({
  run,
  idempotent_replay: replayMark,
  replay: v.object({
    accepted: v.literal(true),
    mode: v.literal("checkpoint_replay"),
    checkpoint_id: text,
    source_run_id: text,
  }),
});

export const forkedRun = v.object({
  run,
  idempotent_replay: replayMark,
  fork: v.object({
    accepted: v.literal(true),
    mode: v.literal("checkpoint_fork"),
    checkpoint_id: text,
    source_run_id: text,
  }),
});

export type ReplayedRunAnswer = v.InferOutput<typeof replayedRun>;
export type ForkedRunAnswer = v.InferOutput<typeof forkedRun>;

export const descentOperations: readonly Operation[] = [
  {
    id: "replayRun",
    method: "post",
    path: "/v1/runs/{run_id}/replay",
    tag: "runs",
    summary: "Execute a new run from a checkpoint of this one",
    body: descent,
    isBodyOptional: true,
    isConditional: true,
    isIdempotent: true,
    status: 200,
    answer: replayedRun,
    errors: descending,
  },
  {
    id: "forkRun",
    method: "post",
    path: "/v1/runs/{run_id}/fork",
    tag: "runs",
    summary: "Make a new pending run that stands on a checkpoint of this one",
    description:
      "With an `edit` the checkpoint is copied as it is, and the edited state is a second one, the head; old approvals are not taken along.",
    body: fork,
    isBodyOptional: true,
    isConditional: true,
    isIdempotent: true,
    status: 200,
    answer: forkedRun,
    errors: descending,
  },
];
