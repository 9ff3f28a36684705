import { invalidRequest } from "./errors.ts";

/**
 * The longest length of time in milliseconds. A Date holds times up to 8.64e15; so a length that begins before the year
 * 10000 ends at a time that a Date can hold.
 */
export const maxDurationMs = 8.64e15 - Date.UTC(10_000, 0);

type DurationUnit = "second" | "minute" | "hour" | "day" | "week" | "month" | "year";

/** A length of time: milliseconds, or words such as `"3 days"`. A month has 30 days, a year 365. */
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
  if (typeof duration === "number") {
    if (duration >= 0 && duration <= maxDurationMs) return duration;
    throw invalidRequest(path, `expected a duration of 0 to ${maxDurationMs} milliseconds, not ${duration}`);
  }
  const words = /^(\d+(?:\.\d+)?) (second|minute|hour|day|week|month|year)s?$/;
  const found = typeof duration === "string" ? words.exec(duration) : null;
  if (found === null)
    throw invalidRequest(
      path,
      `invalid duration "${String(duration)}": expected milliseconds, or text such as "3 days"`,
    );
  const ms = Number(found[1]) * unitMs[found[2] as DurationUnit];
  if (ms > maxDurationMs)
    throw invalidRequest(path, `"${duration}" is too long: expected at most ${maxDurationMs} milliseconds`);
  return ms;
}
