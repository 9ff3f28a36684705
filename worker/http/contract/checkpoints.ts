import * as v from "valibot";
import { type Family, ofRun, saving } from "./operation.ts";
import { checkpointRecord } from "./records.ts";
import {
  id,
  jsonValue,
  newId,
  nextAfter,
  optional,
  state,
  stepId,
  text,
  textOrNull,
  whole,
  wholeNumber,
} from "./values.ts";

/** The most checkpoints in one list. Clients of the contract do not know pages and get up to this many at once. */
const maxCheckpoints = 1_000;

/** `GET /v1/runs/{run_id}/checkpoints` */
export const checkpointQuery = v.object({
  after: optional(id, "The id of a checkpoint. The page starts after it."),
  limit: wholeNumber(1, maxCheckpoints, maxCheckpoints),
});

/** `POST /v1/runs/{run_id}/checkpoints` */
export const newCheckpoint = v.object({
  checkpoint_id: v.nullish(newId),
  step_id: v.nullish(stepId),
  kind: v.pipe(text, v.nonEmpty("is empty")),
  pending_writes: v.nullish(v.array(text, "expected an array")),
  state,
});

/** `GET /v1/runs/{run_id}/checkpoints/{checkpoint_id}/diff` */
export const comparisonQuery = v.object({
  against: optional(id, "The id of another checkpoint of the run. Default: the previous checkpoint."),
});

export const checkpointList = v.object({
  run_id: text,
  checkpoints: v.array(checkpointRecord),
  total: whole,
  checkpoint_head: textOrNull,
  next_after: nextAfter,
});
export type CheckpointListAnswer = v.InferOutput<typeof checkpointList>;

export const checkpoint = v.object({ record: checkpointRecord, state });
export type CheckpointAnswer = v.InferOutput<typeof checkpoint>;

const change = v.pipe(
  v.object({
    op: v.picklist(["add", "remove", "replace"]),
    path: v.pipe(text, v.description("A JSON pointer into the state.")),
    before: v.pipe(v.optional(jsonValue), v.description("Present on `remove` and `replace`.")),
    after: v.pipe(v.optional(jsonValue), v.description("Present on `add` and `replace`.")),
  }),
  v.description("One difference between the two states."),
);

export const comparison = v.object({
  run_id: text,
  from: v.pipe(textOrNull, v.description("Null if `to` is the first checkpoint.")),
  to: text,
  changes: v.array(change),
});
export type ComparisonAnswer = v.InferOutput<typeof comparison>;

export const checkpointOperations: Family = {
  listCheckpoints: {
    route: "GET /v1/runs/{run_id}/checkpoints",
    summary: "List the checkpoints of a run, oldest first",
    description: "Returns at most 1,000 checkpoints. If there are more, `next_after` leads to the next page.",
    exchange: { query: checkpointQuery, answer: checkpointList, errors: ofRun },
  },
  saveCheckpoint: {
    route: "POST /v1/runs/{run_id}/checkpoints",
    summary: "Save a checkpoint with its state",
    description:
      "The checkpoint becomes the head of the run. The status of the run does not change. Saving the same checkpoint again changes nothing; other content under the same id is a `conflict`.",
    exchange: { body: newCheckpoint, status: 201, answer: checkpointRecord, errors: saving },
  },
  getCheckpoint: {
    route: "GET /v1/runs/{run_id}/checkpoints/{checkpoint_id}",
    summary: "Get a checkpoint with its state",
    exchange: { answer: checkpoint, errors: ofRun },
  },
  compareCheckpoints: {
    route: "GET /v1/runs/{run_id}/checkpoints/{checkpoint_id}/diff",
    summary: "Compare a checkpoint with the previous one or with another one",
    exchange: { query: comparisonQuery, answer: comparison, errors: ofRun },
  },
};

/** The schemas that have a name in the document. */
export const checkpointSchemas = { CheckpointList: checkpointList, Checkpoint: checkpoint, Comparison: comparison };
