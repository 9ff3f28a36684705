/** The results of several rounds, in any unit. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly rounds: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]];
  return { min: sorted[0] ?? Number.NaN, median: (low + high) / 2, rounds: sorted.length };
}

/**
 * Calls every side once in each round, so that a disturbance of the machine affects all of them. The first round starts with
 * the first side and the second with the second side, so that no side always follows the same one.
 */
export async function interleaved<Side extends string, Result>(
  rounds: number,
  sides: Readonly<Record<Side, (round: number) => Promise<Result>>>,
): Promise<Record<Side, Result[]>> {
  const names = Object.keys(sides) as Side[];
  const results = Object.fromEntries(names.map((name) => [name, [] as Result[]])) as Record<Side, Result[]>;
  for (let round = 0; round < rounds; round++) {
    const first = round % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) results[name].push(await sides[name](round));
  }
  return results;
}

/** The milliseconds that the call took. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
