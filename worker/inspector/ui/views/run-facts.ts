import { isTerminal, type RunAnswer } from "../state/wire.ts";
import { duration } from "./format.ts";

/** Whether the run descends from another, and how. */
export function originOf({ metadata }: RunAnswer): "fork" | "replay" | undefined {
  if (typeof metadata.source_run_id !== "string") return undefined;
  return metadata.fork_mode === undefined ? "replay" : "fork";
}

/** How long the run has taken, or took. */
export function took({ started_at: from, finished_at: to, status }: RunAnswer, now: number): string {
  if (from === null || (to === null && isTerminal(status))) return "–";
  return duration((to === null ? now : Date.parse(to)) - Date.parse(from));
}
