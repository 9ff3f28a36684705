/** A run in the store, after the load. */
export interface StoredRun {
  readonly run_id: string;
  readonly status: string;
  /** The number of steps that its history reports as completed. */
  readonly steps: number;
}

/** Every number here must be zero. */
export interface Miscounts {
  /** Acknowledged, but missing in the store or not completed. */
  readonly lost: readonly string[];
  /** In the store, but never acknowledged. */
  readonly doubled: readonly string[];
  /** Runs whose history has too few or too many steps, and effects that happened never or more than once. */
  readonly miscounted: readonly string[];
}

/** Compares what callers received, what the store has, and the effects outside. */
export function miscounts(
  acknowledged: readonly string[],
  stored: readonly StoredRun[],
  /** The number of effects of each run. */
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
