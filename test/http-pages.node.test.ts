import { describe, expect, test } from "vitest";
import { memoryStore } from "../adapters/memory/index.ts";
import { createRuntime, initialState } from "../src/index.ts";
import { createApp } from "../worker/app.ts";
import { createClient } from "../worker/client/index.ts";

/** An app over memory, with a client that calls it. */
function serving() {
  const runs = createRuntime({ store: memoryStore() }).for("alpha");
  const app = createApp({ authenticate: () => ({ tenant: "alpha", role: "admin" }), runs: () => runs });
  const client = createClient("http://orca.test", { fetch: (request) => app.fetch(request) });
  return { runs, client };
}

describe("a list of checkpoints", () => {
  test("has 1,000 records at most, and leads to the next page", { timeout: 60_000 }, async () => {
    const { runs, client } = serving();
    await runs.create({ skillId: "s", runId: "r" });
    const state = initialState("s", {});
    for (let index = 1; index < 1_005; index++) {
      await runs.saveCheckpoint("r", { kind: "note", checkpointId: `c${index}`, state });
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
