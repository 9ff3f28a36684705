import { describe, expect, test } from "vitest";
import { Client, type HttpHome, keyOf, runPath } from "../../support/http-home.ts";

/** Runs that leave, come in, and are gone. */
export function testTransfers(home: HttpHome): void {
  const client = new Client(home);
  const beta = new Client(home, "beta");
  const exported = async (runId: string) => (await client.get(runPath(runId, "export"))).text;

  describe("an export", () => {
    test("is imported by another tenant unchanged, and continues there", async () => {
      const runId = await client.start("http.listening");
      await client.reached(runId, "waiting_for_signal");
      const lines = await exported(runId);
      const kinds = lines
        .trimEnd()
        .split("\n")
        .map((line) => (JSON.parse(line) as { kind: string }).kind);
      expect([kinds[0], kinds.at(-1)]).toEqual(["orca-durable/run", "end"]);
      const run = await beta.expect(201, beta.post("/v1/import", lines));
      expect(run).toEqual({ ...(await client.run(runId)), tenant_id: "beta" });
      expect(await beta.events(runId)).toEqual(await client.events(runId));
      await beta.expect(200, beta.post(runPath(runId, "signal"), { name: "go", payload: "on" }));
      expect(await beta.reached(runId, "completed")).toMatchObject({ result: { heard: "on" } });
      expect(await client.run(runId)).toMatchObject({ status: "waiting_for_signal" });
    });

    test("comes back byte by byte after a deletion by another name, and twice is once", async () => {
      const runId = await client.settled("http.chain", { value: "é 🐋" });
      const lines = await exported(runId);
      await client.expect(201, client.post("/v1/import", lines));
      await beta.expect(201, beta.post("/v1/import", lines));
      await beta.expect(201, beta.post("/v1/import", lines));
      expect(await exported(runId)).toBe(lines);
    });

    test("of a run that is executed is a conflict, of none a 404", async () => {
      const runId = await client.start("http.held", { latch: "exported meanwhile" });
      const answer = await client.get(runPath(runId, "export"));
      expect(answer.body.error).toMatchObject({ code: "conflict" });
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
      await client.refusal("not_found", client.get(runPath("nowhere", "export")));
      await beta.refusal("not_found", beta.get(runPath(runId, "export")));
      await client.release("exported meanwhile");
      await client.reached(runId, "completed");
    });

    test("may be left in the middle", async () => {
      const runId = await client.settled("http.chain", { value: 1 });
      const headers = { "x-api-key": keyOf("alpha") };
      const { body } = await home.fetch(new Request(`http://orca.test${runPath(runId, "export")}`, { headers }));
      const reader = (body as ReadableStream<Uint8Array>).getReader();
      expect((await reader.read()).value?.length).toBeGreaterThan(0);
      await reader.cancel();
      expect((await exported(runId)).endsWith("\n")).toBe(true);
    });
  });

  describe("an import", () => {
    test("of what could not be read or served again is a 400 by its path, and leaves no run", async () => {
      const runId = await client.start("http.listening");
      await client.reached(runId, "waiting_for_signal");
      const all = (await exported(runId)).trimEnd().split("\n");
      const header = JSON.parse(all[0] ?? "") as Record<string, unknown>;
      const row = JSON.parse(String(header.body)) as { record: Record<string, unknown> };
      const withHeader = (over: object) => [JSON.stringify({ ...header, ...over }), ...all.slice(1)].join("\n");
      const bodyWith = (over: object) => JSON.stringify({ ...row, record: { ...row.record, ...over } });
      const withRecord = (over: object) => withHeader({ body: bodyWith(over) });
      const bornAt = (createdAt: number) => {
        const run = { ...(row.record.run as object), created_at: new Date(createdAt).toISOString() };
        return withHeader({ createdAt, body: bodyWith({ run }) });
      };
      const forged = { kind: "claim", claim: "effect", key: "f".repeat(64), body: '{"format":1}' };
      const wrong: readonly (readonly [body: string, message: string])[] = [
        [withHeader({ createdAt: 1_700_000_000_000_000 * 8 }), "line 1.createdAt:"],
        [bornAt(10 ** 15), "line 1.createdAt:"],
        [withRecord({ waits: [{ kind: "sleep", step_id: "a", until: -1e300 }] }), "line 1:"],
        [withRecord({ epoch: Number.MAX_SAFE_INTEGER }), "line 1.body.record.epoch:"],
        [[...all.slice(0, -1), JSON.stringify(forged), all.at(-1)].join("\n"), `line ${all.length}:`],
      ];
      for (const [body, message] of wrong) {
        const error = await beta.refusal("invalid_request", beta.post("/v1/import", body));
        expect((error.message as string).slice(0, message.length), JSON.stringify(error)).toBe(message);
        await beta.refusal("not_found", beta.get(runPath(runId)));
      }
      await client.expect(200, client.get("/v1/runs?limit=1"));
      // Lists go on from the latest that is taken.
      const late = new Client(home, "late");
      await late.expect(201, late.post("/v1/import", bornAt(10 ** 15 - 1)));
      const own = await late.create("http.listening");
      const { pagination } = await late.expect(200, late.get("/v1/runs?limit=1&cursor="));
      const { next_cursor } = pagination as { next_cursor?: string };
      const { runs } = await late.expect(200, late.get(`/v1/runs?limit=1&cursor=${next_cursor}`));
      expect(runs).toMatchObject([{ run_id: own }]);
    });

    test("that is damaged is a 400 that names the line, and leaves no run", async () => {
      const runId = await client.settled("http.chain", { value: 1 });
      const lines = await exported(runId);
      await client.expect(204, client.call("DELETE", runPath(runId)));
      const all = lines.trimEnd().split("\n");
      const damaged: readonly (readonly [body: string, message: string])[] = [
        ["", "line 1: expected at least one line"],
        ["{", "line 1: invalid JSON"],
        ["[]\n", "line 1: expected an object"],
        ['{"kind": "other"}\n', "line 1: expected the export of a run"],
        [all.slice(0, -1).join("\n"), `line ${all.length}: the export is incomplete`],
        [`${all[0]}\n{"kind": "?"}\n`, "line 2:"],
        [`${lines}{}`, `line ${all.length + 1}: unexpected line after the end line`],
      ];
      const fresh = new Client(home, "paged");
      for (const [body, message] of damaged) {
        const error = await fresh.refusal("invalid_request", fresh.post("/v1/import", body));
        expect((error.message as string).slice(0, message.length), JSON.stringify(error)).toBe(message);
        await fresh.refusal("not_found", fresh.get(runPath(runId)));
      }
      const other = new Client(home, "unchanged");
      const gap = [all[0], ...all.slice(2)].join("\n");
      await other.refusal("invalid_request", other.post("/v1/import", gap));
      await other.refusal("not_found", other.get(runPath(runId)));
      // What was cut off goes on when it is begun again.
      await fresh.expect(201, fresh.post("/v1/import", lines));
      expect(await fresh.run(runId)).toMatchObject({ status: "completed" });
    });

    test("of a later format is rejected by its number", async () => {
      const body = '{"kind": "orca-durable/run", "format": 99}\n';
      await client.refusal("unsupported_version", client.post("/v1/import", body));
    });

    test("over another run of the same id, or a deleted one, is a conflict", async () => {
      const runId = await client.create("http.chain");
      const lines = await exported(runId);
      await client.expect(200, client.post(runPath(runId, "cancel")));
      await client.refusal("conflict", client.post("/v1/import", lines));
      await client.expect(204, client.call("DELETE", runPath(runId)));
      await client.refusal("conflict", client.post("/v1/import", lines));
      await client.refusal("not_found", client.get(runPath(runId)));
    });

    test("is forbidden to a key with the role execute", async () => {
      const runId = await client.create("http.chain");
      const lines = await exported(runId);
      const executor = new Client(home, "beta", "execute");
      await executor.refusal("forbidden", executor.post("/v1/import", lines));
      await beta.refusal("not_found", beta.get(runPath(runId)));
    });
  });

  describe("DELETE", () => {
    test("erases the run and everything of it for good", async () => {
      const runId = await client.settled("http.chain", { value: 1 });
      const head = (await client.run(runId)).checkpoint_head as string;
      await client.expect(204, client.call("DELETE", runPath(runId)));
      for (const rest of [[], ["history"], ["events"], ["stream"], ["trace"], ["export"], ["checkpoints", head]]) {
        await client.refusal("not_found", client.get(runPath(runId, ...rest)));
      }
      await client.refusal("not_found", client.call("DELETE", runPath(runId)));
      const again = { skill_id: "http.chain", run_id: runId };
      await client.refusal("conflict", client.post("/v1/runs", again));
    });

    test("of a run that is executed is a conflict, of none a 404, of another tenant's the same", async () => {
      const runId = await client.start("http.held", { latch: "deleted meanwhile" });
      await client.refusal("conflict", client.call("DELETE", runPath(runId)));
      await client.refusal("not_found", client.call("DELETE", runPath("nowhere")));
      await beta.refusal("not_found", beta.call("DELETE", runPath(runId)));
      await client.release("deleted meanwhile");
      await client.reached(runId, "completed");
    });

    test("is forbidden to a key with the role execute", async () => {
      const runId = await client.create("http.chain");
      const executor = new Client(home, "alpha", "execute");
      await executor.refusal("forbidden", executor.call("DELETE", runPath(runId)));
      expect(await client.run(runId)).toMatchObject({ status: "pending" });
    });
  });
}
