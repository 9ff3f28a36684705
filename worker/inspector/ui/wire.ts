import type { EventAnswer, RunAnswer, WhoamiAnswer } from "../../http/contract/answers.ts";
import type {
  ComparisonAnswer,
  LineageNodeAnswer,
  SkillListAnswer,
  TraceAnswer,
} from "../../http/contract/read-answers.ts";

// What the routes answer, by the names that the inspector has for it.

export type { CheckpointAnswer, HistoryAnswer, RunAnswer } from "../../http/contract/answers.ts";
export type {
  ComparisonAnswer,
  LineageAnswer,
  RunPageAnswer,
  SkillListAnswer,
  TraceAnswer,
} from "../../http/contract/read-answers.ts";

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
