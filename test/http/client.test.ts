import { describe, expect, expectTypeOf, test } from "vitest";
import { bundle } from "../../scripts/size.ts";
import type { RunStatus } from "../../src/index.ts";
import { createClient, createWireClient, type StreamWatchOptions, type WatchState } from "../../worker/client/index.ts";
import { messagesOf } from "../../worker/client/messages.ts";
import type { EventAnswer, RunAnswer } from "../../worker/http/contract/records.ts";

describe("the client's types", () => {
  const client = createWireClient("http://orca.test", { fetch: () => Response.json({}) });

  test("reject bodies, queries and names that no route has", async () => {
    // @ts-expect-error: a run is of a skill
    await client.create({ inputs: {} });
    // @ts-expect-error: ids are texts
    await client.create({ skill_id: 7 });
    // @ts-expect-error: inputs are an object
    await client.start("skill", "inputs");
    // @ts-expect-error: a signal has a name
    await client.signal("run", { payload: 1 });
    // @ts-expect-error: no run has this status
    await client.list({ status: "asleep" });
    // @ts-expect-error: a limit is a number
    await client.list({ limit: "ten" });
    // @ts-expect-error: there is no such query
    await client.list({ colour: "red" });
    // @ts-expect-error: an edit is an object
    await client.fork("run", { edit: "vars" });
    // @ts-expect-error: a checkpoint has a state
    await client.saveCheckpoint("run", { kind: "k" });
    // @ts-expect-error: there is no such route
    client.routes.v1.nothing;
  });

  test("know what each route answers", () => {
    expectTypeOf(client.get).returns.resolves.toHaveProperty("status").toEqualTypeOf<RunStatus>();
    expectTypeOf(client.get).returns.resolves.toHaveProperty("checkpoint_head").toEqualTypeOf<string | null>();
    expectTypeOf(client.import).returns.resolves.toEqualTypeOf<RunAnswer>();
    expectTypeOf(client.cancel).returns.resolves.toHaveProperty("run_id").toEqualTypeOf<string>();
    expectTypeOf(client.resume).returns.resolves.toHaveProperty("resume");
    expectTypeOf(client.delete).returns.resolves.toEqualTypeOf<void>();
    expectTypeOf(client.lineage).returns.resolves.toHaveProperty("ancestors");
    expectTypeOf(client.watch).returns.toEqualTypeOf<AsyncGenerator<EventAnswer, RunStatus | undefined, undefined>>();
  });
});

test.each<[string, () => Response]>([
  ["is the page of something between", () => new Response("<html>log in</html>")],
  ["is empty", () => new Response(null, { status: 204 })],
  ["is no object", () => Response.json(null)],
  [
    "breaks off",
    () => {
      const sent = [new TextEncoder().encode('{"run_id":')];
      const pull = (stream: ReadableStreamDefaultController) => {
        const part = sent.shift();
        if (part === undefined) stream.error(new Error("reset"));
        else stream.enqueue(part);
      };
      return new Response(new ReadableStream({ pull }));
    },
  ],
])("an answer that %s is an upstream_failure", async (_, answer) => {
  const client = createClient("http://orca.test", { fetch: answer });
  for (const call of [
    () => client.get("r"),
    () => client.start({ skillId: "s" }),
    () => client.list(),
    () => client.wire.getIfChanged("r", '"1"'),
    () => client.wire.import("{}"),
  ]) {
    await expect(call()).rejects.toMatchObject({ name: "DurableError", code: "upstream_failure" });
  }
});

test.each<[string, unknown]>([
  ["an object without members", {}],
  ["a list", []],
  ["null", null],
  [
    "an object of lists of nothing",
    { run_id: "r", runs: [null], history: [null], events: [null], checkpoints: [null] },
  ],
])("an answer of another shape is an upstream_failure: %s", async (_, answer) => {
  const client = createClient("http://orca.test", { fetch: () => Response.json(answer) });
  for (const call of [
    () => client.get("r"),
    () => client.start({ skillId: "s" }),
    () => client.list(),
    () => client.resume("r"),
    () => client.replay("r"),
    () => client.fork("r"),
    () => client.approve("r"),
    () => client.deny("r"),
    () => client.signal("r", { name: "s" }),
    () => client.cancel("r"),
    () => client.loadCheckpoint("r", "c"),
    () => client.listCheckpoints("r"),
    () => client.history("r"),
    () => client.events("r"),
    () => client.skills(),
    () => client.settled("r"),
  ]) {
    await expect(call(), String(call)).rejects.toMatchObject({ name: "DurableError", code: "upstream_failure" });
  }
});

test("headers that are no plain object are refused: they would not be sent", () => {
  for (const headers of [new Headers({ cookie: "a=b" }), new Map([["cookie", "a=b"]])]) {
    expect(() => createWireClient("http://orca.test", { headers: headers as never })).toThrow(
      expect.objectContaining({ code: "invalid_request", path: "headers" }),
    );
  }
});

