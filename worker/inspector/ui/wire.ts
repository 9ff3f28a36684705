import type { ComparisonAnswer } from "../../http/contract/checkpoints.ts";
import type { LineageNodeAnswer, TraceAnswer } from "../../http/contract/histories.ts";
import type { EventAnswer, RunAnswer } from "../../http/contract/records.ts";
import type { SkillListAnswer, WhoamiAnswer } from "../../http/contract/service.ts";

// What the routes answer, by the names that the inspector has for it.

export type { CheckpointAnswer, ComparisonAnswer } from "../../http/contract/checkpoints.ts";
export type { HistoryAnswer, LineageAnswer, TraceAnswer } from "../../http/contract/histories.ts";
export type { RunAnswer } from "../../http/contract/records.ts";
export type { RunPageAnswer } from "../../http/contract/runs.ts";
export type { SkillListAnswer } from "../../http/contract/service.ts";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [key: string]: Json };

export type Status = RunAnswer["status"];
export type Whoami = WhoamiAnswer;
export type Role = Whoami["role"];
export type RunEvent = EventAnswer;
export type SkillSummary = SkillListAnswer["skills"][number];
export type Change = ComparisonAnswer["changes"][number];
export type LineageNode = LineageNodeAnswer;
export type TraceStep = TraceAnswer["steps"][number];

/** Statuses after which a run goes on only when it is asked to. */
export function isTerminal(status: Status): boolean {
  return status === "completed" || status === "failed" || status === "canceled";
}

/** The text of a payload's field, where it is one. */
export function textOf(payload: JsonObject, name: string): string | undefined {
  const value = payload[name];
  return typeof value === "string" ? value : undefined;
}
