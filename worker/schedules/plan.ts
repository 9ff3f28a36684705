import type { Ticks } from "./recurrence.ts";

// What a schedule remembers, and what it decides. All of it is pure: times are arguments, in milliseconds.

/** What happens to a tick while the run of an earlier one has not ended. */
export const overlaps = ["skip", "queue", "cancel"] as const;
/** One of `overlaps`. */
export type Overlap = (typeof overlaps)[number];

/** What happens to ticks that nothing served in time. */
export const catchUps = ["skip", "one", "all"] as const;
/** One of `catchUps`. */
export type CatchUp = (typeof catchUps)[number];

/** Why a run of a schedule is started. */
export const causes = ["tick", "trigger", "backfill"] as const;
/** One of `causes`. */
export type Cause = (typeof causes)[number];

/** What became of a tick. */
export const outcomes = ["started", "skipped", "missed", "failed"] as const;

/** A time for which a run is to be started. */
export interface Due {
  readonly at: number;
  readonly cause: Cause;
}

/** The run of a tick that has not ended, as far as the schedule knows. */
export interface Running extends Due {
  readonly runId: string;
  /** False until its start is known. It is noted first, so that a crash never starts another. */
  readonly isBegun: boolean;
}

/** A tick that is over for the schedule, and what became of it. */
export interface Past extends Due {
  readonly outcome: (typeof outcomes)[number];
  readonly runId?: string;
  /** The last of several ticks that were missed or skipped at once. */
  readonly until?: number;
  readonly message?: string;
}

/** Ticks of the past that are made up for: those after `after`, up to `until`. */
export interface Backfill {
  readonly after: number;
  readonly until: number;
}

/** What a schedule remembers between two ticks. It is bounded, however many there are. */
export interface Memory {
  /** Every tick up to this time has been decided. */
  readonly cursor: number;
  /** What is decided to run and not begun, oldest first. */
  readonly queue: readonly Due[];
  readonly running?: Running;
  /** Runs that are still to be canceled. */
  readonly canceling: readonly string[];
  readonly backfills: readonly Backfill[];
  readonly pausedAt?: number;
  /** The time of the last trigger: each has a time of its own. */
  readonly triggeredAt?: number;
  /** The newest ticks that are over, oldest first. */
  readonly recent: readonly Past[];
}

/** What a plan depends on beside the memory. */
export interface Rules {
  readonly overlap: Overlap;
  readonly catchUp: CatchUp;
  readonly ticks: Ticks;
  readonly runIdOf: (due: Due) => string;
}

/** How many ticks are remembered that are over. */
const mostRecent = 20;
/** How many ticks may wait in the queue, and are caught up at once; of more, the oldest are dropped. */
const mostQueued = 100;
export const mostBackfills = 10;
/** A tick that is examined this much later is missed: two ticks of a cron trigger, and the time that a drain takes. */
const graceMs = 3 * 60_000;

/** A schedule that begins at that time. */
export function newMemory(now: number): Memory {
  return { cursor: now, queue: [], canceling: [], backfills: [], recent: [] };
}

/** The memory with one more tick that is over. */
export function past(memory: Memory, ...ended: readonly Past[]): Memory {
  return ended.length === 0 ? memory : { ...memory, recent: [...memory.recent, ...ended].slice(-mostRecent) };
}

/** The memory once everything that is due is decided. If a run is to be started, it is `running` and not begun. */
export function decided(memory: Memory, rules: Rules, now: number): Memory {
  return begun(pulled(taken(memory, rules, now), rules), rules);
}

/** When the schedule ticks next; `undefined` if it does not by itself. */
export function nextOf({ pausedAt, cursor }: Memory, { ticks }: Rules): number | undefined {
  return pausedAt === undefined ? ticks.next(cursor) : undefined;
}

