import * as v from "valibot";
import { descending, type Family } from "./operation.ts";
import { accepted, replayMark, run } from "./records.ts";
import { basis, jsonObject, newId, text } from "./values.ts";

const source = { source_run_id: text };

export const replayedRun = v.object({
  run,
  idempotent_replay: replayMark,
  replay: accepted("checkpoint_replay", source),
});
export type ReplayedRunAnswer = v.InferOutput<typeof replayedRun>;

export const forkedRun = v.object({ run, idempotent_replay: replayMark, fork: accepted("checkpoint_fork", source) });
export type ForkedRunAnswer = v.InferOutput<typeof forkedRun>;

const birthId = v.pipe(v.nullish(newId), v.description("The id of the new run. Default: a generated id."));

const children = v.pipe(
  v.nullish(v.picklist(["reuse", "start"], "expected reuse or start")),
  v.description(
    "`reuse` takes the results of child runs of the source, `start` starts others. Default: a replay reuses, a fork starts.",
  ),
);

/** `POST /v1/runs/{run_id}/replay` */
export const descent = v.object({ checkpoint_id: basis, run_id: birthId, children });

/** `POST /v1/runs/{run_id}/fork` */
export const fork = v.object({
  checkpoint_id: basis,
  run_id: birthId,
  children,
  edit: v.pipe(
    // `v.object` alone would also accept an array.
    v.nullish(v.intersect([jsonObject, v.object({ inputs: v.nullish(jsonObject), vars: v.nullish(jsonObject) })])),
    v.description("Values that replace the values of the same names in the state of the fork."),
  ),
});

export const descentOperations: Family = {
  replayRun: {
    route: "POST /v1/runs/{run_id}/replay",
    summary: "Replay a run: execute a new run from one of its checkpoints",
    exchange: { body: descent, answer: replayedRun, errors: descending },
  },
  forkRun: {
    route: "POST /v1/runs/{run_id}/fork",
    summary: "Fork a run: create a new pending run from one of its checkpoints",
    description:
      "With an `edit`, the fork has two checkpoints: an unchanged copy, and the edited state as its head. An edited fork does not keep earlier approvals.",
    exchange: { body: fork, answer: forkedRun, errors: descending },
  },
};
