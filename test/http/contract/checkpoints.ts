import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/codec/index.ts";
import { orcaFixtures } from "../../support/fixtures.ts";
import { Client, type HttpHome, runPath } from "../../support/http-home.ts";

/** What goes in through POST a checkpoint comes out of GET. */
export function testCheckpoints(home: HttpHome): void {
  const client = new Client(home);

  describe("a checkpoint in the ORCA v1 form", () => {
    test.each(orcaFixtures)("comes back equal in every field: $name", async ({ text }) => {
      const fixture = JSON.parse(text) as JsonObject;
      const runId = await client.create(fixture.skill_id as string);
      // Put together as text, so that nothing here can lose a key.
      const body = `{"checkpoint_id": "imported", "kind": "step_completed", "state": ${text}}`;
      await client.expect(201, client.post(runPath(runId, "checkpoints"), body));
      const { record, state } = await client.expect(200, client.get(runPath(runId, "checkpoints", "imported")));
      expect(record).toMatchObject({ checkpoint_id: "imported", run_id: runId, kind: "step_completed" });
      expect(canonical(state)).toBe(canonical(fixture));
      expect(await client.run(runId)).toMatchObject({ status: "pending", checkpoint_head: "imported" });
    });

    test.each(orcaFixtures)("is copied by a fork, equal in every field: $name", async ({ text }) => {
      const fixture = JSON.parse(text) as JsonObject;
      const runId = await client.create(fixture.skill_id as string);
      const body = `{"checkpoint_id": "imported", "kind": "k", "state": ${text}}`;
      await client.expect(201, client.post(runPath(runId, "checkpoints"), body));
      const { run } = await client.expect(200, client.post(runPath(runId, "fork"), { checkpoint_id: "imported" }));
      const forkId = (run as JsonObject).run_id as string;
      const { state } = await client.expect(200, client.get(runPath(forkId, "checkpoints", "imported")));
      expect(canonical(state)).toBe(canonical(fixture));
    });
  });

  test("a state of 5 MB comes back unchanged, and the run continues from it", async () => {
    // Beyond ASCII, so that bytes and characters differ, and with a long number, so that the slow parser reads it too.
    const large = "häuser, 你好 🐋 ".repeat(250_000);
    const state = { skill_id: "http.chain", inputs: { value: "small" }, vars: { large, n: 1234567890123456 } };
    expect(new TextEncoder().encode(JSON.stringify(state)).length).toBeGreaterThan(5_000_000);
    const runId = await client.create("http.chain");
    const body = { checkpoint_id: "large", kind: "imported", state };
    await client.expect(201, client.post(runPath(runId, "checkpoints"), body));
    const saved = await client.expect(200, client.get(runPath(runId, "checkpoints", "large")));
    const { vars } = saved.state as { vars: { large: string; n: number } };
    expect(vars.n).toBe(1234567890123456);
    expect(vars.large === large).toBe(true);
    await client.expect(200, client.post(runPath(runId, "resume")));
    expect(await client.reached(runId, "completed")).toMatchObject({ result: { value: "small" } });
    const last = (await client.run(runId)).checkpoint_head as string;
    const end = await client.expect(200, client.get(runPath(runId, "checkpoints", last)));
    expect((end.state as { vars: { large: string } }).vars.large === large).toBe(true);
  });

  test("a run started with 5 MB of inputs keeps them", async () => {
    const notes = Array.from({ length: 50_000 }, (_, index) => ({ index, text: "x".repeat(80) }));
    const runId = await client.settled("http.chain", { value: 1, notes });
    const head = (await client.run(runId)).checkpoint_head as string;
    const { state } = await client.expect(200, client.get(runPath(runId, "checkpoints", head)));
    expect((state as JsonObject).inputs).toEqual({ value: 1, notes });
  });
}

/** JSON text that is equal where the values are, whatever the order of their keys. */
function canonical(json: unknown): string {
  return JSON.stringify(sorted(json), null, 1);
}

function sorted(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(sorted);
  if (typeof json !== "object" || json === null) return json;
  // Pairs, since an object would keep neither the order of numeric keys nor an assigned `__proto__`.
  const entries = Object.entries(json).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, item]) => [key, sorted(item)]);
}
