import { statusNames } from "./status.ts";
import type { RunAnswer, Status } from "./wire.ts";

/** How a run stands: the status whose picture fits, and a few words. */
export interface Standing {
  readonly tone: Status;
  readonly name: string;
}

/** A run that has been due for longer than this has no server, in milliseconds. */
const lateMs = 5_000;

/** How the run stands at that time. A run that waits has no picture of something that moves. */
export function standingOf(run: RunAnswer, now: number): Standing {
  const { status, waiting_on: on, last_error: error } = run;
  const name = statusNames[status];
  switch (on) {
    case "sleep":
      return status === "pending"
        ? { tone: "pending", name: "Starts later" }
        : { tone: "waiting_for_signal", name: "Sleeping" };
    case "retry":
      return { tone: "waiting_for_human", name: "Tries again" };
    case "child":
      return { tone: "waiting_for_signal", name: "Waits for child" };
    case "unserved":
      return { tone: "failed", name: "Not served" };
    case "executing":
      if (isLate(run, now)) return { tone: "failed", name: "Not served" };
      return { tone: status, name: error === null ? name : `${name}, attempt ${error.attempt + 1}` };
    default:
      return { tone: status, name };
  }
}

/** True if the run has been due for some time, and no server takes what is due. */
export function isLate({ waiting_on: on, next_at: next }: RunAnswer, now: number): boolean {
  return on !== null && on !== "unserved" && next !== null && now - Date.parse(next) > lateMs;
}