describe("the client's bundle", () => {
  const own = (modules: readonly string[]) =>
    modules
      .filter((id) => !id.includes("node_modules/hono/"))
      .map((id) => id.replace(/^.*?\/(src|worker)\//, "$1/"))
      .sort();
  const wire = ["calls", "connection", "failure", "messages", "requests", "watch", "wire"].map(
    (name) => `worker/client/${name}.ts`,
  );

  test("of the wire client contains nothing of the app, no validation and no codec", async () => {
    const { modules, size } = await bundle(["worker/client/wire.ts"]);
    expect(own(modules)).toEqual(
      ["argument", "errors", "json", "record/run"]
        .map((name) => `src/${name}.ts`)
        .concat(wire)
        .sort(),
    );
    expect(size).toBeLessThanOrEqual(6_100);
  });

  test("has besides what values and states are read with, and nothing that executes or stores", async () => {
    const { modules, size } = await bundle(["worker/client/index.ts"]);
    const codec = ["form", "state", "values"].map((name) => `src/codec/${name}.ts`);
    const records = ["known", "precondition", "run", "state"].map((name) => `src/record/${name}.ts`);
    const runs = ["cursor", "feed", "new-run", "outcome"].map((name) => `src/runs/${name}.ts`);
    const data = ["argument", "clock", "errors", "ids", "json", "skills/skill-kind"].map((name) => `src/${name}.ts`);
    const client = ["changes", "client", "index", "records", "schedules"].map((name) => `worker/client/${name}.ts`);
    expect(own(modules)).toEqual([...codec, ...records, ...runs, ...data, ...client, ...wire].sort());
    expect(size).toBeLessThanOrEqual(14_500);
  });
});

describe("a stream of messages", () => {
  const bytesOf = (text: string) => new TextEncoder().encode(text);
  const read = async (chunks: readonly Uint8Array[]) => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(chunk);
        controller.close();
      },
    });
    const retries: number[] = [];
    const messages = [];
    for await (const message of messagesOf(body, (ms) => retries.push(ms))) messages.push(message);
    return { messages, retries };
  };
  const text =
    'retry: 1000\n\nid: 1-0\ndata: {"a":"é 🐋"}\n\n: heartbeat\n\nid: 1-1\r\ndata:two\r\ndata: lines\r\n\r\nevent: end\rdata\r\rid: 2-0\ndata: cut o';
  const expected = {
    messages: [
      { event: "", id: "1-0", data: '{"a":"é 🐋"}' },
      { event: "", id: "1-1", data: "two\nlines" },
      { event: "end", data: "" },
    ],
    retries: [1000],
  };

  test("is the same however it is cut into chunks, and what is not whole is dropped", async () => {
    const bytes = bytesOf(text);
    expect(await read([bytes])).toEqual(expected);
    // In the middle of letters too.
    for (let size = 1; size < 40; size++) {
      const count = Math.ceil(bytes.length / size);
      const chunks = Array.from({ length: count }, (_, index) => bytes.slice(index * size, (index + 1) * size));
      expect(await read(chunks)).toEqual(expected);
    }
  });

  test("without a whole message has no messages", async () => {
    for (const odd of ["", "\n\n\n", "no colon\n\n", "retry: soon\n\n", ":\n\n", "id: 1\n\n", "data: unfinished\n"]) {
      expect(await read([bytesOf(odd)])).toEqual({ messages: [], retries: [] });
    }
  });
});

describe("what a watch says of its connections", () => {
  const event = (id: string) => `id: ${id}\ndata: {"event_id":"r:${id.replace("-", ":")}"}\n\n`;

  /** The states and the events of a watch over these answers of the service, in the order in which they come. */
  async function seen(
    answers: readonly (() => Response)[],
    options: StreamWatchOptions = {},
  ): Promise<readonly unknown[]> {
    const rest = [...answers];
    const client = createWireClient("http://orca.test", {
      fetch: () => {
        const answer = rest.shift();
        if (answer === undefined) throw new Error("nothing more was expected to be asked");
        return answer();
      },
    });
    const all: unknown[] = [];
    const onState = (state: WatchState) =>
      all.push(state.kind === "connected" ? state.kind : [state.kind, state.error.code, state.error.message]);
    const watch = client.watch("r", { retryMs: 1, ...options, onState });
    for await (const { event_id } of watch) all.push(event_id);
    return all;
  }
  const end = 'event: end\ndata: {"status":"completed"}\n\n';
  const silent = () =>
    new Response(new ReadableStream({ start: (one) => one.enqueue(new TextEncoder().encode("\n")) }));

  test("is when one is there, and why one failed", async () => {
    const away = () => {
      throw new TypeError("no network");
    };
    const answers = [away, () => new Response("", { status: 503 }), () => new Response(event("1-0") + end)];
    expect(await seen(answers)).toEqual([
      ["reconnecting", "upstream_failure", "GET http://orca.test/v1/runs/r/stream received no response"],
      ["reconnecting", "upstream_failure", "the service answered with the HTTP status 503"],
      "connected",
      "r:1:0",
    ]);
  });

  test("distinguishes one that is silent for too long from one that is closed normally", async () => {
    const answers = [() => new Response(event("1-0")), silent, () => new Response(event("1-1") + end)];
    expect(await seen(answers, { idleMs: 20 })).toEqual([
      "connected",
      "r:1:0",
      "connected",
      ["reconnecting", "upstream_failure", "the event stream was interrupted"],
      "connected",
      "r:1:1",
    ]);
  });

  test("ends with what the caller's function throws", async () => {
    const client = createWireClient("http://orca.test", { fetch: () => new Response(event("1-0")) });
    const onState = () => {
      throw new RangeError("no place to show it");
    };
    await expect(client.watch("r", { onState }).next()).rejects.toThrow("no place to show it");
  });
});
