import { describe, expect, test } from "vitest";
import { whyWaiting } from "../../../src/steps.ts";
import { createClient } from "../../../worker/client/index.ts";
import { Client, type HttpHome, keyOf, runPath } from "../../support/http-home.ts";

/** Why a run does not go on. */
export function testWaiting(home: HttpHome): void {
  const client = new Client(home);
  const far = createClient("http://orca.test", { apiKey: keyOf("alpha"), fetch: (request) => home.fetch(request) });
  const none = { waiting_on: null, waiting_for: null, next_at: null, last_error: null };
  const inAnHour = (from: unknown) => (Date.parse(from as string) - Date.now()) / 3_600_000;

  describe("a run that does not go on says why", () => {
    test("at a gate", async () => {
      const runId = await client.start("http.gated");
      const run = await client.reached(runId, "waiting_for_human");
      const waiting_for = { step_id: "send", signal: null, child_run_id: null };
      expect(run).toMatchObject({ ...none, waiting_on: "gate", waiting_for });
      expect(whyWaiting(await far.get(runId))).toEqual({ on: "gate", stepId: "send" });
      const { runs } = await client.expect(200, client.get("/v1/runs?status=waiting_for_human&limit=500"));
      expect(runs).toContainEqual(run);
      const denied = await client.expect(200, client.post(runPath(runId, "deny")));
      expect(denied).toMatchObject({ status: "canceled", ...none });
      expect(whyWaiting(await far.get(runId))).toBeUndefined();
    });

    test("for a signal", async () => {
      const runId = await client.start("http.listening");
      const run = await client.reached(runId, "waiting_for_signal");
      const waiting_for = { step_id: "listen", signal: "go", child_run_id: null };
      expect(run).toMatchObject({ ...none, waiting_on: "signal", waiting_for });
      expect(whyWaiting(await far.get(runId))).toEqual({ on: "signal", stepId: "listen", signal: "go" });
    });

    test("in a sleep, with its end", async () => {
      const runId = await client.start("http.sleeping");
      await expect.poll(async () => (await client.run(runId)).waiting_on).toBe("sleep");
      const run = await client.run(runId);
      expect(run).toMatchObject({ status: "running", waiting_for: { step_id: "sleep" }, last_error: null });
      expect(inAnHour(run.next_at)).toBeGreaterThan(0.5);
      expect(inAnHour(run.next_at)).toBeLessThanOrEqual(1);
      expect(whyWaiting(await far.get(runId))).toEqual({ on: "sleep", stepId: "sleep", nextAt: run.next_at });
    });

    test("between two attempts, with the error of the last one", async () => {
      const runId = await client.start("http.retrying");
      await expect.poll(async () => (await client.run(runId)).waiting_on).toBe("retry");
      const run = await client.run(runId);
      const last_error = { code: "step_failed", message: "it is busy", step_id: "try", attempt: 1 };
      expect(run).toMatchObject({ waiting_for: { step_id: "try" }, last_error });
      expect(inAnHour(run.next_at)).toBeGreaterThan(0.5);
      expect(whyWaiting(await far.get(runId))).toMatchObject({
        on: "retry",
        stepId: "try",
        lastError: { code: "step_failed", message: "it is busy", stepId: "try", attempt: 1 },
      });
    });

    test("while it is executed, with the end of the lease", async () => {
      const runId = await client.start("http.held", { latch: "held to see why" });
      const run = await client.run(runId);
      expect(run).toMatchObject({ ...none, waiting_on: "executing", next_at: expect.any(String) });
      await client.release("held to see why");
      expect(await client.reached(runId, "completed")).toMatchObject(none);
    });

    test("and one that has not been started says nothing", async () => {
      expect(await client.run(await client.create("http.chain"))).toMatchObject(none);
    });

    test("and its answer is never a 304, as what it waits for changes without its revision", async () => {
      const runId = await client.start("http.sleeping");
      await expect.poll(async () => (await client.run(runId)).waiting_on).toBe("sleep");
      const etag = (await client.get(runPath(runId))).headers.get("etag") as string;
      expect((await client.get(runPath(runId), { headers: { "if-none-match": etag } })).status).toBe(200);
      const canceled = await client.post(runPath(runId, "cancel"));
      const now = canceled.headers.get("etag") as string;
      expect((await client.get(runPath(runId), { headers: { "if-none-match": now } })).status).toBe(304);
    });
  });
}
