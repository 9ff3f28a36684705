import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { initialState } from "../../src/codec/index.ts";
import { createRuntime, saveCheckpoint } from "../../src/index.ts";
import { createWireClient } from "../../worker/client/index.ts";
import { createApp } from "../../worker/http/index.ts";

/** An app over memory, with a client that calls it. */
function serving() {
  const runs = createRuntime({ serves: false, store: memoryStore() }).for("alpha");
  const app = createApp({ authenticate: () => ({ tenant: "alpha", role: "admin" }), runs: () => runs });
  const lengths: number[] = [];
  const client = createWireClient("http://orca.test", {
    async fetch(request) {
      const response = await app.fetch(request);
      lengths.push((await response.clone().arrayBuffer()).byteLength);
      return response;
    },
  });
  return { runs, client, lengths };
}

const mebibyte = 1024 * 1024;

describe("an answer is bounded in bytes", () => {
  test("a list of runs with large metadata, by cursor and by offset", async () => {
    const { runs, client, lengths } = serving();
    const ids: string[] = [];
    for (let index = 0; index < 100; index++) {
      const metadata = { text: "x".repeat(120_000) };
      ids.push((await runs.create({ skillId: "s", metadata, runId: `r${index}` })).run.runId);
    }
    const byCursor: string[] = [];
    for (let cursor: string | undefined = ""; cursor !== undefined; ) {
      const page = await client.list({ limit: 500, cursor, order: "ascending" });
      byCursor.push(...page.runs.map(({ run_id }) => run_id));
      cursor = "next_cursor" in page.pagination ? page.pagination.next_cursor : undefined;
      expect(page.pagination.has_more).toBe(cursor !== undefined);
    }
    expect([...byCursor].sort()).toEqual([...ids].sort());
    const byOffset: string[] = [];
    for (let offset: number | undefined = 0; offset !== undefined; ) {
      const { runs: page, pagination } = await client.list({ limit: 500, offset });
      byOffset.push(...page.map(({ run_id }) => run_id));
      expect(pagination).toMatchObject({ offset, total: 100, limit: 500 });
      offset = "next_offset" in pagination ? pagination.next_offset : undefined;
    }
    expect([...byOffset].sort()).toEqual([...ids].sort());
    expect(Math.max(...lengths)).toBeLessThan(5 * mebibyte);
    expect(lengths.length).toBeGreaterThan(5);
  });

  test("a history, its events and its checkpoints", async () => {
    const { runs, client, lengths } = serving();
    await runs.create({ skillId: "s", runId: "r" });
    const state = initialState("s", {});
    for (let index = 1; index < 60; index++) {
      const pendingWrites = ["x".repeat(200_000)];
      await saveCheckpoint(runs, "r", { kind: "note", checkpointId: `c${index}`, state, pendingWrites });
    }
    const checkpoints: string[] = [];
    for (let after: string | undefined; ; ) {
      const page = await client.checkpoints("r", after === undefined ? {} : { after });
      checkpoints.push(...page.checkpoints.map(({ checkpoint_id }) => checkpoint_id));
      after = page.next_after;
      if (after === undefined) break;
    }
    expect(checkpoints.slice(1)).toEqual(Array.from({ length: 59 }, (_, index) => `c${index + 1}`));
    const history: number[] = [];
    for (let after: number | undefined = 0; after !== undefined; ) {
      const page = await client.history("r", { after: String(after), limit: 500 });
      history.push(...page.history.map(({ revision }) => revision));
      after = page.pagination.next_after;
    }
    expect(history).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
    const events: string[] = [];
    for (let after: string | undefined = "0-0"; after !== undefined; ) {
      const page = await client.events("r", { after, limit: 500 });
      events.push(...page.events.map(({ event_id }) => event_id));
      after = page.pagination.next_after;
    }
    expect(events).toEqual((await runs.events("r")).items.map(({ eventId }) => eventId));
    expect(Math.max(...lengths)).toBeLessThan(5 * mebibyte);
    expect(lengths.length).toBeGreaterThan(9);
    // A call without HTTP and without a limit returns all of it.
    expect((await runs.history("r")).items.length).toBe(60);
    expect((await runs.listCheckpoints("r")).items.length).toBe(60);
  });
});

describe("a list of checkpoints", () => {
  test("has at most 1,000 records, and links to the next page", async () => {
    const { runs, client } = serving();
    await runs.create({ skillId: "s", runId: "r" });
    const state = initialState("s", {});
    for (let index = 1; index < 1_005; index++) {
      await saveCheckpoint(runs, "r", { kind: "note", checkpointId: `c${index}`, state });
    }
    const first = await client.checkpoints("r");
    expect(first.checkpoints).toHaveLength(1_000);
    expect(first).toMatchObject({ run_id: "r", total: 1_005, checkpoint_head: "c1004", next_after: "c999" });
    const second = await client.checkpoints("r", { after: first.next_after ?? "" });
    expect(second).toMatchObject({ run_id: "r", total: 1_005, checkpoint_head: "c1004" });
    expect(second.next_after).toBeUndefined();
    expect(second.checkpoints.map(({ checkpoint_id }) => checkpoint_id)).toEqual([
      "c1000",
      "c1001",
      "c1002",
      "c1003",
      "c1004",
    ]);
    expect((await client.checkpoints("r", { limit: 1_000, after: "c4" })).next_after).toBeUndefined();
    await expect(client.checkpoints("r", { limit: 1_001 })).rejects.toMatchObject({ code: "invalid_request" });
  });
});
