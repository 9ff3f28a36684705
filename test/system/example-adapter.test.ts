import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import { folderLog } from "../../examples/adapter-author/log.ts";
import { logStore } from "../../examples/adapter-author/store.ts";
import { storeCases } from "../../src/conformance/index.ts";
import { createRuntime, defineCapability, defineGraphSkill } from "../../src/index.ts";
import type { Commit, Store } from "../../src/store.ts";
import { snapshotOf } from "../support/log-process.ts";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "log-store-"));
  folders.push(folder);
  return folder;
}

const tenant = "t";
const all = 1_000_000;

/** Writes one revision of a run, with an entry and whatever else is named. */
async function put(store: Store, runId: string, revision: number, body: string, beside: Partial<Commit> = {}) {
  const run = { tenant, runId, revision, createdAt: 1, status: "running", body };
  const entry = { body, checkpointId: `c${revision}`, keyframe: revision, snapshot: body };
  expect(await store.commit({ run, entry, now: 1, ...beside })).toEqual({ kind: "committed" });
}

/** Erases a run that is at revision `over`. */
async function erase(store: Store, runId: string, over: number) {
  const run = { tenant, runId, revision: over + 1, createdAt: 1, body: "gone" };
  expect(await store.commit({ run, erase: true, now: 1 })).toEqual({ kind: "committed" });
}

/** The names of the files of a folder in which a text occurs. */
function filesWith(folder: string, text: string): readonly string[] {
  return readdirSync(folder).filter((name) => readFileSync(join(folder, name), "utf8").includes(text));
}

test("the adapter of the docs keeps every clause of the Store contract", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["examples/adapter-author/prove.ts"]);
  expect(stdout.trim().split("\n").at(-1)).toBe(`${storeCases.length} passed, 0 failed`);
});

test("a run over the adapter of the docs waits in its folder and goes on over another handle", async () => {
  const folder = await newFolder();
  const shout = defineCapability({ id: "shout", version: "1", requiresConfirmation: true }, (text) => `${text}!`);
  const skill = defineGraphSkill({
    id: "shouting",
    version: "1",
    steps: [{ id: "shout", uses: "shout", input: "inputs.text", output: "outputs.text" }],
  });

  const before = logStore(folder);
  const first = createRuntime({ serves: false, store: before, skills: [skill], capabilities: [shout] });
  const { run } = await first.for("t").start({ skillId: "shouting", inputs: { text: "hello" } });
  await first.idle();
  await before.close();

  const after = logStore(folder);
  const runs = createRuntime({ serves: false, store: after, skills: [skill], capabilities: [shout] }).for("t");
  expect((await runs.get(run.runId)).status).toBe("waiting_for_human");
  await runs.approve(run.runId);
  expect((await runs.settled(run.runId)).result).toEqual({ text: "hello!" });
  await after.close();
});

