import type { StepStatus } from "../state/step-rows.ts";

/** The displayed name of each step status. */
export const stepNames: Readonly<Record<StepStatus, string>> = {
  completed: "completed",
  degraded: "degraded",
  skipped: "skipped",
  failed: "failed",
  running: "running",
  backing_off: "backing off",
  sleeping: "sleeping",
  waiting: "waiting",
  canceled: "canceled",
  carried: "carried over",
  to_come: "not started",
};
