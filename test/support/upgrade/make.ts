// Writes what this version stores into test/fixtures/stored/<name>, the version by default. Run it once, when a format has
// changed and before that is released: `node test/support/upgrade/make.ts format-2`. A folder that is there is never
// written again.
import "fake-indexeddb/auto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { openDB } from "idb";
import { getPlatformProxy } from "wrangler";
import { d1Store } from "../../../adapters/d1/index.ts";
import { indexedDbStore } from "../../../adapters/indexeddb/index.ts";
import { memoryStore } from "../../../adapters/memory/index.ts";
import {
  encodeRun,
  encodeState,
  initialState,
  writeCheckpointRecord,
  writeRun,
  writeState,
} from "../../../src/codec/index.ts";
import { crashingStore } from "../../../src/conformance/faults.ts";
import { createRuntime, type Runs, type Runtime, saveCheckpoint } from "../../../src/index.ts";
import type { Store } from "../../../src/store.ts";
import { exportRun, importRun } from "../../../src/transfer.ts";
import { virtualClock } from "../clock.ts";
import { storedSkills } from "./skills.ts";

const root = new URL("../../..", import.meta.url);
const { version } = JSON.parse(await readFile(new URL("package.json", root), "utf8")) as { version: string };
const folder = new URL(`test/fixtures/stored/${process.argv[2] ?? version}/`, root);
const tenant = "acme";
const clock = virtualClock();

/** Bytes that are the same whenever this is run. */
function countedBytes(): (length: number) => Uint8Array<ArrayBuffer> {
  let count = 0;
  return (length) => Uint8Array.from({ length }, (_, index) => (++count * 31 + index) % 256);
}
const random = countedBytes();

function runtimeOver(store: Store): Runtime {
  return createRuntime({
    serves: false,
    store,
    clock,
    random,
    holdMs: 0,
    executor: "maker",
    ...storedSkills().options,
  });
}

/** One run of each kind, so that every part of every body is there. */
async function makeRuns(store: Store): Promise<readonly string[]> {
  const runtime = runtimeOver(store);
  const runs = runtime.for(tenant);
  const odd = { ["__proto__"]: { $durable: ["date", null] }, date: new Date(0), big: 2n ** 70n };
  const given = { threadId: "thread", sessionId: "session", environment: "test", traceId: "trace", metadata: { odd } };
  const words = ["dear", "é".repeat(300), "\u{1f600}"];
  await runs.start({
    skillId: "letters",
    runId: "completed",
    inputs: { words, odd },
    idempotencyKey: "a key",
    ...given,
  });
  await runtime.idle();

  await runs.start({ skillId: "gates", runId: "waiting", inputs: { bulk: "x".repeat(3_000) }, ...given });
  await runtime.idle();
  await runs.signal("waiting", { name: "early", payload: odd });

  await runs.start({ skillId: "failing", runId: "failed" });
  await runtime.idle();

  const { items: checkpoints } = await runs.listCheckpoints("completed");
  const checkpointId = checkpoints[2]?.checkpointId ?? "";
  await runs.fork("completed", { checkpointId, newRunId: "fork", edit: { vars: { edited: odd } } });

  // Deltas of every form: members that come, change and go, items, one item, and a text that grows.
  await runs.create({ skillId: "failing", runId: "saved" });
  const states = [
    { list: [{ a: 1 }, { a: 2 }], log: "line\n".repeat(100), gone: 1 },
    { list: [{ a: 1 }, { a: 2 }, odd], log: "line\n".repeat(101), gone: 1 },
    { list: [{ a: 1 }, { a: 3 }, odd], log: "line\n".repeat(101) },
    { list: [odd], log: "another" },
    { list: [odd], log: "another" },
  ];
  for (const [index, vars] of states.entries()) {
    const state = {
      ...initialState<unknown>("failing", { bulk: "y".repeat(3_000) }),
      vars,
      unknownFields: { later: { odd } },
    };
    await saveCheckpoint(runs, "saved", {
      checkpointId: `saved ${index}`,
      kind: "imported",
      pendingWrites: ["vars.a"],
      state,
    });
  }

  // A process that died between two steps, whose lease has lapsed since.
  const dying = crashingStore(store, { atCommit: 5, moment: "after", calls: "hang" });
  await runtimeOver(dying).for(tenant).start({ skillId: "letters", runId: "crashed", inputs: { words, odd } });
  while (!dying.crashed) await new Promise((resolve) => setTimeout(resolve, 1));
  await clock.advance(40_000);
  return ["completed", "waiting", "failed", "fork", "saved", "crashed"];
}

