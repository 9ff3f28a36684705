import { invalidRequest, shown } from "./errors.ts";

/**
 * The longest duration in milliseconds. A Date holds times up to 8.64e15, so a duration that begins before the year
 * 10000 ends at a time that a Date can hold.
 */
export const maxDurationMs = 8.64e15 - Date.UTC(10_000, 0);

/** The words of a {@link Duration}. */
export type DurationUnit = "second" | "minute" | "hour" | "day" | "week" | "month" | "year";

/** A duration: milliseconds, or text such as `"3 days"`. A month has 30 days, a year 365. */
export type Duration = `${number} ${DurationUnit}${"s" | ""}` | number;

const second = 1_000;
const day = 24 * 60 * 60 * second;
const unitMs: { readonly [U in DurationUnit]: number } = {
  second,
  minute: 60 * second,
  hour: 60 * 60 * second,
  day,
  week: 7 * day,
  month: 30 * day,
  year: 365 * day,
};

/**
 * A duration in milliseconds.
 *
 * @throws `invalid_request` that names the place.
 */
export function durationMs(duration: Duration, path: string): number {
  const problem = durationProblem(duration);
  if (problem !== undefined) throw invalidRequest(path, problem);
  return msOf(duration);
}

/** What is wrong with a duration; `undefined` if nothing is. */
export function durationProblem(duration: unknown): string | undefined {
  if (typeof duration === "number") {
    if (duration >= 0 && duration <= maxDurationMs) return undefined;
    return `expected a duration of 0 to ${maxDurationMs} milliseconds, not ${duration}`;
  }
  if (typeof duration !== "string" || !words.test(duration)) {
    return `invalid duration ${shown(duration)}: expected milliseconds, or text such as "3 days"`;
  }
  const isTooLong = msOf(duration as Duration) > maxDurationMs;
  return isTooLong ? `"${duration}" is too long: expected at most ${maxDurationMs} milliseconds` : undefined;
}

const words = /^(\d+(?:\.\d+)?) (second|minute|hour|day|week|month|year)s?$/;

function msOf(duration: Duration): number {
  if (typeof duration === "number") return duration;
  const [, count, unit] = words.exec(duration) ?? [];
  return Number(count) * unitMs[unit as DurationUnit];
}
