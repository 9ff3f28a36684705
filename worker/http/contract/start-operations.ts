import * as answers from "./answers.ts";
import { type Operation, starting } from "./operation.ts";
import * as requests from "./requests.ts";

const started = {
  method: "post",
  tag: "runs",
  isIdempotent: true,
  status: 202,
  answer: answers.startedRun,
  errors: starting,
} as const;

export const startOperations: readonly Operation[] = [
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
    hasETag: true,
    status: 201,
    answer: answers.markedRun,
    errors: starting,
  },
];
