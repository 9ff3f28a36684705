import { Cron } from "croner";
import { invalidRequest } from "../../src/errors.ts";

/** When a schedule ticks: at the times of a cron expression in a zone, or at a fixed distance from a time on. */
export type Recurrence =
  | { readonly cron: string; readonly timeZone: string }
  | { readonly everyMs: number; readonly fromMs: number };

/** The times at which a schedule ticks, in milliseconds. */
export interface Ticks {
  /** The first tick after that time; `undefined` if there is none. */
  next(after: number): number | undefined;
  /** The newest ticks up to that time, and at it, oldest first: at most `count`. */
  last(count: number, until: number): readonly number[];
}

/** The shortest time between two ticks of a length, in milliseconds: how often a runtime looks for what is due. */
export const leastEveryMs = 1_000;

/**
 * The ticks of a recurrence.
 *
 * In a zone whose clock is set forward, a fixed time that does not exist is the first time after the gap; one that comes
 * twice is the first. What recurs within the day, such as each hour, ticks at each time that there is.
 *
 * @throws `invalid_request` that names `cron` or `timeZone`.
 */
export function ticksOf(recurrence: Recurrence, path = ""): Ticks {
  return "cron" in recurrence ? cronTicks(recurrence.cron, recurrence.timeZone, path) : everyTicks(recurrence);
}

function cronTicks(expression: string, timeZone: string, path: string): Ticks {
  const cron = cronOf(expression, timeZone, path);
  return {
    next: (after) => cron.nextRun(new Date(after))?.getTime(),
    // It takes the reference in whole seconds, and returns what is before it.
    last: (count, until) =>
      cron
        .previousRuns(count + 1, new Date(Math.floor(until / 1_000) * 1_000 + 1_000))
        .map((date) => date.getTime())
        .filter((at) => at <= until)
        .slice(0, count)
        .reverse(),
  };
}

function cronOf(expression: string, timeZone: string, path: string): Cron {
  try {
    new Intl.DateTimeFormat("en", { timeZone });
  } catch (cause) {
    throw invalidRequest(
      `${path}timeZone`,
      `unknown time zone "${timeZone}": expected an IANA name, such as "Europe/Berlin"`,
      {
        cause,
      },
    );
  }
  try {
    // Anything else the library would take for a date.
    if (!/^@\w+$|\S\s+\S/.test(expression)) throw new Error("it has one field");
    return new Cron(expression, { timezone: timeZone, mode: "5-or-6-parts", paused: true });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.replace(/^CronPattern: /, "") : "";
    throw invalidRequest(
      `${path}cron`,
      `expected a cron expression of 5 or 6 fields, such as "0 9 * * MON-FRI": ${why}`,
      {
        cause,
      },
    );
  }
}

function everyTicks({ everyMs, fromMs }: { readonly everyMs: number; readonly fromMs: number }): Ticks {
  return {
    next: (after) => fromMs + Math.max(Math.floor((after - fromMs) / everyMs) + 1, 1) * everyMs,
    last(count, until) {
      const newest = Math.floor((until - fromMs) / everyMs);
      const oldest = Math.max(newest - count + 1, 1);
      return Array.from(
        { length: Math.max(newest - oldest + 1, 0) },
        (_, index) => fromMs + (oldest + index) * everyMs,
      );
    },
  };
}
