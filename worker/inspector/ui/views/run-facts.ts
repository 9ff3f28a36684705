import { isTerminal, type RunAnswer } from "../state/wire.ts";
import { duration } from "./format.ts";

/** How the run descends from another run, if it does. */
export function originOf({ metadata }: RunAnswer): "fork" | "replay" | undefined {
  if (typeof metadata.source_run_id !== "string") return undefined;
  return metadata.fork_mode === undefined ? "replay" : "fork";
}

/** How long the run took, or has taken so far. */
export function took({ started_at: from, finished_at: to, status }: RunAnswer, now: number): string {
  if (from === null || (to === null && isTerminal(status))) return "–";
  return duration((to === null ? now : Date.parse(to)) - Date.parse(from));
}
