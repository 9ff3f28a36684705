import { describe, expect, expectTypeOf, test } from "vitest";
import { bundle } from "../scripts/size.ts";
import type { RunStatus } from "../src/index.ts";
import { createClient } from "../worker/client/index.ts";
import { messagesOf } from "../worker/client/messages.ts";
import type { EventAnswer, RunAnswer } from "../worker/http/contract/records.ts";

describe("the client's types", () => {
  const client = createClient("http://orca.test", { fetch: () => Response.json({}) });

  test("refuse bodies, queries and names that no route takes", async () => {
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

describe("the client's bundle", () => {
  test("has nothing of the app in it, and no validation", async () => {
    const { modules, size } = await bundle(["worker/client/index.ts"]);
    const own = modules.filter((id) => !id.includes("node_modules/hono/"));
    expect(own.map((id) => id.replace(/^.*?\/(src|worker)\//, "$1/")).sort()).toEqual([
      "src/errors.ts",
      "worker/client/failure.ts",
      "worker/client/index.ts",
      "worker/client/messages.ts",
      "worker/client/watch.ts",
    ]);
    expect(size).toBeLessThanOrEqual(6_000);
  });
});

describe("a stream of messages", () => {
  const read = async (chunks: readonly string[]) => {
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(encoder.encode(chunk));
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
    expect(await read([text])).toEqual(expected);
    for (let size = 1; size < 40; size++) {
      const chunks = text.match(new RegExp(`[^]{1,${size}}`, "gu")) ?? [];
      expect(await read(chunks)).toEqual(expected);
    }
  });

  test("that says nothing of use has no messages", async () => {
    for (const odd of ["", "\n\n\n", "no colon\n\n", "retry: soon\n\n", ":\n\n", "id: 1\n\n", "data: unfinished\n"]) {
      expect(await read([odd])).toEqual({ messages: [], retries: [] });
    }
  });
});
