import { expect, test } from "vitest";
import { harness, medium } from "#medium";
import { createRuntime, defineCapability, defineGraphSkill } from "../../src/index.ts";

const racers = 8;
const rounds = 200;

// Executors with handles of their own race for one due run, round after round.

test(`of ${racers} executors that race for one due run on ${medium}, one executes, in each of ${rounds} rounds`, async () => {
  const { open, remove } = await harness.fresh();
  const executedBy = new Map<string, number[]>();
  const skill = defineGraphSkill({ id: "race", version: "1", steps: [{ id: "only", uses: "race.note" }] });
  const stores = await Promise.all(Array.from({ length: racers + 1 }, open));
  const [first, ...others] = stores;
  if (first === undefined) throw new Error("there is no store");
  // It only decides, so that the run is due and has no holder.
  const starter = createRuntime({
    serves: false,
    store: first,
    skills: [skill],
    capabilities: [note(-1)],
    executes: false,
  });
  const runtimes = others.map((store, index) =>
    createRuntime({
      serves: false,
      store,
      skills: [skill],
      capabilities: [note(index)],
      onError: (error) => {
        throw error;
      },
    }),
  );
  for (let round = 0; round < rounds; round++) {
    const runId = `race-${round}`;
    await starter.for("t").start({ skillId: "race", runId });
    const reports = await Promise.all(runtimes.map((runtime) => runtime.drain({ tenant: "t" })));
    expect(executedBy.get(runId), runId).toHaveLength(1);
    expect(reports.reduce((sum, { taken }) => sum + taken, 0)).toBe(1);
    expect((await starter.for("t").get(runId)).status).toBe("completed");
  }
  await Promise.all(stores.map((store) => store.close()));
  await remove?.();

  function note(racer: number) {
    return defineCapability({ id: "race.note", version: "1" }, (_input, { runId }) => {
      executedBy.set(runId, [...(executedBy.get(runId) ?? []), racer]);
    });
  }
}, 240_000);
