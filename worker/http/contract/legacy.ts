import { type Family, moving, ofRun, starting } from "./operation.ts";
import { run } from "./records.ts";
import { skillExecution, startedRun } from "./starts.ts";

const shown = {
  summary: "Get a run; a canceled run is shown as failed",
  isDeprecated: true,
  exchange: { answer: run, errors: ofRun },
} as const;

const canceled = {
  summary: "Cancel a run; it is then shown as failed",
  isDeprecated: true,
  exchange: { answer: run, errors: moving },
} as const;

export const legacyOperations: Family = {
  unversionedRunAsync: {
    route: "POST /run_async",
    summary: "Start a run of the skill that the body names",
    isDeprecated: true,
    exchange: { body: skillExecution, status: 202, answer: startedRun, errors: starting },
  },
  legacyRunStatus: { route: "GET /v1/run_status/{run_id}", ...shown },
  unversionedRunStatus: { route: "GET /run_status/{run_id}", ...shown },
  legacyRunCancel: { route: "POST /v1/run_cancel/{run_id}", ...canceled },
  unversionedRunCancel: { route: "POST /run_cancel/{run_id}", ...canceled },
};
