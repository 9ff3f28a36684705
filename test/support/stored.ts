import type { RunEvent, Runs } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";

// What a test reads of a run: its rows, its checkpoints and its events.

/** Everything that the store has of some runs; compare two of them to see what was written. */
export async function rowsOf(store: Store, tenant: string, ...runIds: readonly string[]) {
  const rows = [];
  for (const runId of runIds) {
    const run = await store.getRun(tenant, runId);
    rows.push({
      run,
      entries: await store.listEntries(tenant, runId, { limit: 1_000 }),
      snapshots: await store.getSnapshots(tenant, runId, 0, Number.MAX_SAFE_INTEGER),
      claims: await store.listClaims(tenant, runId, { limit: 1_000 }),
    });
  }
  return { rows, count: await store.countRuns(tenant, {}) };
}

/** The ids of the run's checkpoints by kind, in the order in which they were written. */
export async function kindsOf(runs: Runs, runId: string): Promise<readonly string[]> {
  const { items: checkpoints } = await runs.listCheckpoints(runId);
  return checkpoints.map(({ kind, stepId }) => (kind === "step_completed" ? `${kind} ${stepId}` : kind));
}

/** The id of the checkpoint that was written when that step settled for the first time. */
export async function checkpointAfter(runs: Runs, runId: string, stepId: string): Promise<string> {
  const { items: checkpoints } = await runs.listCheckpoints(runId);
  const found = checkpoints.find((one) => one.kind === "step_completed" && one.stepId === stepId);
  if (found === undefined) throw new Error(`run "${runId}" has no checkpoint after step "${stepId}"`);
  return found.checkpointId;
}

export async function checkpointOfKind(runs: Runs, runId: string, kind: string): Promise<string> {
  const { items: checkpoints } = await runs.listCheckpoints(runId);
  const found = checkpoints.find((one) => one.kind === kind);
  if (found === undefined) throw new Error(`run "${runId}" has no checkpoint "${kind}"`);
  return found.checkpointId;
}

/** The types of the run's events, without `checkpoint.saved`. */
export async function eventTypesOf(runs: Runs, runId: string): Promise<readonly string[]> {
  const events = await eventsOf(runs, runId);
  return events.map((event) => event.eventType).filter((type) => type !== "checkpoint.saved");
}

export async function eventsOf(runs: Runs, runId: string): Promise<readonly RunEvent[]> {
  return (await runs.history(runId)).items.flatMap((entry) => entry.events);
}
