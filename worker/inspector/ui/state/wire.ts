import type { Calls } from "../../../client/calls.ts";
import type { StreamWatchOptions } from "../../../client/watch.ts";
import type { ComparisonAnswer } from "../../../http/contract/checkpoints.ts";
import type { EventAnswer } from "../../../http/contract/records.ts";

// The answers of the service, under the names that the inspector uses. For JSON values in events and changes it uses the
// types of the contract: those that the client derives from the routes are wider.

export type { ComparisonAnswer } from "../../../http/contract/checkpoints.ts";
export type { ScheduleAnswer } from "../../../http/contract/schedules.ts";

type Answer<Name extends keyof Calls> = Calls[Name] extends (...args: never[]) => Promise<infer Body> ? Body : never;

export type RunAnswer = Answer<"get">;
export type CheckpointAnswer = Answer<"checkpoint">;
export type LineageAnswer = Answer<"lineage">;

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [key: string]: Json };

export type Status = RunAnswer["status"];
export type Whoami = Answer<"whoami">;
export type Role = Whoami["role"];
export type RunEvent = EventAnswer;
/** What happens in a run and is not recorded. */
export type LiveMessage = Parameters<NonNullable<StreamWatchOptions["onLive"]>>[0];
export type SkillSummary = Answer<"skills">["skills"][number];
export type Change = ComparisonAnswer["changes"][number];
export type LineageNode = LineageAnswer["run"];
export type TraceStep = Answer<"trace">["steps"][number];

/** True for a status in which a run stays until it is resumed on request. */
export function isTerminal(status: Status): boolean {
  return status === "completed" || status === "failed" || status === "canceled";
}

/** The field of a payload, if it is a text. */
export function textOf(payload: JsonObject, name: string): string | undefined {
  const value = payload[name];
  return typeof value === "string" ? value : undefined;
}
