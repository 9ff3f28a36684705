import * as answers from "./answers.ts";
import { type Operation, ofRun, saving } from "./operation.ts";
import * as reads from "./read-answers.ts";
import * as requests from "./requests.ts";

export const checkpointOperations: readonly Operation[] = [
  {
    id: "listCheckpoints",
    method: "get",
    path: "/v1/runs/{run_id}/checkpoints",
    tag: "checkpoints",
    summary: "The checkpoints of a run, in the order in which they were written",
    description: "At most 1,000 at once; where there are more, `next_after` leads to the next page.",
    query: requests.checkpointQuery,
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
    isConditional: true,
    status: 201,
    answer: answers.checkpointRecord,
    errors: saving,
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
  {
    id: "compareCheckpoints",
    method: "get",
    path: "/v1/runs/{run_id}/checkpoints/{checkpoint_id}/diff",
    tag: "checkpoints",
    summary: "What changed up to a checkpoint, since the one before it or another one",
    query: requests.comparisonQuery,
    status: 200,
    answer: reads.comparison,
    errors: ofRun,
  },
];
