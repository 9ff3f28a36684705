import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import type { JsonObject } from "../../src/codec/index.ts";
import { createRuntime, defineSkill, pruneRuns, type RunEvent, readLineage } from "../../src/index.ts";
import type { EntryRow, RunRow, Store } from "../../src/store.ts";
import { exportRun } from "../../src/transfer.ts";
import type { HistoryEntry } from "../../src/types.ts";
import { checkpointList } from "../../worker/http/contract/checkpoints.ts";
import { eventPage, historyPage } from "../../worker/http/contract/histories.ts";
import { createApp } from "../../worker/http/index.ts";

const quick = defineSkill({ id: "quick", version: "1", run: async () => "done" });

async function home() {
  const store = memoryStore();
  const runtime = createRuntime({ serves: false, store, skills: [quick] });
  const runs = runtime.for("alpha");
  for (const runId of ["a", "b", "c"]) await runs.start({ skillId: "quick", runId });
  await runs.fork("a", { newRunId: "fork" });
  await runtime.idle();
  const app = createApp({ authenticate: () => ({ tenant: "alpha", role: "admin" }), runs: () => runs });
  const get = async (path: string) => {
    const response = await app.fetch(new Request(`http://home${path}`));
    return { status: response.status, body: (await response.json()) as JsonObject };
  };
  return { store, runtime, runs, get };
}

/** Writes another body over a run's row, as a fault of the medium or a newer version would. */
async function overwrite(store: Store, runId: string, body: (before: string) => string): Promise<RunRow> {
  const row = await store.getRun("alpha", runId);
  if (row === undefined) throw new Error(`there is no run ${runId}`);
  const run = { ...row, revision: row.revision + 1, body: body(row.body) };
  await store.commit({ run, now: 0 });
  return run;
}

const damages: readonly (readonly [string, (before: string) => string, string])[] = [
  ["cut off", (before) => before.slice(0, 100), "corrupt_data"],
  ["of another shape", () => "[]", "corrupt_data"],
  ["with a field of a wrong type", (before) => before.replace('"thread_id":null', '"thread_id":42'), "corrupt_data"],
  ["without its record", () => '{"format":1,"nonce":"n"}', "corrupt_data"],
  ["that of another run", (before) => before.replace(/"run_id":"(b|fork)"/, '"run_id":"a"'), "corrupt_data"],
  ["of a newer version", (before) => before.replace('"format":2', '"format":99'), "unsupported_version"],
];

describe.each(damages)("a row that is %s", (_what, damage, code) => {
  test("is listed with what is known of it, and no other row is lost", async () => {
    const { store, runs, get } = await home();
    const row = await overwrite(store, "b", damage);
    const { items: listed } = await runs.list();
    expect(listed.map(({ runId }) => runId).sort()).toEqual(["a", "b", "c", "fork"]);
    const shown = listed.find(({ runId }) => runId === "b");
    expect(shown).toMatchObject({
      isDamaged: true,
      skillId: "quick",
      status: "completed",
      createdAt: new Date(row.createdAt).toISOString(),
      error: { code, message: expect.stringContaining('run "b"') },
    });
    expect(listed.filter(({ isDamaged }) => isDamaged).length).toBe(1);
    expect(await runs.count()).toBe(4);
    expect((await runs.list({ status: "completed" })).items.length).toBe(3);

    const { status, body } = await get("/v1/runs");
    expect(status).toBe(200);
    expect(body.runs).toContainEqual(
      expect.objectContaining({ run_id: "b", status: "completed", error: expect.objectContaining({ code }) }),
    );
    expect((await get("/v1/runs/b")).body).toMatchObject({ error: { code } });
  });

  test("is left out of a lineage, and no other run of that is lost", async () => {
    const { store, runs } = await home();
    await runs.fork("fork", { newRunId: "grandchild" });
    await overwrite(store, "fork", damage);
    expect((await readLineage(runs, "a")).descendants).toEqual([]);
    expect((await readLineage(runs, "grandchild")).ancestors).toEqual([{ runId: "fork", isMissing: true }]);
  });

  test("is pruned with the others, and can be deleted", async () => {
    const { store, runs } = await home();
    await overwrite(store, "b", damage);
    await overwrite(store, "fork", damage);
    const pruned = await pruneRuns(runs, { olderThan: new Date(Date.now() + 1_000) });
    expect(pruned).toEqual({ deleted: 3, isMore: false });
    await runs.delete("fork");
    expect(await runs.count()).toBe(0);
  });
});

