import { invalidRequest } from "../errors.ts";

/** The longest duration that a timer can wait on every platform, in milliseconds: almost 25 days. */
const longestMs = 2_147_483_647;

/**
 * A duration above 0.
 *
 * @throws `invalid_request` that names the option, also for callers without types.
 */
export function lengthOption(value: number | undefined, path: string, otherwise: number): number {
  return numberOption(value, path, otherwise, `a number of milliseconds above 0, at most ${longestMs}`, (given) => {
    return given > 0 && given <= longestMs;
  });
}

/** A whole number of at least 1. */
export function countOption(value: number | undefined, path: string, otherwise: number): number {
  return numberOption(value, path, otherwise, "a whole number of at least 1", (given) => {
    return Number.isSafeInteger(given) && given >= 1;
  });
}

/** The number if it is in range, or the default for an absent one. */
export function numberOption(
  value: number | undefined,
  path: string,
  otherwise: number,
  expected: string,
  fits: (value: number) => boolean,
): number {
  if (value === undefined) return otherwise;
  if (typeof value === "number" && fits(value)) return value;
  throw invalidRequest(path, `expected ${expected}, not ${shown(value)}`);
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value).slice(0, 100) : String(value).slice(0, 100);
}
