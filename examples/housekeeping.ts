import { memoryStore } from "../adapters/memory/index.ts";
import { encodeState, writeState } from "../src/codec/index.ts";
import {
  createRuntime,
  defineCapability,
  defineGraphSkill,
  defineMigration,
  isDurableError,
  pruneRuns,
} from "../src/index.ts";
import { exportRun, importRun } from "../src/transfer.ts";

const send = defineCapability({ id: "letter.send", version: "1" }, ({ to }: { to: string }) => `sent to ${to}`);

const first = defineGraphSkill({
  id: "letter",
  version: "1",
  steps: [
    { id: "wait", waitFor: { signal: "go" } },
    { id: "send", uses: "letter.send", input: { to: "inputs.to" }, output: "outputs.receipt" },
  ],
});

// Version 2 has other names for an input and a step. Runs of version 1 in progress continue with version 2.
const second = defineGraphSkill({
  id: "letter",
  version: "2",
  steps: [
    { id: "wait", waitFor: { signal: "go" } },
    { id: "deliver", uses: "letter.send", input: { to: "inputs.recipient" }, output: "outputs.receipt" },
  ],
  migrations: [
    defineMigration({
      from: "1",
      renames: { send: "deliver" },
      migrate: (state) => {
        const { to, ...inputs } = state.inputs;
        return { ...state, inputs: { ...inputs, recipient: to } };
      },
    }),
  ],
});

const store = memoryStore(); // or indexedDbStore() in a page, or d1Store(env.DB) in a Worker
const yesterday = createRuntime({ store, skills: [first], capabilities: [send] });
const { run } = await yesterday.for("acme").start({ skillId: "letter", inputs: { to: "Alice" } });
await yesterday.idle(); // the run waits for its signal
await yesterday.stop();

const runtime = createRuntime({ store, skills: [second], capabilities: [send], maxStateBytes: 1_000_000 });
const runs = runtime.for("acme");

// Another medium takes the whole run, with its history, its effects and its waits.
const other = createRuntime({ store: memoryStore(), skills: [second], capabilities: [send] });
await importRun(other.for("acme"), exportRun(runs, run.runId));
await other.for("acme").signal(run.runId, { name: "go" });
await other.drain(); // takes what is due, and migrates it
console.log((await other.for("acme").settled(run.runId)).result); // { receipt: 'sent to Alice' }

// One checkpoint in the ORCA v1 form, for others to read.
const { head = "" } = await runs.listCheckpoints(run.runId);
const { state } = await runs.loadCheckpoint(run.runId, head);
const json = JSON.stringify(writeState(encodeState(state)));
console.log(json.slice(0, 44)); // {"_checkpoint_version":1,"skill_id":"letter"

// A state that is too large is rejected with a code, and nothing is written.
try {
  await runs.create({ skillId: "letter", inputs: { recipient: "x".repeat(2_000_000) } });
} catch (error) {
  if (!isDurableError(error, "too_large")) throw error;
  console.log(error.code); // too_large
}

await runs.signal(run.runId, { name: "go" });
await runtime.drain();
await runs.settled(run.runId);
await runs.delete(run.runId); // its id stays taken

/** Deletes ended runs that were created more than a month ago, and keeps the newest hundred in any case. */
async function cleanUp(): Promise<number> {
  const olderThan = new Date(Date.now() - 30 * 24 * 60 * 60 * 1000);
  for (let deleted = 0; ; ) {
    const batch = await pruneRuns(runs, { olderThan, keep: 100, limit: 50 });
    deleted += batch.deleted;
    if (!batch.isMore) return deleted;
  }
}

console.log(await cleanUp()); // 0: there is nothing that old
await runtime.stop();
await other.stop();
