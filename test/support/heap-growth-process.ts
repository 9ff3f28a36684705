import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime, defineSkill } from "../../src/index.ts";
import type { NewEntry, Store } from "../../src/store.ts";

// Run with a small heap: states that steps grow to the default bounds are read, resumed and forked. It prints what became of
// each as a line of JSON.

/** A medium has its texts elsewhere: here outside of the heap, where Node keeps large texts that it makes of bytes. */
const outside = (text: string) => Buffer.from(text, "latin1").toString("latin1");
const entryOutside = ({ snapshot, ...entry }: NewEntry): NewEntry =>
  snapshot === undefined ? entry : { ...entry, snapshot: outside(snapshot) };
const base = memoryStore();
const store: Store = {
  ...base,
  commit: ({ entry, ...commit }) =>
    base.commit(entry === undefined ? commit : { ...commit, entry: entryOutside(entry) }),
};

const mebibyte = 1024 * 1024;
const results: Readonly<Record<string, (n: number) => unknown>> = {
  "texts of 4 MiB": (n) => String(n % 10).repeat(4 * mebibyte),
  "texts of 8 MiB": (n) => String(n % 10).repeat(8 * mebibyte),
  "many values": (n) => Array.from({ length: 30_000 }, (_, index) => [n + index]),
};
const runtime = createRuntime({
  serves: false,
  store,
  skills: Object.entries(results).map(([id, result]) =>
    defineSkill({
      id,
      version: "1",
      run: async (step) => {
        for (let n = 0; ; n++) await step.do(`step ${n}`, async () => result(n));
      },
    }),
  ),
  onError: () => {},
});
const runs = runtime.for("alpha");

for (const skillId of Object.keys(results)) {
  const { run } = await runs.start({ skillId });
  await runtime.idle();
  const ends = [await runs.get(run.runId)];
  const { state } = await runs.loadCheckpoint(run.runId, ends[0]?.checkpointHead ?? "");
  const steps = Object.keys(state.stepResults).length;
  await runs.resume(run.runId);
  await runtime.idle();
  ends.push(await runs.get(run.runId));
  const fork = await runs.fork(run.runId);
  await runs.resume(fork.run.runId);
  await runtime.idle();
  ends.push(await runs.get(fork.run.runId));
  for (const { runId } of ends.slice(1)) await runs.delete(runId);
  console.log(JSON.stringify({ skillId, steps, ends: ends.map(({ status, error }) => error?.code ?? status) }));
}
