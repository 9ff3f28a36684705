import { describe, expect, test } from "vitest";
import {
  encodeRun,
  encodeState,
  type JsonObject,
  writeCheckpointRecord,
  writeRun,
  writeState,
} from "../../../src/codec/index.ts";
import { crashingStore } from "../../../src/conformance/faults.ts";
import { createRuntime, type Runs } from "../../../src/index.ts";
import type { Store } from "../../../src/store.ts";
import { exportRun } from "../../../src/transfer.ts";
import { someNoon, virtualClock } from "../clock.ts";
import { storedSkills } from "./skills.ts";

/** What one released version has stored. */
export interface Stored {
  readonly version: string;
  /** An export of each run, by its id. */
  readonly exports: ReadonlyMap<string, string>;
  /** What the runs looked like from outside. */
  readonly seen: readonly SeenRun[];
  readonly indexedDb: IndexedDbDump;
  readonly d1: D1Dump;
}

interface SeenRun {
  readonly run: JsonObject;
  readonly checkpoints: readonly { readonly record: JsonObject; readonly state: JsonObject }[];
  readonly events: readonly JsonObject[];
}

export interface IndexedDbDump {
  readonly version: number;
  readonly stores: readonly {
    readonly name: string;
    readonly keyPath: string[];
    readonly autoIncrement: boolean;
    readonly indexes: readonly {
      readonly name: string;
      readonly keyPath: string | string[];
      readonly unique: boolean;
      readonly multiEntry: boolean;
    }[];
    readonly records: readonly unknown[];
  }[];
}

export interface D1Dump {
  readonly statements: readonly string[];
  readonly tables: readonly {
    readonly name: string;
    readonly rows: readonly Readonly<Record<string, string | number | null>>[];
  }[];
}

const files = import.meta.glob("../../fixtures/stored/*/*", { query: "?raw", import: "default", eager: true });
const versions = [...new Set(Object.keys(files).map((path) => path.split("/").at(-2) ?? ""))];

/** Of every released version, the oldest first. */
export const storedVersions: readonly Stored[] = versions.map((version) => {
  const textOf = (name: string) => files[`../../fixtures/stored/${version}/${name}`] ?? "";
  const names = Object.keys(files).flatMap((path) => {
    const [folder, name = ""] = path.split("/").slice(-2);
    return folder === version && name.endsWith(".ndjson") ? [name.slice(0, -".ndjson".length)] : [];
  });
  return {
    version,
    exports: new Map(names.map((runId) => [runId, textOf(`${runId}.ndjson`)])),
    seen: JSON.parse(textOf("seen.json")) as SeenRun[],
    indexedDb: JSON.parse(textOf("indexeddb.json")) as IndexedDbDump,
    d1: JSON.parse(textOf("d1.json")) as D1Dump,
  };
});

const tenant = "acme";

/** A runtime over what was stored, at the time at which it was. */
export function homeOver(store: Store, now = someNoon + 60_000) {
  const clock = virtualClock(now);
  const { options, ...skills } = storedSkills();
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const runtime = createRuntime({ serves: false, store, clock, holdMs: 0, executor: "later", onError, ...options });
  return { ...skills, store, clock, runtime, errors, runs: runtime.for(tenant) };
}

async function seen(runs: Runs, runId: string): Promise<SeenRun> {
  const checkpoints = [];
  for (const { checkpointId } of (await runs.listCheckpoints(runId)).items) {
    const { record, state } = await runs.loadCheckpoint(runId, checkpointId);
    checkpoints.push({ record: writeCheckpointRecord(record), state: writeState(encodeState(state)) });
  }
  const events = (await runs.events(runId)).items as unknown as readonly JsonObject[];
  return { run: writeRun(encodeRun(await runs.get(runId))), checkpoints, events };
}

async function textOf(lines: AsyncIterable<string>): Promise<string> {
  let text = "";
  for await (const line of lines) text += line;
  return text;
}

/** The result of the run whose process died, once another has taken it. */
async function resumed(store: Store, now?: number): Promise<{ result: unknown; sent: readonly string[] }> {
  const { runs, runtime, sent, errors } = homeOver(store, now);
  await runtime.drain();
  await runtime.idle();
  const { status, result } = await runs.get("crashed");
  expect([status, errors]).toEqual(["completed", []]);
  const { state } = await runs.loadCheckpoint("crashed", (await runs.listCheckpoints("crashed")).head ?? "");
  const names = Object.keys(state.stepResults);
  expect(state.trace.steps.map(({ stepId }) => stepId)).toEqual(names);
  expect(state.iteration).toBe(names.length);
  return { result, sent };
}