/** The store, with another body in the entry of one revision. */
function withEntry(store: Store, revision: number, damage: (before: string) => string): Store {
  const spoil = <Row extends EntryRow | undefined>(row: Row): Row =>
    row?.revision === revision && row.runId === "r" ? { ...row, body: damage(row.body) } : row;
  return {
    ...store,
    getEntry: async (...key) => spoil(await store.getEntry(...key)),
    listEntries: async (...query) => (await store.listEntries(...query)).map(spoil),
  };
}

const two = defineSkill({
  id: "two",
  version: "1",
  run: async (step) => `${await step.do("one", async () => "1")}${await step.do("two", async () => "2")}`,
});

/** The body of an entry with one more event. */
function withEvent(body: string, event: JsonObject): string {
  return JSON.stringify({ ...JSON.parse(body), delta: ["o", {}, { events: ["a", 0, 0, [event]] }, []] });
}

describe.each([
  ["cut off", (before: string) => before.slice(0, 20), "corrupt_data"],
  ["with an unknown event", (before: string) => withEvent(before, { type: "x", at: "", payload: {} }), "corrupt_data"],
  [
    "with a malformed value",
    (before: string) => withEvent(before, { type: "step.failed", at: "", payload: { x: { $durable: 1 } } }),
    "corrupt_data",
  ],
  ["of a newer version", (before: string) => before.replace('"format":2', '"format":99'), "unsupported_version"],
] as const)("a history entry that is %s", (_what, damage, code) => {
  async function damaged() {
    const store = memoryStore();
    const runtime = createRuntime({ serves: false, store, skills: [two] });
    await runtime.for("alpha").start({ skillId: "two", runId: "r" });
    await runtime.idle();
    const whole = (await runtime.for("alpha").history("r")).items;
    const entry = whole.find(({ checkpoint }) => checkpoint?.stepId === "one");
    if (entry?.checkpoint === undefined) throw new Error("there is no such entry");
    const runs = createRuntime({ serves: false, store: withEntry(store, entry.revision, damage), skills: [two] }).for(
      "alpha",
    );
    const app = createApp({ authenticate: () => ({ tenant: "alpha", role: "admin" }), runs: () => runs });
    const get = async (path: string) => {
      const response = await app.fetch(new Request(`http://home/v1/runs/r${path}`));
      return { status: response.status, body: (await response.json()) as JsonObject };
    };
    return { whole, entry, checkpointId: entry.checkpoint.checkpointId, runs, get };
  }

  test("is shown as damaged in the history, in events and among checkpoints, and no other entry is lost", async () => {
    const { whole, entry, checkpointId, runs, get } = await damaged();
    const { createdAt, runId } = await runs.get("r");
    const event: RunEvent = {
      eventId: `r:${entry.revision}:0`,
      eventVersion: 1,
      eventType: "entry.damaged",
      occurredAt: createdAt,
      runId,
      payload: { code, message: expect.stringContaining(`entry ${entry.revision} of run "r"`) },
    };
    const record = { checkpointId, runId, kind: "damaged", createdAt, pendingWrites: [], isDamaged: true } as const;
    const shown: HistoryEntry = { revision: entry.revision, events: [event], checkpoint: record, isDamaged: true };
    const expected = whole.map((one) => (one === entry ? shown : one));
    expect((await runs.history("r")).items).toEqual(expected);
    expect((await runs.events("r")).items).toEqual(expected.flatMap(({ events }) => events));
    expect((await runs.events("r", { after: `${entry.revision}-0`, limit: 1 })).items).toEqual(
      whole[whole.indexOf(entry) + 1]?.events.slice(0, 1),
    );
    const watched = [];
    for await (const one of runs.watch("r")) watched.push(one);
    expect(watched).toEqual(expected.flatMap(({ events }) => events));
    const { items: checkpoints, total } = await runs.listCheckpoints("r");
    expect(checkpoints).toEqual(expected.flatMap(({ checkpoint }) => checkpoint ?? []));
    expect(total).toBe(checkpoints.length);

    const history = await get("/history");
    expect(history.status).toBe(200);
    expect(v.parse(historyPage, history.body).history).toContainEqual(
      expect.objectContaining({ revision: entry.revision, is_damaged: true }),
    );
    const listed = v.parse(checkpointList, (await get("/checkpoints")).body);
    expect(listed.checkpoints.filter(({ is_damaged }) => is_damaged)).toMatchObject([{ checkpoint_id: checkpointId }]);
    expect(v.parse(eventPage, (await get("/events")).body).events).toContainEqual(
      expect.objectContaining({ event_type: "entry.damaged", event_id: `r:${entry.revision}:0` }),
    );
  });

  test("fails only what needs it, by name", async () => {
    const { checkpointId, runs, get } = await damaged();
    await expect(runs.loadCheckpoint("r", checkpointId)).rejects.toMatchObject({ code });
    const { items: checkpoints } = await runs.listCheckpoints("r");
    for (const { isDamaged, checkpointId: id } of checkpoints) {
      if (!isDamaged) expect((await runs.loadCheckpoint("r", id)).record.checkpointId).toBe(id);
    }
    expect((await runs.fork("r", { newRunId: "fork" })).run.status).toBe("pending");
    const lines: string[] = [];
    const exporting = async () => {
      for await (const line of exportRun(runs, "r")) lines.push(line);
    };
    await expect(exporting()).rejects.toMatchObject({ code, message: expect.stringMatching(/entry \d+ of run "r"/) });
    expect(lines).toEqual([]);
    expect((await get("/export")).body).toMatchObject({ error: { code } });
    await runs.delete("r");
  });
});

