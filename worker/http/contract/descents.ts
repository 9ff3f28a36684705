import * as v from "valibot";
import { descending, type Operation } from "./operation.ts";
import { replayMark, run } from "./records.ts";
import { basis, jsonObject, newId, text } from "./values.ts";

const birthId = v.pipe(v.nullish(newId), v.description("The id of the new run. Default: a generated id."));

/** `POST /v1/runs/{run_id}/replay` */
export const descent = v.object({ checkpoint_id: basis, run_id: birthId });

/** `POST /v1/runs/{run_id}/fork` */
export const fork = v.object({
  checkpoint_id: basis,
  run_id: birthId,
  edit: v.pipe(
    // `v.object` alone would also accept an array.
    v.nullish(v.intersect([jsonObject, v.object({ inputs: v.nullish(jsonObject), vars: v.nullish(jsonObject) })])),
    v.description("Values that replace the values of the same names in the state of the fork."),
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
    summary: "Replay a run: execute a new run from one of its checkpoints",
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
    summary: "Fork a run: create a new pending run from one of its checkpoints",
    description:
      "With an `edit`, the fork has two checkpoints: an unchanged copy, and the edited state as its head. An edited fork does not keep earlier approvals.",
    body: fork,
    isBodyOptional: true,
    isConditional: true,
    isIdempotent: true,
    status: 200,
    answer: forkedRun,
    errors: descending,
  },
];
