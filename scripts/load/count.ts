/** A run as the store has it afterwards. */
export interface StoredRun {
  readonly run_id: string;
  readonly status: string;
  /** How many steps its history says were completed. */
  readonly steps: number;
}

/** What must be nothing. */
export interface Miscounts {
  /** Acknowledged, and not in the store, or there and not completed. */
  readonly lost: readonly string[];
  /** In the store, and never acknowledged. */
  readonly doubled: readonly string[];
  /** Runs whose history has a step too few or too many, and effects that happened never, or more than once. */
  readonly miscounted: readonly string[];
}

/** Holds what callers were told, what the store has, and what was done outside against each other. */
export function miscounts(
  acknowledged: readonly string[],
  stored: readonly StoredRun[],
  /** How often each run acted outside. */
  effects: ReadonlyMap<string, number>,
  stepsOfRun: number,
): Miscounts {
  const completed = new Set(stored.flatMap(({ run_id, status }) => (status === "completed" ? [run_id] : [])));
  const known = new Set(acknowledged);
  return {
    lost: [...known].filter((runId) => !completed.has(runId)),
    doubled: stored.map(({ run_id }) => run_id).filter((runId) => !known.has(runId)),
    miscounted: [
      ...stored.filter(({ steps }) => steps !== stepsOfRun).map(({ run_id, steps }) => `${run_id}: ${steps} steps`),
      ...[...new Set([...known, ...effects.keys()])]
        .filter((runId) => effects.get(runId) !== 1)
        .map((runId) => `${runId}: ${effects.get(runId) ?? 0} effects`),
    ],
  };
}
