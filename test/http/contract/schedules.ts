import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/codec/index.ts";
import { createClient, schedulesOf } from "../../../worker/client/index.ts";
import { Client, type HttpHome, keyOf, runPath } from "../../support/http-home.ts";

/** Schedules over HTTP, where the app has their routes. */
export function testSchedules(home: HttpHome): void {
  const client = new Client(home);
  const path = (id: string, ...rest: readonly string[]) => ["/v1/schedules", encodeURIComponent(id), ...rest].join("/");
  const hourly = { skill_id: "http.chain", inputs: { value: 1 }, cron: "0 * * * *", time_zone: "Europe/Berlin" };
  /** The run of a schedule, which may be started behind the answer, once it is completed. */
  const completed = async (runId: string) => {
    for (const end = Date.now() + 100_000; (await client.get(runPath(runId))).status !== 200; ) {
      if (Date.now() > end) throw new Error(`run ${runId} is never started`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return client.reached(runId, "completed");
  };
  const create = (body: JsonObject) => client.expect(201, client.post("/v1/schedules", body));

  describe("a schedule", () => {
    test("is created, read, and listed in pages", async () => {
      const made = await create({ ...hourly, schedule_id: "each hour" });
      expect(made).toMatchObject({
        schedule_id: "each hour",
        skill_id: "http.chain",
        skill_version: null,
        cron: "0 * * * *",
        every_ms: null,
        time_zone: "Europe/Berlin",
        overlap: "skip",
        catch_up: "one",
        status: "active",
        next_at: expect.stringMatching(/:00:00\.000Z$/),
        running: null,
        queued: 0,
        recent: [],
      });
      expect(await client.expect(200, client.get(path("each hour")))).toMatchObject({ inputs: { value: 1 } });
      await create({ ...hourly, schedule_id: "another" });
      const first = await client.expect(200, client.get("/v1/schedules?limit=1"));
      const { pagination, schedules } = first as { pagination: JsonObject; schedules: readonly JsonObject[] };
      expect(schedules.map(({ schedule_id }) => schedule_id)).toEqual(["another"]);
      expect(pagination).toMatchObject({ limit: 1, has_more: true });
      const next = await client.expect(200, client.get(`/v1/schedules?cursor=${pagination.next_cursor}`));
      expect((next.schedules as readonly JsonObject[]).map(({ schedule_id }) => schedule_id)).toContain("each hour");
    });

    test("starts a run when it is triggered, once for a key", async () => {
      await create({ ...hourly, schedule_id: "triggered" });
      const headers = { "idempotency-key": "press" };
      const one = await client.expect(200, client.post(path("triggered", "trigger"), undefined, { headers }));
      const two = await client.expect(200, client.post(path("triggered", "trigger"), undefined, { headers }));
      expect([two.run_id, one.is_skipped]).toEqual([one.run_id, false]);
      await home.drain();
      expect(await completed(one.run_id as string)).toMatchObject({
        result: { value: 1 },
        parent_run_id: "triggered",
        metadata: { schedule_id: "triggered" },
      });
      await create({ ...hourly, schedule_id: "other" });
      await client.refusal("idempotency_conflict", client.post(path("other", "trigger"), undefined, { headers }));
    });

    test("is paused, resumed and made up for", async () => {
      await create({ ...hourly, schedule_id: "paused" });
      expect(await client.expect(200, client.post(path("paused", "pause")))).toMatchObject({
        status: "paused",
        next_at: null,
        paused_at: expect.any(String),
      });
      expect(await client.expect(200, client.post(path("paused", "resume")))).toMatchObject({
        status: "active",
        paused_at: null,
      });
      const range = { from: "2026-01-01T10:00:00+01:00", to: "2026-01-01T09:59:00Z" };
      await client.expect(200, client.post(path("paused", "backfill"), range));
      await home.drain();
      await completed("paused@2026-01-01T09:00:00.000Z");
      const { path: place } = await client.refusal(
        "invalid_request",
        client.post(path("paused", "backfill"), { from: "x" }),
      );
      expect(place).toBe("from");
    });

    test("is deleted for good", async () => {
      await create({ ...hourly, schedule_id: "deleted" });
      expect((await client.call("DELETE", path("deleted"))).status).toBe(204);
      for (const name of ["pause", "resume", "trigger"]) {
        expect(await client.refusal("not_found", client.post(path("deleted", name)))).toMatchObject({ missing: "run" });
      }
      await client.refusal("not_found", client.post(path("deleted", "backfill"), { from: "2026-01-01T00:00:00Z" }));
      await client.refusal("not_found", client.get(path("deleted")));
      await client.refusal("not_found", client.call("DELETE", path("deleted")));
      await client.refusal("conflict", client.post("/v1/schedules", { ...hourly, schedule_id: "deleted" }));
    });

    test("is another tenant's for that tenant alone", async () => {
      await create({ ...hourly, schedule_id: "mine" });
      const stranger = new Client(home, "beta");
      await stranger.refusal("not_found", stranger.get(path("mine")));
      const reader = new Client(home, "alpha", "read");
      await reader.refusal("forbidden", reader.post(path("mine", "pause")));
      const worker = new Client(home, "alpha", "execute");
      await worker.refusal("forbidden", worker.call("DELETE", path("mine")));
    });

    test.each([
      ["cron", { cron: "every day" }],
      ["cron", { cron: undefined }],
      ["cron", { every: "1 hour" }],
      ["timeZone", { time_zone: "Mars/Base" }],
      ["every", { cron: undefined, every: 1 }],
      ["overlap", { overlap: "allow" }],
      ["skill_id", { skill_id: 7 }],
    ] as const)("with a wrong %s is a 400: %j", async (place, wrong) => {
      const refused = client.post("/v1/schedules", { ...hourly, ...wrong });
      expect(await client.refusal("invalid_request", refused)).toMatchObject({ path: place });
    });

    test("with an idempotency key is created once, and is another one for another request", async () => {
      const headers = { "idempotency-key": "made" };
      const one = await client.expect(201, client.post("/v1/schedules", hourly, { headers }));
      const two = await client.expect(201, client.post("/v1/schedules", hourly, { headers }));
      expect(two.schedule_id).toBe(one.schedule_id);
      const other = client.post("/v1/schedules", { ...hourly, overlap: "queue" }, { headers });
      await client.refusal("idempotency_conflict", other);
    });
  });

  test("the client has the calls and values of schedules in this process", async () => {
    const fetch = (request: Request) => home.fetch(request);
    const schedules = schedulesOf(createClient("http://orca.test", { apiKey: keyOf("alpha"), fetch }));
    const id = "by the client @ 9";
    const made = await schedules.create({ id, skill: "http.chain", inputs: { value: new Date(0) }, every: "1 hour" });
    expect(made).toMatchObject({ scheduleId: id, everyMs: 3_600_000, status: "active", recent: [] });
    expect(made.cron).toBeUndefined();
    expect((await schedules.get(id)).inputs).toEqual({ value: new Date(0) });
    expect((await schedules.list({ limit: 2 })).items[0]?.scheduleId).toBe(id);
    const { runId, isSkipped } = await schedules.trigger(id);
    expect(isSkipped).toBe(false);
    await home.drain();
    await completed(runId);
    expect(await schedules.pause(id)).toMatchObject({ status: "paused", pausedAt: expect.any(String) });
    expect((await schedules.resume(id)).status).toBe("active");
    const refused = await schedules.backfill(id, { from: 0, to: 1 }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "invalid_request", path: "from" });
    await schedules.delete(id);
    expect(await schedules.get(id).catch((error: unknown) => error)).toMatchObject({
      code: "not_found",
      missing: "run",
    });
  });
}
