import type { StepStatus } from "../state/step-rows.ts";

/** What the status of a step is called here. */
export const stepNames: Readonly<Record<StepStatus, string>> = {
  completed: "completed",
  degraded: "degraded",
  skipped: "skipped",
  failed: "failed",
  running: "under way",
  backing_off: "backing off",
  sleeping: "sleeping",
  waiting: "waiting",
  canceled: "canceled",
  carried: "carried over",
  to_come: "to come",
};
