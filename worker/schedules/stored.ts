import { isJsonObject, type Json, type JsonObject, present } from "../../src/json.ts";
import {
  type Backfill,
  catchUps,
  causes,
  type Due,
  type Memory,
  outcomes,
  overlaps,
  type Past,
  type Running,
} from "./plan.ts";
import type { Target, Timetable } from "./request.ts";

// A schedule is kept in the metadata of its run, in the names of the wire: a tick changes the row alone, and its history does
// not grow.

/** The member of the metadata. */
export const scheduleField = "schedule";

/** What the metadata of the run of a schedule has. */
export interface Stored {
  /** The run whose it is: a replay or a fork inherits the metadata of its source, and begins anew. */
  readonly of: string;
  readonly target: Target;
  readonly timetable: Timetable;
  readonly memory: Memory;
  /** When it ticks next; absent if it does not by itself. */
  readonly nextAt?: number;
}

export function writeStored({ of, target, timetable, memory, nextAt }: Stored): JsonObject {
  const { cursor, queue, running, canceling, backfills, pausedAt, triggeredAt, recent } = memory;
  return {
    of,
    ...present({ skill_id: target.skillId, skill_version: target.skillVersion }),
    ...present({ cron: timetable.cron, every_ms: timetable.everyMs, time_zone: timetable.timeZone }),
    overlap: timetable.overlap,
    catch_up: timetable.catchUp,
    ...present({ next_at: nextAt, paused_at: pausedAt, triggered_at: triggeredAt }),
    cursor,
    ...present({ running: running && writeRunning(running) }),
    queue: queue.map(({ at, cause }) => ({ at, cause })),
    canceling: [...canceling],
    backfills: backfills.map(({ after, until }) => ({ after, until })),
    recent: recent.map(({ runId, at, cause, outcome, until, message }) =>
      present({ at, cause, outcome, run_id: runId, until, message }),
    ),
  };
}

function writeRunning({ at, cause, runId, isBegun }: Running): JsonObject {
  return { at, cause, run_id: runId, is_begun: isBegun };
}

/** What the metadata of a run says of its schedule; `undefined` if it says nothing that can be read. */
export function readStored(json: unknown): Stored | undefined {
  try {
    return isJsonObject(json) ? read(json) : undefined;
  } catch {
    // It was imported, or edited. The schedule is then read from the inputs of its run.
    return undefined;
  }
}

function read(json: JsonObject): Stored {
  const running = optional(json.running, (found) => {
    const { run_id, is_begun, ...due } = object(found);
    return { ...readDue(due), runId: text(run_id), isBegun: is_begun === true };
  });
  return {
    of: text(json.of),
    target: { skillId: text(json.skill_id), ...present({ skillVersion: optional(json.skill_version, text) }) },
    timetable: {
      ...present({ cron: optional(json.cron, text), everyMs: optional(json.every_ms, number) }),
      timeZone: text(json.time_zone),
      overlap: word(overlaps, json.overlap),
      catchUp: word(catchUps, json.catch_up),
    },
    ...present({ nextAt: optional(json.next_at, number) }),
    memory: {
      cursor: number(json.cursor),
      queue: list(json.queue, readDue),
      ...present({ running }),
      canceling: list(json.canceling, text),
      backfills: list(json.backfills, (found): Backfill => {
        const { after, until } = object(found);
        return { after: number(after), until: number(until) };
      }),
      ...present({
        pausedAt: optional(json.paused_at, number),
        triggeredAt: optional(json.triggered_at, number),
      }),
      recent: list(json.recent, readPast),
    },
  };
}

function readDue(json: Json): Due {
  const { at, cause } = object(json);
  return { at: number(at), cause: word(causes, cause) };
}

function readPast(json: Json): Past {
  const { outcome, run_id, until, message } = object(json);
  const optionals = { runId: optional(run_id, text), until: optional(until, number), message: optional(message, text) };
  return { ...readDue(json), outcome: word(outcomes, outcome), ...present(optionals) };
}

function object(json: Json | undefined): JsonObject {
  if (!isJsonObject(json)) throw new Error("expected an object");
  return json;
}

function text(json: Json | undefined): string {
  if (typeof json !== "string") throw new Error("expected a string");
  return json;
}

function number(json: Json | undefined): number {
  if (typeof json !== "number") throw new Error("expected a number");
  return json;
}

function list<T>(json: Json | undefined, readItem: (item: Json) => T): readonly T[] {
  if (!Array.isArray(json)) throw new Error("expected an array");
  return json.map(readItem);
}

function optional<T>(json: Json | undefined, readIt: (json: Json) => T): T | undefined {
  return json === undefined ? undefined : readIt(json);
}

function word<T extends string>(words: readonly T[], json: Json | undefined): T {
  const found = words.find((word) => word === json);
  if (found === undefined) throw new Error("expected a known word");
  return found;
}