/** What must hold wherever the runs of a released version are. `open` gives them, fresh at each call. */
export function storedCases(stored: Stored, where: string, open: () => Promise<Store>): void {
  const hasCrashed = stored.seen.some(({ run }) => run.run_id === "crashed");
  describe(`what ${stored.version} stored in ${where}`, () => {
    test.each(stored.seen.map((one) => [one.run.run_id as string, one] as const))(
      "the run %s is as it was",
      async (runId, expected) => {
        const store = await open();
        const { runs } = homeOver(store);
        // Compared as text, in which an own __proto__ is a member like any other.
        expect(JSON.stringify(await seen(runs, runId))).toBe(JSON.stringify(expected));
        expect(await textOf(exportRun(runs, runId))).toBe(stored.exports.get(runId));
        await store.close();
      },
    );

    test("the runs are listed, counted and due as they were", async () => {
      const store = await open();
      const { runs } = homeOver(store);
      const ids = stored.seen.map(({ run }) => run.run_id);
      expect((await runs.list({ order: "ascending" })).items.map(({ runId }) => runId).sort()).toEqual([...ids].sort());
      expect(await runs.count({ status: "pending" })).toBe(
        stored.seen.filter(({ run }) => run.status === "pending").length,
      );
      expect(await runs.count({ sourceRunId: "completed" })).toBe(1);
      const due = (await store.dueRuns({ now: someNoon + 1e9, limit: 9 })).map(({ runId }) => runId);
      expect(due).toEqual(hasCrashed ? ["crashed", "waiting"] : ["waiting"]);
      await store.close();
    });

    test("the runs go on where they were", async () => {
      const store = await open();
      const { runs, runtime, clock, repair, sent, hourMs, errors } = homeOver(store);
      repair();
      if (hasCrashed) await runs.cancel("crashed");
      await runs.signal("waiting", { name: "go", payload: { word: "now" } });
      await runtime.idle();
      await runs.approve("waiting", { approver: "ann" });
      await runtime.idle();
      expect((await runs.get("waiting")).status).toBe("running");
      await clock.advance(hourMs);
      await runtime.drain();
      expect(await runs.get("waiting")).toMatchObject({ status: "completed", result: { published: "published" } });
      expect(sent).toEqual(['{"word":"now"}']);
      for (const runId of ["failed", "fork", "saved"]) {
        await runs.resume(runId);
        await runtime.idle();
        expect((await runs.get(runId)).status, runId).toBe("completed");
      }
      const before = sent.length;
      await runs.replay("completed", { newRunId: "replay" });
      const start = (await runs.listCheckpoints("completed")).items[0]?.checkpointId ?? "";
      await runs.replay("completed", { checkpointId: start, newRunId: "replay from the start" });
      await runtime.idle();
      const { result } = await runs.get("completed");
      expect(await runs.get("replay from the start")).toMatchObject({ status: "completed", result });
      expect(sent.length).toBe(before);
      expect(errors).toEqual([]);
      await store.close();
    });

    // At each commit, before and after it is written, until the run needs no more of them.
    test("a run whose process died goes on, and so it does if the next one dies as well", async (context) => {
      context.skip(!hasCrashed, "the data of that release has no such run");
      const { result, sent: before } = await resumed(await open());
      expect(before.length).toBeGreaterThan(0);
      for (const moment of ["before", "after"] as const) {
        for (let atCommit = 1, hasDied = true; hasDied; atCommit++) {
          const store = await open();
          const dying = crashingStore(store, { atCommit, moment, calls: "hang" });
          const { runtime, clock } = homeOver(dying);
          const drained = runtime.drain();
          hasDied = await Promise.race([
            drained.then(() => runtime.idle()).then(() => dying.crashed),
            (async () => {
              while (!dying.crashed) await new Promise((resolve) => setTimeout(resolve, 0));
              return true;
            })(),
          ]);
          const after = await resumed(store, clock.now() + 60_000);
          expect(after.result, `${moment} commit ${atCommit}`).toEqual(result);
          // What was recorded is not sent again; only the effect at hand may be.
          expect(after.sent.length).toBeLessThanOrEqual(before.length);
          await store.close();
        }
      }
    });

    test("idempotency keys hold until they lapse", async () => {
      const store = await open();
      const { runs, clock, hourMs } = homeOver(store);
      const request = { skillId: "letters", idempotencyKey: "a key", inputs: { words: [] } };
      await expect(runs.start(request)).rejects.toMatchObject({ code: "idempotency_conflict" });
      await clock.advance(24 * hourMs);
      expect((await runs.start(request)).isRepeat).toBe(false);
      await store.close();
    });
  });
}