/** Writes the run until it is killed after that many commits, and returns the revisions that were acknowledged. */
async function killedAfter(folder: string, name: string, count: number): Promise<readonly number[]> {
  const child = spawn(process.execPath, ["test/support/log-process.ts", folder, name], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const acknowledged: number[] = [];
  for await (const line of createInterface(child.stdout)) {
    acknowledged.push(Number(line));
    if (acknowledged.length === count) child.kill("SIGKILL");
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  expect(child.signalCode).toBe("SIGKILL");
  return acknowledged;
}

test("three processes write one run in turns and are killed in the middle of commits, and each acknowledged commit is there whole, once", async () => {
  const folder = await newFolder();
  const acknowledged: { readonly name: string; readonly revision: number }[] = [];
  for (const round of [1, 2, 3]) {
    const names = ["a", "b", "c"].map((letter) => `${letter}${round}`);
    const written = await Promise.all(names.map((name, index) => killedAfter(folder, name, 20 * round + 5 * index)));
    names.forEach((name, index) => {
      acknowledged.push(...(written[index] ?? []).map((revision) => ({ name, revision })));
    });
  }

  const store = logStore(folder);
  const head = (await store.getRun(tenant, "r"))?.revision ?? 0;
  const entries = await store.listEntries(tenant, "r", { limit: all });
  const snapshots = await store.getSnapshots(tenant, "r", 1, head);
  const claims = await store.listClaims(tenant, "r", { limit: all });
  const bodies = entries.map(({ body }) => body);
  expect(entries.map(({ revision }) => revision)).toEqual(Array.from({ length: head }, (_, index) => index + 1));
  expect(snapshots.map(({ body }) => body)).toEqual(bodies.map((body, index) => snapshotOf(body, index + 1)));
  expect(claims.toSorted((a, b) => Number(a.key) - Number(b.key)).map(({ body }) => body)).toEqual(bodies);
  expect(acknowledged.filter(({ name, revision }) => bodies[revision - 1] !== `${name} at ${revision}`)).toEqual([]);
  expect(new Set(acknowledged.map(({ revision }) => revision)).size).toBe(acknowledged.length);
  expect(acknowledged.length).toBeGreaterThanOrEqual(3 * (20 + 40 + 60) + 3 * (0 + 5 + 10));
  await store.close();
});

test("of two handles that append behind the same text, the second is refused and changes nothing", async () => {
  const folder = await newFolder();
  const [first, second] = [folderLog(folder), folderLog(folder)];
  const texts: string[] = [];
  expect(first.append("by the first")).toBe(true);
  expect(second.append("by the second")).toBe(false);
  second.catchUp((text, number) => texts.push(`${number} ${text}`));
  expect(second.append("by the second")).toBe(true);
  second.catchUp((text, number) => texts.push(`${number} ${text}`));
  expect(texts).toEqual(["1 by the first", "2 by the second"]);
  for (const one of [first, second]) one.close();
});

test("half a commit, left by a process that was killed, is never read, and is removed when a store is opened after the next commit", async () => {
  const folder = await newFolder();
  const store = logStore(folder);
  await put(store, "r", 1, "first");
  const draft = join(folder, "2.00000000-0000-4000-8000-000000000000.draft");
  writeFileSync(draft, readFileSync(join(folder, "1.log"), "utf8").slice(0, -9));

  const other = logStore(folder);
  expect((await other.getRun(tenant, "r"))?.revision).toBe(1);
  // It could be the draft of another handle, which is about to link it.
  expect(readdirSync(folder)).toContain("2.00000000-0000-4000-8000-000000000000.draft");
  await put(other, "r", 2, "second");
  const third = logStore(folder);
  expect((await third.getRun(tenant, "r"))?.body).toBe("second");
  expect(readdirSync(folder).toSorted()).toEqual(["0.log", "1.log", "2.log"]);
  for (const one of [store, other, third]) await one.close();
});

test("an erased run leaves no byte of its bodies in the folder, also if the process died before it had emptied the files", async () => {
  const folder = await newFolder();
  const store = logStore(folder);
  const claims = [{ kind: "k", key: "a", lapsesAt: 9, body: "secret" }];
  await put(store, "r", 1, "secret", { claims });
  await put(store, "neighbor", 1, "kept");
  await put(store, "r", 2, "secret");
  expect(filesWith(folder, "secret")).toEqual(["1.log", "3.log"]);
  const backup = await newFolder();
  for (const name of ["1.log", "3.log"]) copyFileSync(join(folder, name), join(backup, name));

  await erase(store, "r", 2);
  expect(filesWith(folder, "secret")).toEqual([]);
  for (const name of ["1.log", "3.log"]) copyFileSync(join(backup, name), join(folder, name));
  const again = logStore(folder);
  expect(await again.listEntries(tenant, "r", { limit: all })).toEqual([]);
  expect(await again.getClaim(tenant, "k", "a")).toMatchObject({ runId: "r", lapsesAt: 9, body: "" });
  expect((await again.getRun(tenant, "neighbor"))?.body).toBe("kept");
  expect(filesWith(folder, "secret")).toEqual([]);
  expect(statSync(join(folder, "3.log")).size).toBe(0);
  for (const one of [store, again]) await one.close();
});

test("a handle does not answer from memory when its folder is gone", async () => {
  const folder = await newFolder();
  const store = logStore(folder);
  await put(store, "r", 1, "first");
  await rename(folder, `${folder}-moved`);
  folders.push(`${folder}-moved`);
  await expect(store.getRun(tenant, "r")).rejects.toMatchObject({ code: "store_failed" });
  await rename(`${folder}-moved`, folder);
  expect((await store.getRun(tenant, "r"))?.revision).toBe(1);
  await store.close();
});
