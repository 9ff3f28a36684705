import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/codec/index.ts";
import { Client, type HttpHome, runPath } from "../../support/http-home.ts";

/** What holds of a run only as long as it is as its caller has read it. */
export function testConditions(home: HttpHome): void {
  const client = new Client(home);
  const etagOf = async (runId: string) => (await client.get(runPath(runId))).headers.get("etag") as string;
  const given = (etag: string) => ({ headers: { "if-match": etag } });
  const stateOf = (value: string) => ({ skill_id: "http.chain", inputs: { value } });
  const deletion = (runId: string, etag: string) => client.call("DELETE", runPath(runId), given(etag));

  describe("the ETag of a run", () => {
    test("is the revision of its last entry, and is in every answer that is a run", async () => {
      const created = await client.post("/v1/runs", { skill_id: "http.listening", start: false });
      expect(created.headers.get("etag")).toBe('"1"');
      const runId = created.body.run_id as string;
      expect(await etagOf(runId)).toBe('"1"');
      const signaled = await client.post(runPath(runId, "signal"), { name: "other" });
      expect(signaled.headers.get("etag")).toBe('"2"');
      const resumed = await client.post(runPath(runId, "resume"));
      expect(resumed.headers.get("etag")).toBe('"3"');
      await client.reached(runId, "waiting_for_signal");
      const canceled = await client.post(runPath(runId, "cancel"));
      expect(canceled.headers.get("etag")).toBe(await etagOf(runId));
      const history = await client.expect(200, client.get(runPath(runId, "history")));
      const last = (history.history as readonly JsonObject[]).at(-1);
      expect(canceled.headers.get("etag")).toBe(`"${last?.revision}"`);
    });

    test("answers a caller who has it with a 304", async () => {
      const runId = await client.create("http.chain");
      const etag = await etagOf(runId);
      for (const known of [etag, `W/${etag}`, `"0", ${etag}`, "*"]) {
        const answer = await client.get(runPath(runId), { headers: { "if-none-match": known } });
        expect([answer.status, answer.text, answer.headers.get("etag")]).toEqual([304, "", etag]);
      }
      for (const other of ['"0"', '"x"', "1", "", '"1" "2"']) {
        expect((await client.get(runPath(runId), { headers: { "if-none-match": other } })).status).toBe(200);
      }
      await client.expect(200, client.post(runPath(runId, "cancel")));
      expect((await client.get(runPath(runId), { headers: { "if-none-match": etag } })).status).toBe(200);
    });
  });

  describe("If-Match", () => {
    const operations: readonly (readonly [name: string, call: (runId: string, etag: string) => Promise<unknown>])[] = [
      ...["resume", "replay", "fork", "cancel"].map((name) => {
        const call = (runId: string, etag: string) => client.post(runPath(runId, name), {}, given(etag));
        return [name, call] as const;
      }),
      ["signal", (runId, etag) => client.post(runPath(runId, "signal"), { name: "go" }, given(etag))],
      [
        "checkpoints",
        (runId, etag) => client.post(runPath(runId, "checkpoints"), { kind: "k", state: stateOf("new") }, given(etag)),
      ],
      ["delete", deletion],
      ["/run_cancel", (runId, etag) => client.post(`/run_cancel/${runId}`, {}, given(etag))],
      ["/v1/run_cancel", (runId, etag) => client.post(`/v1/run_cancel/${runId}`, {}, given(etag))],
    ];

    test.each(operations)("of another revision is a 412 of %s, and changes nothing", async (_name, call) => {
      const runId = await client.create("http.chain", { value: "x" });
      const etag = await etagOf(runId);
      const before = await client.events(runId);
      for (const other of ['"0"', '"2"', `W/${etag}`, '"x"', '"0", "999999999999999"', '"99999999999999999999"']) {
        const error = await client.refusal("precondition_failed", call(runId, other) as ReturnType<typeof client.get>);
        expect(error).toMatchObject({ message: `run "${runId}" is now at revision 1`, status: 412 });
      }
      expect([await etagOf(runId), await client.events(runId)]).toEqual([etag, before]);
      const descendants = await client.expect(200, client.get(`/v1/runs?source_run_id=${runId}`));
      expect(descendants.runs).toEqual([]);
    });

    test.each(operations)("of the current revision permits %s", async (_name, call) => {
      for (const form of [(etag: string) => etag, () => "*", (etag: string) => ` "0" ,\t${etag}`]) {
        const runId = await client.create("http.chain", { value: "x" });
        const { status } = (await call(runId, form(await etagOf(runId)))) as { status: number };
        expect([200, 201, 204]).toContain(status);
      }
    });

    test.each(operations)("that is not a list of tags is a 400 of %s", async (_name, call) => {
      const runId = await client.create("http.chain");
      for (const malformed of ["1", "", '"1', '1"', '"1" "2"', '"1",', "W/1", "* , *"]) {
        await client.refusal("invalid_request", call(runId, malformed) as ReturnType<typeof client.get>);
      }
      expect(await client.run(runId)).toMatchObject({ status: "pending" });
    });

    test.each(operations)("on a run that does not exist is a 404 of %s", async (_name, call) => {
      await client.refusal("not_found", call("nowhere", '"1"') as ReturnType<typeof client.get>);
    });

    test.each(["approve", "deny"])("guards %s", async (name) => {
      const runId = await client.start("http.gated");
      await client.reached(runId, "waiting_for_human");
      const etag = await etagOf(runId);
      await client.expect(200, client.post(runPath(runId, "signal"), { name: "aside" }));
      const call = client.post(runPath(runId, name), { approver: "ada" }, given(etag));
      await client.refusal("precondition_failed", call);
      expect(await client.run(runId)).toMatchObject({ status: "waiting_for_human" });
      await client.expect(200, client.post(runPath(runId, name), {}, given(await etagOf(runId))));
    });

    test("permits one of fifty callers that read the same revision", async () => {
      const runId = await client.create("http.chain");
      const etag = await etagOf(runId);
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          client.post(runPath(runId, "signal"), { name: `from ${index}` }, given(etag)),
        ),
      );
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(answers.filter(({ status }) => status === 412)).toHaveLength(49);
      expect((await client.events(runId)).filter((type) => type === "signal.received")).toHaveLength(1);
    });

    test("holds while the run is executed, as no heartbeat moves it", async () => {
      const runId = await client.start("http.held", { latch: "held for its tag" });
      const etag = await etagOf(runId);
      await client.expect(200, client.post(runPath(runId, "signal"), { name: "note" }, given(etag)));
      await client.refusal("precondition_failed", client.post(runPath(runId, "cancel"), {}, given(etag)));
      await client.release("held for its tag");
      await client.reached(runId, "completed");
    });
  });

  describe("an Idempotency-Key", () => {
    const key = (text: string) => ({ headers: { "idempotency-key": text } });

    test.each(["replay", "fork"])("on a %s returns the run of the first call", async (name) => {
      const runId = await client.settled("http.chain", { value: name });
      const path = runPath(runId, name);
      const first = await client.expect(200, client.post(path, {}, key(`once ${name}`)));
      expect(first).not.toHaveProperty("idempotent_replay");
      const again = await client.expect(200, client.post(path, {}, key(`once ${name}`)));
      expect(again).toMatchObject({ idempotent_replay: true, [name]: first[name] });
      expect((again.run as JsonObject).run_id).toBe((first.run as JsonObject).run_id);
      const other = await client.expect(200, client.post(path, {}, key(`twice ${name}`)));
      expect((other.run as JsonObject).run_id).not.toBe((first.run as JsonObject).run_id);
      await client.refusal("idempotency_conflict", client.post(path, { run_id: `named ${name}` }, key(`once ${name}`)));
      const descendants = await client.expect(200, client.get(`/v1/runs?source_run_id=${runId}`));
      expect(descendants.runs).toHaveLength(2);
    });

    test.each([
      ["/v1/run_async", 202],
      ["/run_async", 202],
      ["/v1/runs", 201],
    ])("on POST %s is of one request: with other content it is a conflict", async (path, status) => {
      const body = { skill_id: "http.chain", inputs: { value: path } };
      const first = await client.expect(status, client.post(path, body, key(`start at ${path}`)));
      const again = await client.expect(status, client.post(path, body, key(`start at ${path}`)));
      expect(again).toMatchObject({ run_id: first.run_id, idempotent_replay: true });
      const other = { ...body, inputs: { value: "other" } };
      await client.refusal("idempotency_conflict", client.post(path, other, key(`start at ${path}`)));
    });

    test("on a signal delivers it once, however often it is sent", async () => {
      const runId = await client.create("http.listening");
      const path = runPath(runId, "signal");
      const sent = { name: "note", payload: { text: "once" } };
      const answers = await Promise.all(Array.from({ length: 5 }, () => client.post(path, sent, key(`to ${runId}`))));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
      expect(answers.filter(({ body }) => body.idempotent_replay === true)).toHaveLength(4);
      const etag = answers[0]?.headers.get("etag");
      const again = await client.post(path, sent, { headers: { ...key(`to ${runId}`).headers, "if-match": '"1"' } });
      expect([again.status, again.headers.get("etag"), again.body.run_id]).toEqual([200, etag, runId]);
      expect((await client.events(runId)).filter((type) => type === "signal.received")).toHaveLength(1);
      for (const other of [
        { ...sent, name: "other" },
        { ...sent, payload: "twice" },
      ]) {
        await client.refusal("idempotency_conflict", client.post(path, other, key(`to ${runId}`)));
      }
      const elsewhere = runPath(await client.create("http.listening"), "signal");
      await client.refusal("idempotency_conflict", client.post(elsewhere, sent, key(`to ${runId}`)));
      expect((await client.events(runId)).filter((type) => type === "signal.received")).toHaveLength(1);
    });

    test.each(["approve", "deny"])("on %s decides at one gate, however often it is sent", async (name) => {
      const runId = await client.start("http.named-gates", { names: ["first", "second"] });
      await client.reached(runId, "waiting_for_human");
      const send = (body: JsonObject = { approver: "ada" }) =>
        client.post(runPath(runId, name), body, key(`${name} of ${runId}`));
      const first = await client.expect(200, send());
      expect(first).not.toHaveProperty("idempotent_replay");
      const status = name === "deny" ? "canceled" : "waiting_for_human";
      await expect.poll(async () => (await client.run(runId)).status).toBe(status);
      const before = await client.events(runId);
      const again = await client.expect(200, send());
      expect(again).toMatchObject({ idempotent_replay: true, ...(name === "approve" ? { resume: first.resume } : {}) });
      await client.refusal("idempotency_conflict", send({ approver: "bob" }));
      expect(await client.events(runId)).toEqual(before);
      expect((await client.run(runId)).approval_request).toMatchObject({
        step_id: name === "deny" ? "first" : "second",
        status: name === "deny" ? "denied" : "pending",
      });
    });

    test("on a resume is of one resume", async () => {
      const runId = await client.start("http.failing-first");
      await client.reached(runId, "failed");
      const send = (body?: JsonObject) => client.post(runPath(runId, "resume"), body, key(`resume of ${runId}`));
      const first = await client.expect(200, send());
      await client.reached(runId, "completed");
      const before = await client.events(runId);
      expect(await client.expect(200, send())).toMatchObject({ idempotent_replay: true, resume: first.resume });
      await client.refusal("idempotency_conflict", send({ checkpoint_id: "other" }));
      expect(await client.events(runId)).toEqual(before);
    });

    test("is of its operation and its tenant", async () => {
      const runId = await client.settled("http.chain", { value: 1 });
      const beta = new Client(home, "beta");
      const own = await beta.settled("http.chain", { value: 1 });
      const made = [
        await client.expect(200, client.post(runPath(runId, "replay"), {}, key("shared"))),
        await client.expect(200, client.post(runPath(runId, "fork"), {}, key("shared"))),
        await beta.expect(200, beta.post(runPath(own, "fork"), {}, key("shared"))),
      ];
      for (const answer of made) expect(answer).not.toHaveProperty("idempotent_replay");
    });

    test("of ten forks at once makes one", async () => {
      const runId = await client.settled("http.chain", { value: 1 });
      const body = { edit: { inputs: { value: 2 } } };
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => client.post(runPath(runId, "fork"), body, key("ten at once"))),
      );
      const ids = answers.map(({ status, body }) => [status, (body.run as JsonObject | undefined)?.run_id]);
      expect(new Set(ids.map((id) => JSON.stringify(id))).size, JSON.stringify(ids)).toBe(1);
      const forkId = ids[0]?.[1] as string;
      expect((await client.checkpoints(forkId)).map(({ kind }) => kind)).toEqual(["run_finished", "state_edited"]);
    });

    test("outlives the source: the fork is still found", async () => {
      const runId = await client.settled("http.chain", { value: 1 });
      const first = await client.expect(200, client.post(runPath(runId, "fork"), {}, key("of a deleted one")));
      await client.expect(204, client.call("DELETE", runPath(runId)));
      const again = await client.expect(200, client.post(runPath(runId, "fork"), {}, key("of a deleted one")));
      expect((again.run as JsonObject).run_id).toBe((first.run as JsonObject).run_id);
      await client.refusal("not_found", client.post(runPath(runId, "fork"), {}, key("a new one")));
    });

    test.each(["replay", "fork", "resume", "approve", "deny", "signal"])(
      "that is too long, or empty, is a 400 of %s",
      async (name) => {
        const runId = await client.settled("http.chain", { value: 1 });
        for (const wrong of ["x".repeat(1001), ""]) {
          const call = client.post(runPath(runId, name), { name: "go" }, key(wrong));
          expect((await client.refusal("invalid_request", call)).message).toContain("idempotency_key");
        }
      },
    );
  });
}