describe("a page of runs", () => {
  test("ends early if its runs are large, and the pages together have each run once", async () => {
    const store = memoryStore();
    const largest: number[] = [];
    const watched: Store = {
      ...store,
      async listRuns(tenant, query) {
        const rows = await store.listRuns(tenant, query);
        largest.push(rows.reduce((sum, { body }) => sum + body.length, 0));
        return rows;
      },
    };
    const runs = createRuntime({ serves: false, store: watched, skills: [quick] }).for("alpha");
    for (let number = 0; number < 300; number++) {
      await runs.create({ skillId: "quick", runId: `r${number}`, metadata: { text: "x".repeat(100_000) } });
    }
    for (const order of ["ascending", "descending"] as const) {
      const seen: string[] = [];
      let pages = 0;
      for (let after: string | undefined; ; ) {
        const page = await runs.list({ limit: 500, order, ...(after === undefined ? {} : { after }) });
        pages++;
        expect(JSON.stringify(page.items).length).toBeLessThan(5 * 1024 * 1024);
        seen.push(...page.items.map(({ runId }) => runId));
        after = page.next;
        if (after === undefined) break;
      }
      expect(new Set(seen).size).toBe(300);
      expect(seen.length).toBe(300);
      expect(pages).toBeGreaterThan(5);
    }
    // What is read from the store at once is bounded as well.
    expect(Math.max(...largest)).toBeLessThan(16 * 1024 * 1024);
  });

  test("of small runs is whole, in two queries", async () => {
    const store = memoryStore();
    let queries = 0;
    const counted: Store = {
      ...store,
      listRuns(tenant, query) {
        queries++;
        return store.listRuns(tenant, query);
      },
    };
    const runs = createRuntime({ serves: false, store: counted, skills: [quick] }).for("alpha");
    for (let number = 0; number < 501; number++) await runs.create({ skillId: "quick" });
    const { items: page, next } = await runs.list({ limit: 500 });
    expect([page.length, next === undefined, queries]).toEqual([500, false, 2]);
    const rest = await runs.list({ limit: 500, offset: 500 });
    expect([rest.items.length, rest.next]).toEqual([1, undefined]);
  });

  test("by offset says over HTTP where the next page begins", async () => {
    const { runs, get } = await home();
    for (let number = 0; number < 60; number++) {
      await runs.create({ skillId: "quick", metadata: { text: "x".repeat(120_000) } });
    }
    const seen = new Set<string>();
    for (let offset: number | undefined = 0; offset !== undefined; ) {
      const { body } = await get(`/v1/runs?limit=500&offset=${offset}`);
      const page = body as unknown as {
        runs: { run_id: string }[];
        pagination: { total: number; has_more: boolean; next_offset?: number };
      };
      for (const { run_id } of page.runs) seen.add(run_id);
      expect(page.pagination.total).toBe(64);
      offset = page.pagination.next_offset;
    }
    expect(seen.size).toBe(64);
  });
});
