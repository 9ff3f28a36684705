import * as v from "valibot";
import { runStatuses } from "../../../src/record/run.ts";
import { type Family, starting } from "./operation.ts";
import { markedRun, replayMark } from "./records.ts";
import { duration, id, jsonObject, newId, text, textOrNull, timestamp } from "./values.ts";

/** `POST /v1/skills/{skill_id}/execute/async` */
export const execution = v.object({
  inputs: jsonObject,
  trace_id: v.nullish(id),
  options: v.nullish(jsonObject),
});

/** `POST /v1/run_async` */
export const skillExecution = v.object({
  skill_id: id,
  inputs: v.nullish(jsonObject),
  trace_id: v.nullish(id),
  options: v.nullish(jsonObject),
});

/** `POST /v1/runs` */
export const newRun = v.object({
  skill_id: id,
  skill_version: v.nullish(id),
  run_id: v.nullish(newId),
  inputs: v.nullish(jsonObject),
  trace_id: v.nullish(id),
  thread_id: v.nullish(id),
  session_id: v.nullish(id),
  environment: v.nullish(id),
  metadata: v.nullish(jsonObject),
  start_at: v.pipe(
    v.nullish(timestamp),
    v.description("The run is pending until this time, and then begins. A resume begins it earlier."),
  ),
  delay: v.pipe(v.nullish(duration), v.description("Instead of `start_at`: the time from now.")),
  start: v.pipe(
    v.nullish(v.boolean("expected a boolean")),
    v.metadata({
      default: true,
      description: "`false` creates a pending run, which executes nothing until it is resumed.",
    }),
  ),
});

export const startedRun = v.object({
  run_id: text,
  skill_id: text,
  status: v.picklist(runStatuses),
  trace_id: textOrNull,
  checkpoint_head: textOrNull,
  idempotent_replay: replayMark,
});
export type StartedRunAnswer = v.InferOutput<typeof startedRun>;

export const startOperations: Family = {
  executeSkill: {
    route: "POST /v1/skills/{skill_id}/execute/async",
    summary: "Start a run of a skill",
    description:
      "The service answers when the start is durable, and then executes the run in the background. `options` is ignored.",
    exchange: { body: execution, status: 202, answer: startedRun, errors: starting },
  },
  runAsync: {
    route: "POST /v1/run_async",
    summary: "Start a run of the skill that the body names",
    exchange: { body: skillExecution, status: 202, answer: startedRun, errors: starting },
  },
  createRun: {
    route: "POST /v1/runs",
    summary: "Create a run, and start it by default",
    description:
      "With `start: false` the run is pending: the service need not know its skill, and checkpoints can be saved to it.",
    exchange: { body: newRun, status: 201, hasETag: true, answer: markedRun, errors: starting },
  },
};

/** The schemas that have a name in the document. */
export const startSchemas = { StartedRun: startedRun };
