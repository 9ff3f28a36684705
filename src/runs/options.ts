import { invalidRequest, shown } from "../errors.ts";

/** The longest duration that a timer can wait on every platform, in milliseconds: almost 25 days. */
const longestMs = 2_147_483_647;

/**
 * A duration above 0.
 *
 * @throws `invalid_request` that names the option, also for callers without types.
 */
export function lengthOption(value: number | undefined, path: string, otherwise: number): number {
  const expected = `a number of milliseconds above 0, at most ${longestMs}`;
  return fitting(value, path, otherwise, expected, (given) => given > 0 && given <= longestMs);
}

/**
 * A count of at least 1, or `otherwise` if there is none.
 *
 * @throws `invalid_request` that names `path`.
 */
export function countOption(value: number | undefined, path: string, otherwise: number): number {
  return fitting(value, path, otherwise, "a whole number of at least 1", (given) => {
    return Number.isSafeInteger(given) && given >= 1;
  });
}

/**
 * A number above 0, or of at least `least`; `otherwise` if there is none.
 *
 * @throws `invalid_request` that names `path`.
 */
export function numberOption(value: number | undefined, path: string, otherwise: number, least?: number): number {
  const expected = least === undefined ? "a number above 0" : `a number of at least ${least}`;
  return fitting(value, path, otherwise, expected, (given) => (least === undefined ? given > 0 : given >= least));
}

function fitting(
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