/** Takes the ticks that have come since the last look. */
function taken(memory: Memory, rules: Rules, now: number): Memory {
  const { ticks, catchUp } = rules;
  const first = nextOf(memory, rules);
  if (first === undefined || first > now) return memory;
  const due = ticks.last(catchUp === "all" ? mostQueued : 1, now).filter((at) => at >= first);
  const newest = due.at(-1);
  if (newest === undefined) return memory;
  const isLate = now - newest > graceMs;
  const kept = catchUp === "skip" && isLate ? [] : due;
  const oldest = kept[0];
  // All before the oldest that is kept, and all if none is.
  const isMissed = oldest === undefined || oldest > first;
  const until = oldest === undefined ? newest : ticks.last(1, oldest - 1)[0];
  const missed: readonly Past[] = isMissed
    ? [{ at: first, cause: "tick", outcome: "missed", ...(until !== undefined && until > first && { until }) }]
    : [];
  let next: Memory = { ...past(memory, ...missed), cursor: newest };
  // Several do not skip or cancel one another: they run in their order.
  const isCaughtUp = catchUp === "all" && (isLate || kept.length > 1);
  for (const at of kept) {
    const due: Due = { at, cause: "tick" };
    next = isCaughtUp ? queued(next, due) : overlapped(next, due, rules);
  }
  return next;
}

/** The memory with a tick more, as the policy for overlapping has it. */
export function overlapped(memory: Memory, due: Due, { overlap }: Pick<Rules, "overlap">): Memory {
  const isBusy = memory.running !== undefined || memory.queue.length > 0;
  if (!isBusy || overlap === "queue") return queued(memory, due);
  if (overlap === "skip") return past(memory, { ...due, outcome: "skipped" });
  const { running, queue, canceling, ...rest } = memory;
  return {
    ...past({ ...rest, queue: [], canceling }, ...skipped(queue)),
    queue: [due],
    canceling: running === undefined ? canceling : [...canceling, running.runId],
  };
}

/** What waited and has no run, as one entry: there may be more of them than are remembered. */
function skipped(waiting: readonly Due[]): readonly Past[] {
  const [first, last] = [waiting[0], waiting.at(-1)];
  if (first === undefined || last === undefined) return [];
  return [{ ...first, outcome: "skipped", ...(last.at > first.at && { until: last.at }) }];
}

function queued(memory: Memory, due: Due): Memory {
  const queue = [...memory.queue, due];
  const dropped = queue.length > mostQueued ? queue.slice(0, 1) : [];
  return {
    ...past(memory, ...dropped.map((due): Past => ({ ...due, outcome: "skipped" }))),
    queue: queue.slice(dropped.length),
  };
}

/** Takes one tick of a backfill if nothing else is to be done. */
function pulled(memory: Memory, { ticks }: Rules): Memory {
  const [first, ...others] = memory.backfills;
  const isIdle = memory.running === undefined && memory.queue.length === 0 && memory.pausedAt === undefined;
  if (first === undefined || !isIdle) return memory;
  const at = ticks.next(first.after);
  if (at === undefined || at > first.until) return pulled({ ...memory, backfills: others }, { ticks } as Rules);
  return { ...memory, queue: [{ at, cause: "backfill" }], backfills: [{ ...first, after: at }, ...others] };
}

/** Notes the run of the first in the queue, if none is running. */
function begun(memory: Memory, { runIdOf }: Rules): Memory {
  const [first, ...queue] = memory.queue;
  if (first === undefined || memory.running !== undefined) return memory;
  return { ...memory, queue, running: { ...first, runId: runIdOf(first), isBegun: false } };
}

/** The memory of a schedule that is paused: what waits for an earlier run does not run any more. */
export function paused(memory: Memory, now: number): Memory {
  if (memory.pausedAt !== undefined) return memory;
  const isKept = ({ cause }: Due) => cause === "trigger";
  const dropped = memory.queue.filter((due) => !isKept(due));
  return { ...past(memory, ...skipped(dropped)), queue: memory.queue.filter(isKept), pausedAt: now };
}

/** The memory of a schedule that goes on: ticks of the pause are not made up for. */
export function unpaused(memory: Memory, now: number): Memory {
  const { pausedAt, ...rest } = memory;
  return pausedAt === undefined ? memory : { ...rest, cursor: Math.max(memory.cursor, now) };
}
