import { expectKind } from "./argument.ts";
import type { ErrorCode } from "./errors.ts";
import type { Kind } from "./json.ts";

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

/** Any duration. */
export const aDuration: Kind = [
  `a duration of 0 to ${maxDurationMs} milliseconds, or text such as "3 days"`,
  (value) => msOf(value) >= 0 && msOf(value) <= maxDurationMs,
];

/** How long something may take. */
export const aTimeout: Kind = ["a duration above 0", (value) => aDuration[1](value) && msOf(value) > 0];

/**
 * A duration in milliseconds.
 *
 * @throws `code` with the place.
 */
export function durationMs(duration: Duration, path: string, code?: ErrorCode): number {
  return msOf(expectKind(duration, aDuration, path, code));
}

const words = /^(\d+(?:\.\d+)?) (second|minute|hour|day|week|month|year)s?$/;

function msOf(duration: unknown): number {
  if (typeof duration === "number") return duration;
  const [, count, unit] = (typeof duration === "string" && words.exec(duration)) || [];
  return Number(count) * unitMs[unit as DurationUnit];
}
