import type { Calls } from "../../../client/calls.ts";
import type { ComparisonAnswer } from "../../../http/contract/checkpoints.ts";
import type { EventAnswer } from "../../../http/contract/records.ts";

// What the service answers, by the names that the inspector has for it. Values of JSON in events and changes are of the
// contract's own type: what the client derives from the routes has for them a type that is wider.

export type { ComparisonAnswer } from "../../../http/contract/checkpoints.ts";

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
export type SkillSummary = Answer<"skills">["skills"][number];
export type Change = ComparisonAnswer["changes"][number];
export type LineageNode = LineageAnswer["run"];
export type TraceStep = Answer<"trace">["steps"][number];

/** Statuses after which a run goes on only when it is asked to. */
export function isTerminal(status: Status): boolean {
  return status === "completed" || status === "failed" || status === "canceled";
}

/** The text of a payload's field, where it is one. */
export function textOf(payload: JsonObject, name: string): string | undefined {
  const value = payload[name];
  return typeof value === "string" ? value : undefined;
}