/** What the runs look like from outside. */
async function seen(runs: Runs, runIds: readonly string[]): Promise<unknown> {
  const found = [];
  for (const runId of runIds) {
    const run = writeRun(encodeRun(await runs.get(runId)));
    const checkpoints = [];
    for (const { checkpointId } of (await runs.listCheckpoints(runId)).items) {
      const { record, state } = await runs.loadCheckpoint(runId, checkpointId);
      checkpoints.push({ record: writeCheckpointRecord(record), state: writeState(encodeState(state)) });
    }
    found.push({ run, checkpoints, events: (await runs.events(runId)).items });
  }
  return found;
}

async function textOf(lines: AsyncIterable<string>): Promise<string> {
  let text = "";
  for await (const line of lines) text += line;
  return text;
}

/** The database as a list of stores with their records, in its own version. */
async function indexedDbDump(name: string): Promise<unknown> {
  const db = await openDB(name);
  const stores = [];
  for (const store of db.objectStoreNames) {
    const { keyPath, autoIncrement, indexNames } = db.transaction(store).store;
    const indexes = [...indexNames].map((index) => {
      const { keyPath, unique, multiEntry } = db.transaction(store).store.index(index);
      return { name: index, keyPath, unique, multiEntry };
    });
    stores.push({ name: store, keyPath, autoIncrement, indexes, records: await db.getAll(store) });
  }
  const dump = { version: db.version, stores };
  db.close();
  return dump;
}

await mkdir(new URL("..", folder), { recursive: true });
await mkdir(folder);
const save = (name: string, content: unknown) =>
  writeFile(new URL(name, folder), typeof content === "string" ? content : `${JSON.stringify(content, null, 1)}\n`);

const made = memoryStore();
const runIds = await makeRuns(made);
const memory = runtimeOver(made);
await save("seen.json", await seen(memory.for(tenant), runIds));
for (const runId of runIds) await save(`${runId}.ndjson`, await textOf(exportRun(memory.for(tenant), runId)));

const platform = await getPlatformProxy<{ DB: Parameters<typeof d1Store>[0] }>({
  configPath: new URL("wrangler.toml", root).pathname,
  persist: false,
});
const { DB } = platform.env;
const migrations = new URL("adapters/d1/migrations/", root);
const statements = [];
for (const file of (await readdir(migrations)).sort()) {
  const text = (await readFile(new URL(file, migrations), "utf8")).replace(/^\s*--.*$/gm, "");
  statements.push(
    ...text
      .split(";")
      .map((one) => one.trim())
      .filter((one) => one !== ""),
  );
}
for (const statement of statements) await DB.prepare(statement).all();

for (const [name, store] of [
  ["indexeddb", indexedDbStore({ name: "stored" })],
  ["d1", d1Store(DB)],
] as const) {
  const runtime = runtimeOver(store);
  const runs = runtime.for(tenant);
  for (const runId of runIds) {
    for await (const text of [await textOf(exportRun(memory.for(tenant), runId))]) await importRun(runs, [text]);
  }
  await runs.create({ skillId: "failing", runId: "deleted", idempotencyKey: "of the deleted" });
  await runs.delete("deleted");
  await store.close();
  if (name === "indexeddb") await save("indexeddb.json", await indexedDbDump("stored"));
}
const tables = [];
for (const name of ["runs", "entries", "snapshot_parts", "claims"]) {
  tables.push({ name, rows: (await DB.prepare(`SELECT * FROM ${name}`).all()).results });
}
await save("d1.json", { statements, tables });
await platform.dispose();
