import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/codec/index.ts";
import type { DurableError } from "../../../src/index.ts";
import { createWireClient } from "../../../worker/client/index.ts";
import { Client, type HttpHome, keyOf } from "../../support/http-home.ts";

/** The typed client, wherever the app is served. */
export function testClient(home: HttpHome): void {
  const raw = new Client(home);
  const client = createWireClient("http://orca.test/", {
    apiKey: keyOf("alpha"),
    fetch: (request) => home.fetch(request),
  });

  const finished = async (inputs: JsonObject) => raw.settled("http.chain", inputs);
  const failure = (call: Promise<unknown>): Promise<DurableError> =>
    call.then(
      () => {
        throw new Error("it did not fail");
      },
      (error: DurableError) => error,
    );

  describe("the client", () => {
    test("starts a run and reads it, in the names of the wire", async () => {
      const started = await client.start("http.chain", { value: 7 }, { idempotencyKey: "of the client" });
      expect(started).toMatchObject({ skill_id: "http.chain", status: "running" });
      const again = await client.start("http.chain", { value: 7 }, { idempotencyKey: "of the client" });
      expect(again).toMatchObject({ run_id: started.run_id, idempotent_replay: true });
      await raw.reached(started.run_id, "completed");
      const run = await client.get(started.run_id);
      expect(run).toEqual(await raw.run(started.run_id));
      expect(run.result).toEqual({ value: 7 });
    });

    test("reaches every route of a run", async () => {
      const runId = await finished({ value: "x" });
      const { checkpoints, checkpoint_head } = await client.checkpoints(runId, { limit: 500 });
      expect(checkpoints).toHaveLength(5);
      const { state } = await client.checkpoint(runId, checkpoint_head as string);
      expect(state).toMatchObject({ outputs: { value: "x" } });
      const [first, second] = checkpoints.map(({ checkpoint_id }) => checkpoint_id) as [string, string];
      expect((await client.compare(runId, second)).from).toBe(first);
      expect((await client.compare(runId, second, { against: second })).changes).toEqual([]);
      expect((await client.history(runId, { limit: 1 })).history).toHaveLength(1);
      expect((await client.events(runId)).events.at(-1)?.event_type).toBe("checkpoint.saved");
      expect((await client.trace(runId)).steps).toHaveLength(3);
      const fork = await client.fork(runId, { checkpoint_id: first, edit: { vars: { a: 1 } } });
      const replay = await client.replay(runId);
      expect((await client.children(runId, { limit: 1 })).children).toEqual([]);
      expect((await client.lineage(runId)).descendants).toHaveLength(2);
      expect((await client.lineage(replay.run.run_id)).ancestors).toHaveLength(1);
      const forkId = fork.run.run_id;
      const saved = { kind: "mine", state: { skill_id: "http.chain", inputs: { value: "y" } } };
      await client.saveCheckpoint(forkId, saved);
      expect((await client.resume(forkId)).run.status).toBe("running");
      expect((await raw.reached(forkId, "completed")).result).toEqual({ value: "y" });
      const page = await client.list({ source_run_id: runId, cursor: "", limit: 1 });
      expect(page.pagination.has_more).toBe(true);
      expect((await client.skills()).skills.map(({ skill_id }) => skill_id)).toContain("http.chain");
      expect(await client.whoami()).toEqual({ tenant: "alpha", role: "admin" });
      await client.delete(forkId);
      expect(await failure(client.get(forkId))).toMatchObject({ code: "not_found" });
    });

    test("decides at gates, signals and cancels", async () => {
      const gated = await raw.start("http.gated");
      await raw.reached(gated, "waiting_for_human");
      const approved = await client.approve(gated, { approver: "ada" });
      expect(approved.resume.accepted).toBe(true);
      expect(client.etag(approved.run)).toMatch(/^"\d+"$/);
      const denied = await raw.start("http.gated");
      await raw.reached(denied, "waiting_for_human");
      expect((await client.deny(denied, { notes: "no" })).status).toBe("canceled");
      const listening = await raw.start("http.listening");
      await raw.reached(listening, "waiting_for_signal");
      await client.signal(listening, { name: "other" });
      expect((await client.cancel(listening)).status).toBe("canceled");
    });

    test("cancels a run that first undoes its steps", async () => {
      const runId = await raw.start("http.saga");
      await raw.reached(runId, "waiting_for_human");
      const asked = await client.cancel(runId, { rollback: "true" });
      expect(asked).toMatchObject({ status: "running", approval_request: null });
      await home.drain();
      await raw.reached(runId, "canceled");
      expect(await raw.recorded(runId)).toEqual([
        "reserve",
        "charge",
        "rollback:",
        "rollback: charge",
        "rollback: reserve",
      ]);
    });

    test("does under one key once what it is asked for twice, at gates of any name", async () => {
      const idempotencyKey = crypto.randomUUID();
      const gate = "Freigabe für Müller / 😀";
      const runId = await raw.start("http.named-gates", { names: [gate, "later"] });
      await raw.reached(runId, "waiting_for_human");
      const approve = () => client.approve(runId, { step_id: gate }, { idempotencyKey });
      const first = await approve();
      const again = await approve();
      expect([first.idempotent_replay, again.idempotent_replay]).toEqual([undefined, true]);
      expect(again.resume).toEqual(first.resume);
      const signal = () => client.signal(runId, { name: "note", payload: 1 }, { idempotencyKey });
      const sent = await signal();
      expect([sent.idempotent_replay, (await signal()).idempotent_replay]).toEqual([undefined, true]);
      expect((await raw.events(runId)).filter((type) => type === "signal.received")).toHaveLength(1);
      await expect.poll(async () => (await client.get(runId)).approval_request?.step_id).toBe("later");
      const deny = () => client.deny(runId, {}, { idempotencyKey });
      expect([(await deny()).idempotent_replay, (await deny()).idempotent_replay]).toEqual([undefined, true]);
      const resume = () => client.resume(runId, {}, { idempotencyKey });
      expect([(await resume()).idempotent_replay, (await resume()).idempotent_replay]).toEqual([undefined, true]);
    });

    test("knows the ETag of the runs that it answered with", async () => {
      const run = await client.create({ skill_id: "http.chain", start: false });
      const ifMatch = client.etag(run) as string;
      expect(ifMatch).toBe('"1"');
      await client.signal(run.run_id, { name: "aside" });
      const error = await failure(client.cancel(run.run_id, {}, { ifMatch }));
      expect(error).toMatchObject({ code: "precondition_failed", name: "DurableError" });
      const now = client.etag(await client.get(run.run_id)) as string;
      expect((await client.cancel(run.run_id, {}, { ifMatch: now })).status).toBe("canceled");
      expect(client.etag({})).toBeUndefined();
    });

    test("reads a run that has changed, and nothing if it has not", async () => {
      const run = await client.create({ skill_id: "http.chain", start: false });
      const etag = client.etag(run) as string;
      expect(await client.getIfChanged(run.run_id, etag)).toBeUndefined();
      await client.signal(run.run_id, { name: "aside" });
      const changed = await client.getIfChanged(run.run_id, etag);
      expect(changed).toEqual(await raw.run(run.run_id));
      expect(client.etag(changed as object)).toBe('"2"');
      expect(await failure(client.getIfChanged("nowhere", etag))).toMatchObject({ code: "not_found" });
    });

    test("fails with the service's own errors, and their trace id", async () => {
      const missing = await failure(client.get("nowhere"));
      expect(missing).toMatchObject({ name: "DurableError", code: "not_found", message: 'there is no run "nowhere"' });
      expect(missing.details).toEqual({ status: 404, traceId: expect.stringMatching(/^trace_/) });
      const held = await raw.start("http.held", { latch: "held for the client" });
      const busy = await failure(client.resume(held));
      expect(busy).toMatchObject({ code: "conflict", hint: expect.stringContaining("cancel") });
      expect(busy.retryAfterMs).toBeGreaterThan(0);
      await client.cancel(held);
      const stranger = createWireClient("http://orca.test", { fetch: (request) => home.fetch(request) });
      expect(await failure(stranger.get("x"))).toMatchObject({ code: "unauthorized" });
    });

    test("addresses ids of odd characters, and no other route by an id of dots", async () => {
      for (const runId of [" a/b?c#d? ", "50% off", ":run_id", "$&", "index", "__proto__"]) {
        await client.create({ skill_id: "http.chain", run_id: runId, start: false });
        expect((await client.get(runId)).run_id).toBe(runId);
        expect((await client.checkpoints(runId)).run_id).toBe(runId);
      }
      for (const runId of ["", ".", ".."]) {
        const calls: readonly (() => Promise<unknown>)[] = [
          () => client.get(runId),
          () => client.delete(runId),
          () => client.export(runId),
          () => client.watch(runId).next(),
        ];
        for (const call of calls) {
          expect(await failure(Promise.resolve().then(call))).toMatchObject({ code: "invalid_request" });
        }
      }
    });

    test("transfers a run to another tenant as a stream, even if the client cannot send one", async () => {
      const runId = await finished({ value: "streamed" });
      const beta = createWireClient("http://orca.test", {
        apiKey: keyOf("beta"),
        fetch: (request) => home.fetch(request),
      });
      const run = await beta.import(await client.export(runId));
      expect(run).toMatchObject({ run_id: runId, tenant_id: "beta", result: { value: "streamed" } });
    });

    test("carries a run from one tenant to another as a blob", async () => {
      const runId = await finished({ value: "carried" });
      const beta = createWireClient("http://orca.test", {
        apiKey: keyOf("beta"),
        fetch: (request) => home.fetch(request),
      });
      const run = await beta.import(await new Response(await client.export(runId)).blob());
      expect(run).toMatchObject({ run_id: runId, tenant_id: "beta", result: { value: "carried" } });
      expect(beta.etag(run)).toMatch(/^"\d+"$/);
      expect(await failure(client.import("{"))).toMatchObject({ code: "invalid_request" });
    });
  });

  describe("a watch of the client", () => {
    const allIds = async (runId: string) =>
      (await client.events(runId, { limit: 500 })).events.map(({ event_id }) => event_id);

    /** A client whose first `cuts` connections break after a number of bytes. */
    const breaking = (cuts: number) => {
      const seen = { cuts: 0 };
      const fetch = async (request: Request) => {
        const response = await home.fetch(request);
        if (response.body === null || !request.url.endsWith("/stream") || seen.cuts === cuts) return response;
        const left = { bytes: 5 + ((seen.cuts++ * 137) % 500) };
        const cut = new TransformStream<Uint8Array, Uint8Array>({
          transform(chunk, controller) {
            controller.enqueue(chunk.slice(0, left.bytes));
            left.bytes -= chunk.length;
            if (left.bytes < 0) controller.error(new TypeError("the connection is lost"));
          },
        });
        return new Response(response.body.pipeThrough(cut), response);
      };
      return { seen, client: createWireClient("http://orca.test", { apiKey: keyOf("alpha"), fetch }) };
    };

    test("yields every event once and in order, and returns the status", async () => {
      const runId = await raw.start("http.held", { latch: "watched" });
      const watch = client.watch(runId);
      const first = await watch.next();
      expect(first.value).toMatchObject({ event_type: "run.started", run_id: runId });
      await raw.release("watched");
      const ids = [(first.value as { event_id: string }).event_id];
      for (;;) {
        const { done, value } = await watch.next();
        if (done) {
          expect(value).toBe("completed");
          break;
        }
        ids.push(value.event_id);
      }
      expect(ids).toEqual(await allIds(runId));
    });

    test("yields each event once and in order over a connection that is cut twenty times", async () => {
      const runId = await raw.start("http.held", { latch: "watched over a broken line, and never let go" });
      const happening = (async () => {
        for (let index = 0; index < 40; index++) await client.signal(runId, { name: "note", payload: index });
        await client.cancel(runId);
      })();
      const broken = breaking(20);
      const ids: string[] = [];
      for await (const { event_id } of broken.client.watch(runId, { retryMs: 1 })) ids.push(event_id);
      await happening;
      expect(broken.seen.cuts).toBe(20);
      expect(ids).toEqual(await allIds(runId));
    });

    test("continues after any event, and ends at once if nothing is new", async () => {
      const runId = await finished({ value: 1 });
      const ids = await allIds(runId);
      for (const after of [ids[3], ids[3]?.split(":").slice(-2).join("-")] as string[]) {
        const rest: string[] = [];
        for await (const { event_id } of client.watch(runId, { after })) rest.push(event_id);
        expect(rest).toEqual(ids.slice(4));
      }
      const last = ids.at(-1) as string;
      expect(await client.watch(runId, { after: last }).next()).toEqual({ done: true, value: "completed" });
    });

    test("ends with its signal, and when its consumer stops", async () => {
      const runId = await raw.start("http.held", { latch: "watched for a while, and never let go" });
      const left = new AbortController();
      const watch = client.watch(runId, { signal: left.signal });
      expect((await watch.next()).done).toBe(false);
      expect((await watch.next()).done).toBe(false);
      const next = watch.next();
      left.abort();
      while (!(await watch.next()).done);
      await next;
      expect(await client.watch(runId, { signal: left.signal }).next()).toEqual({ done: true, value: undefined });
      for await (const event of client.watch(runId)) {
        expect(event.run_id).toBe(runId);
        break;
      }
      await client.cancel(runId);
    });

    test("fails for a run that does not exist, and after an invalid event id", async () => {
      expect(await failure(client.watch("nowhere").next())).toMatchObject({ code: "not_found" });
      const runId = await raw.create("http.chain");
      expect(await failure(client.watch(runId, { after: "x" }).next())).toMatchObject({ code: "invalid_request" });
    });

    test("waits for a service that is unavailable for a while", async () => {
      const runId = await finished({ value: 1 });
      const answers = [
        () => Promise.reject(new TypeError("no network")),
        async () => new Response("<h1>Bad gateway</h1>", { status: 502 }),
        async () => Response.json({ error: { code: "store_failed", message: "m" } }, { status: 503 }),
        async () => new Response("a fine page", { status: 429, headers: { "retry-after": "0" } }),
        async () => new Response("", { status: 200 }),
      ];
      const patient = createWireClient("http://orca.test", {
        apiKey: keyOf("alpha"),
        fetch: (request) => answers.shift()?.() ?? home.fetch(request),
      });
      const ids: string[] = [];
      for await (const { event_id } of patient.watch(runId, { retryMs: 1 })) ids.push(event_id);
      expect([answers, ids]).toEqual([[], await allIds(runId)]);
    });
  });
}
