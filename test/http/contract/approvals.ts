import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/codec/index.ts";
import { createClient } from "../../../worker/client/index.ts";
import { Client, type HttpHome, keyOf, runPath } from "../../support/http-home.ts";

/** Gates that show what is to be approved, and approvals that carry data. */
export function testApprovals(home: HttpHome): void {
  const client = new Client(home);
  const far = createClient("http://orca.test", { apiKey: keyOf("alpha"), fetch: (request) => home.fetch(request) });
  const bigint = (text: string) => ({ $durable: ["bigint", text] });
  const asked = async (order: JsonObject | string = "7") => {
    const runId = await client.start("http.asking", { order });
    await client.reached(runId, "waiting_for_human");
    return runId;
  };

  describe("an approval with content", () => {
    test("shows what is to be approved, and takes data", async () => {
      const runId = await asked(bigint("12345678901234567890"));
      const show = { order: bigint("12345678901234567890") };
      expect((await client.run(runId)).approval_request).toMatchObject({ step_id: "manager", status: "pending", show });
      expect((await far.get(runId)).approvalRequest?.show).toEqual({ order: 12_345_678_901_234_567_890n });
      const { run } = await client.expect(200, client.post(runPath(runId, "approve"), { data: { amount: 3 } }));
      expect((run as JsonObject).approval_request).toMatchObject({ status: "approved", show });
      expect(await client.reached(runId, "completed")).toMatchObject({ result: { amount: 3 } });
    });

    test("with data that does not match is a 400 that names the place, and the gate stays open", async () => {
      const runId = await asked();
      const before = await client.run(runId);
      const path = runPath(runId, "approve");
      for (const body of [{ data: { amount: "3" } }, { data: null }, { data: 3 }, {}, { step_id: "manager" }]) {
        const error = await client.refusal("invalid_request", client.post(path, body));
        expect(error).toMatchObject({ path: "data.amount", message: "data.amount: expected a number" });
      }
      await expect(far.approve(runId, { data: { amount: "3" } })).rejects.toMatchObject({ path: "data.amount" });
      expect(await client.run(runId)).toEqual(before);
      await far.approve(runId, { data: { amount: 4, at: new Date(0) } });
      await client.reached(runId, "completed");
      expect(await far.result(runId)).toEqual({ amount: 4, at: new Date(0) });
    });

    test("of ten at once is one: the answer of that one counts", async () => {
      const runId = await asked();
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, amount) => client.post(runPath(runId, "approve"), { data: { amount } })),
      );
      const counted = answers.flatMap(({ status }, amount) => (status === 200 ? [amount] : []));
      expect(counted).toHaveLength(1);
      expect(await client.reached(runId, "completed")).toMatchObject({ result: { amount: counted[0] } });
    });

    test("under an Idempotency-Key is of that data", async () => {
      const runId = await asked();
      const key = { headers: { "idempotency-key": `answer of ${runId}` } };
      const send = (amount: number) => client.post(runPath(runId, "approve"), { data: { amount } }, key);
      await client.expect(200, send(1));
      expect(await client.expect(200, send(1))).toMatchObject({ idempotent_replay: true });
      await client.refusal("idempotency_conflict", send(2));
      expect(await client.reached(runId, "completed")).toMatchObject({ result: { amount: 1 } });
    });

    test("with data at a gate that takes none is a 400, and a denial needs no data", async () => {
      const gated = await client.start("http.gated");
      await client.reached(gated, "waiting_for_human");
      const error = await client.refusal("invalid_request", client.post(runPath(gated, "approve"), { data: 1 }));
      expect(error).toMatchObject({ path: "data", message: "data: this gate takes no data" });
      expect((await client.run(gated)).approval_request).not.toHaveProperty("show");
      const denied = await client.expect(200, client.post(runPath(await asked(), "deny"), { notes: "no" }));
      expect(denied).toMatchObject({
        status: "canceled",
        approval_request: { status: "denied", show: { order: "7" } },
      });
    });
  });
}
