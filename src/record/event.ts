import type { RunId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import type { Fields } from "./state.ts";

/** What can happen to a run. Source: the ORCA durability contract, section 5; the last group is ours. */
export const eventTypes = [
  "run.started",
  "run.resumed",
  "run.waiting_for_human",
  "run.waiting_for_signal",
  "run.completed",
  "run.failed",
  "run.canceled",
  "step.started",
  "step.completed",
  "side_effect.recorded",
  "side_effect.reused",
  "checkpoint.saved",
  "run.created",
  "run.approved",
  "run.denied",
  "run.recovered",
  "run.handed_over",
  "run.unserved",
  "signal.received",
  "signal.delivered",
  "step.output",
  "step.failed",
  "step.retry_scheduled",
  "step.waiting",
  "step.sleeping",
  "run.undoing",
] as const;

/** One of `eventTypes`. */
export type EventType = (typeof eventTypes)[number];

/** Stands for the events of a history entry that cannot be read. It is shown, and never stored. */
export const damagedEntry = "entry.damaged";

/** An event as it is decided. Its place in the run's history is known once it is committed. */
export interface NewEvent<V = unknown> {
  readonly type: EventType;
  readonly at: string;
  readonly payload: Fields<V>;
}

/** What happens in a run and is not recorded. Its values are in the stored form, which `watchLive` decodes. */
export interface LiveMessage {
  /** Such as `step.started` or `step.published`. */
  readonly type: string;
  /** ISO-8601 in UTC. */
  readonly at: string;
  readonly payload: JsonObject;
}

/** One event in the history of a run. */
export interface RunEvent<V = unknown> {
  /** `<run id>:<revision>:<index>`, unique and in order. */
  readonly eventId: string;
  readonly eventVersion: 1;
  /**
   * `entry.damaged` stands for an entry that cannot be read: its payload describes the fault by `code` and `message`.
   */
  readonly eventType: EventType | typeof damagedEntry;
  /** For `entry.damaged` it is the time of the run's birth. */
  readonly occurredAt: string;
  readonly runId: RunId;
  readonly traceId?: string;
  readonly payload: Fields<V>;
}

/** The place of an event in its run: the revision of its entry, and its index there. */
export interface Position {
  readonly revision: number;
  readonly index: number;
}

export function positionOf({ eventId }: RunEvent): Position {
  const [revision, index] = eventId.split(":").slice(-2);
  return { revision: Number(revision), index: Number(index) };
}

/**
 * The place of an event in its run, `<revision>-<index>`: the `Last-Event-ID` of a stream.
 */
export function eventPosition(event: RunEvent): string {
  const { revision, index } = positionOf(event);
  return `${revision}-${index}`;
}
