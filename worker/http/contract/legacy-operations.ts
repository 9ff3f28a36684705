import * as answers from "./answers.ts";
import { moving, type Operation, ofRun } from "./operation.ts";

const legacyStatus = {
  method: "get",
  tag: "legacy",
  summary: "A run, a canceled one shown as failed",
  isDeprecated: true,
  status: 200,
  answer: answers.run,
  errors: ofRun,
} as const;

const legacyCancel = {
  method: "post",
  tag: "legacy",
  summary: "Cancel a run, which is then shown as failed",
  isDeprecated: true,
  isConditional: true,
  status: 200,
  answer: answers.run,
  errors: moving,
} as const;

export const legacyOperations: readonly Operation[] = [
  { ...legacyStatus, id: "legacyRunStatus", path: "/v1/run_status/{run_id}" },
  { ...legacyStatus, id: "unversionedRunStatus", path: "/run_status/{run_id}" },
  { ...legacyCancel, id: "legacyRunCancel", path: "/v1/run_cancel/{run_id}" },
  { ...legacyCancel, id: "unversionedRunCancel", path: "/run_cancel/{run_id}" },
];
