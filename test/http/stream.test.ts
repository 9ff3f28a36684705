import { describe, expect, test, vi } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime, type Runs } from "../../src/index.ts";
import { type LiveEvent, watchLive } from "../../src/steps.ts";
import type { Store } from "../../src/store.ts";
import { watchRun, watchRuns } from "../../src/watch.ts";
import { createClient, createWireClient } from "../../worker/client/index.ts";
import { messagesOf } from "../../worker/client/messages.ts";
import { chunkStream } from "../../worker/http/chunks.ts";
import { createApp, type StreamOptions } from "../../worker/http/index.ts";
import { sentEvents } from "../support/http-home.ts";
import { httpCapabilities, httpSkills } from "../support/http-skills.ts";

/** An app with a pending run in it, which nothing happens to, and all that was asked of its store. */
async function serving(stream: StreamOptions, isSpent: () => boolean = () => false) {
  const asked: string[] = [];
  const memory = memoryStore();
  const store = new Proxy(memory, {
    get: (target, name: keyof Store) => {
      const call = target[name] as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => {
        asked.push(name);
        return call.apply(target, args);
      };
    },
  });
  const runtime = createRuntime({ serves: false, store, skills: httpSkills, capabilities: httpCapabilities, isSpent });
  const runs = runtime.for("alpha");
  let left = () => {};
  const isLeft = new Promise<void>((resolve) => {
    left = resolve;
  });
  const signals: AbortSignal[] = [];
  const watched = new Proxy(runs, {
    get: (target, name: keyof Runs) => {
      if (name === "watch") {
        return (...args: Parameters<Runs["watch"]>) => {
          if (args[1]?.signal !== undefined) signals.push(args[1].signal);
          return leaving(target.watch(...args), left);
        };
      }
      const call = target[name] as unknown as (...args: unknown[]) => unknown;
      return call.bind(target);
    },
  });
  const told: unknown[] = [];
  const app = createApp({
    authenticate: () => ({ tenant: "alpha", role: "admin" }),
    runs: () => watched,
    onError: (error) => told.push(error),
    stream,
  });
  const { run } = await runs.create({ skillId: "http.chain" });
  const open = async (init: RequestInit = {}) =>
    app.fetch(new Request(`http://orca.test/v1/runs/${run.runId}/stream`, init));
  const fetch = async (request: Request) => app.fetch(request);
  return { open, fetch, asked, told, isLeft, runs, signals, runId: run.runId as string, store: memory };
}

async function* leaving<T, R>(
  watch: AsyncGenerator<T, R, undefined>,
  left: () => void,
): AsyncGenerator<T, R, undefined> {
  try {
    return yield* watch;
  } finally {
    left();
  }
}

/** The text of a stream up to and with these words. */
async function readUpTo(response: Response, words: string) {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  for (let text = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`the stream ended without ${words}: ${text}`);
    text += decoder.decode(value, { stream: true });
    if (text.includes(words)) return { text, reader };
  }
}

describe("a stream of events", () => {
  test("sends comments as heartbeats", async () => {
    const { open, isLeft } = await serving({ heartbeatMs: 1 });
    const { text, reader } = await readUpTo(await open(), ": heartbeat\n\n: heartbeat\n\n");
    expect(sentEvents(text)).toHaveLength(2);
    await reader.cancel();
    await isLeft;
  });

  test("has what a step shows live, without an id, and a client hands it out among the events", async () => {
    const { fetch, runs } = await serving({});
    const { run } = await runs.create({ skillId: "http.telling", inputs: { words: [], latch: "it was shown" } });
    const far = createClient("http://orca.test", { fetch: (request) => fetch(request) });
    const events = watchLive(far, run.runId);
    await events.next();
    await runs.resume(run.runId);
    const live: LiveEvent[] = [];
    while (live.length < 2) {
      const { value } = await events.next();
      if (value !== undefined && typeof value !== "string" && "isLive" in value) live.push(value);
    }
    expect(live).toEqual([
      {
        isLive: true,
        eventType: "step.started",
        occurredAt: expect.stringMatching(/Z$/),
        payload: { step_id: "tell", uses: "step.do", attempt: 1 },
      },
      expect.objectContaining({
        eventType: "step.published",
        payload: { step_id: "tell", part: "1.1", chunk: "begun" },
      }),
    ]);
    await runs.start({ skillId: "http.release", inputs: { latch: "it was shown" } });
    const rest: unknown[] = [];
    for await (const event of events) rest.push(event.eventType);
    expect(rest).toContain("step.output");
    expect(rest.at(-2)).toBe("run.completed");
  });

  test("stops reading the store when its reader cancels", async () => {
    const { open, asked, isLeft } = await serving({ pollMs: 1, maxPollMs: 1 });
    const { reader } = await readUpTo(await open(), "checkpoint.saved");
    await reader.cancel();
    await isLeft;
    const before = asked.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(asked).toHaveLength(before);
  });

  test("fires no event during the call with which its reader cancels", async () => {
    const { open, signals, isLeft } = await serving({});
    const { reader } = await readUpTo(await open(), "checkpoint.saved");
    const left = reader.cancel();
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    await left;
    await isLeft;
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });

  test("cleans up if its reader cancels before it has read anything", async () => {
    const { open, told, asked, signals } = await serving({ pollMs: 1, maxPollMs: 1, heartbeatMs: 1 });
    await (await open()).body?.cancel();
    const before = asked.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(asked).toHaveLength(before);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(told).toEqual([]);
  });

  test("closes without an end when the app ends all its streams, and a client continues on another app", async () => {
    const ending = new AbortController();
    const { open, fetch, isLeft, runs, runId } = await serving({ signal: ending.signal });
    const later = createApp({ authenticate: () => ({ tenant: "alpha", role: "admin" }), runs: () => runs });
    const asked: string[] = [];
    const client = createWireClient("http://orca.test", {
      fetch: (request) => {
        if (request.url.endsWith("/stream")) asked.push(ending.signal.aborted ? "the later" : "the first");
        return ending.signal.aborted ? later.fetch(request) : fetch(request);
      },
    });
    const { reader } = await readUpTo(await open(), "checkpoint.saved");
    const seen: string[] = [];
    for await (const { event_id, event_type } of client.watch(runId, { retryMs: 1 })) {
      seen.push(event_id);
      if (event_type === "checkpoint.saved" && !ending.signal.aborted) {
        ending.abort();
        await runs.cancel(runId);
      }
    }
    await isLeft;
    while (!(await reader.read()).done);
    expect(asked).toEqual(["the first", "the later"]);
    expect(seen).toEqual((await runs.events(runId)).items.map(({ eventId }) => eventId));
    // One that is opened afterwards says no more than that.
    expect(sentEvents(await (await open({ headers: { "last-event-id": "0-0" } })).text())).toEqual([]);
  });

  test("ends with the request that asked for it", async () => {
    const { open, isLeft } = await serving({});
    const left = new AbortController();
    const response = await open({ signal: left.signal });
    const { reader } = await readUpTo(response, "checkpoint.saved");
    left.abort();
    await isLeft;
    while (!(await reader.read()).done);
  });

  test("closes without an end after its maximum time", async () => {
    const { open, isLeft } = await serving({ maxMs: 20 });
    const text = await (await open()).text();
    await isLeft;
    expect(sentEvents(text).map(({ event }) => event)).toEqual([undefined, undefined]);
  });

  test("closes without an end before the platform's query limit is reached", async () => {
    const spent = { is: false };
    const { open, asked, isLeft } = await serving({ pollMs: 1, maxPollMs: 1 }, () => spent.is);
    const { reader } = await readUpTo(await open(), "checkpoint.saved");
    spent.is = true;
    while (!(await reader.read()).done);
    await isLeft;
    expect(asked.length).toBeGreaterThan(0);
  });

  test("does not read the history while nothing happens", async () => {
    const { open, asked, isLeft } = await serving({ pollMs: 1, maxPollMs: 1, heartbeatMs: 1 });
    const { reader } = await readUpTo(await open(), "checkpoint.saved");
    const seen = () => asked.slice(from);
    const from = asked.length;
    while (seen().filter((name) => name === "getRun").length < 10) await reader.read();
    await reader.cancel();
    await isLeft;
    expect(seen().filter((name) => name !== "getRun").length).toBeLessThanOrEqual(1);
  });

  test("fails if the store fails, and logs the error", async () => {
    const { open, told, isLeft, store } = await serving({ pollMs: 1, maxPollMs: 1 });
    const { reader } = await readUpTo(await open(), "checkpoint.saved");
    await store.close();
    let rest = "";
    for (let done = false; !done; ) {
      const part = await reader.read();
      rest += new TextDecoder().decode(part.value);
      done = part.done;
    }
    await isLeft;
    expect(rest).not.toContain("event:");
    expect(told).toMatchObject([{ code: "store_failed" }]);
  });
});

describe("a body of chunks", () => {
  async function* counting(on: { ended: boolean }, failure?: Error): AsyncGenerator<string, void, undefined> {
    try {
      for (let count = 0; ; count++) {
        if (failure !== undefined && count === 1) throw failure;
        yield `${count};`;
      }
    } finally {
      on.ended = true;
    }
  }

  test("is produced as fast as it is read, and ends a microtask after its reader cancels", async () => {
    const on = { ended: false };
    let left = 0;
    const reader = chunkStream(
      counting(on),
      (error) => expect.unreachable(String(error)),
      () => left++,
    ).getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("0;");
    const gone = reader.cancel();
    expect([on.ended, left]).toEqual([false, 0]);
    await gone;
    await new Promise((resolve) => setTimeout(resolve));
    expect([on.ended, left]).toEqual([true, 1]);
  });

  test("fails with its error, and reports it once", async () => {
    const failure = new Error("no more");
    const told: unknown[] = [];
    const body = chunkStream(counting({ ended: false }, failure), (error) => told.push(error));
    await expect(new Response(body).text()).rejects.toThrow();
    expect(told).toEqual([failure]);
  });
});

describe("the stream of changes", () => {
  /** A service with a pending run, and how often its store listed runs. */
  async function service(stream: StreamOptions) {
    const memory = memoryStore();
    const lists = { count: 0 };
    const listRuns: Store["listRuns"] = (...query) => {
      lists.count++;
      return memory.listRuns(...query);
    };
    const options = { serves: false, skills: httpSkills, capabilities: httpCapabilities };
    const runs = createRuntime({ ...options, store: { ...memory, listRuns } }).for("alpha");
    const app = createApp({ authenticate: () => ({ tenant: "alpha", role: "admin" }), runs: () => runs, stream });
    const { run } = await runs.create({ skillId: "http.chain" });
    const elsewhere = createRuntime({ ...options, store: memory });
    const fetch = async (request: Request) => app.fetch(request);
    return { fetch, runs, lists, elsewhere, runId: run.runId as string };
  }

  /** What it announces, in the order of arrival, until it is left. */
  async function announced(response: Response, count: number): Promise<readonly string[]> {
    const ids: string[] = [];
    for await (const { data } of messagesOf(response.body as ReadableStream<Uint8Array>, () => {})) {
      ids.push(...(JSON.parse(data) as { readonly run_ids: readonly string[] }).run_ids);
      if (ids.length >= count) break;
    }
    return ids;
  }
  const changes = () => new Request("http://orca.test/v1/changes");

  test("announces a change that the notifier announces at once, without a look", async () => {
    const { fetch, runs, lists, runId } = await service({ pollMs: 60_000 });
    const response = await fetch(changes());
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    const ids = announced(response, 1);
    await vi.waitUntil(() => lists.count === 2);
    await runs.cancel(runId);
    expect(await ids).toEqual([runId]);
    expect(lists.count).toBe(2);
  });

  test("finds a change of another process by looking", async () => {
    const { fetch, elsewhere, runId } = await service({ pollMs: 5, maxPollMs: 20 });
    const ids = announced(await fetch(changes()), 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await elsewhere.for("alpha").cancel(runId);
    expect(await ids).toEqual([runId]);
  });

  test("is silent about the runs of another tenant", async () => {
    const { fetch, elsewhere, runs, runId } = await service({ pollMs: 5, maxPollMs: 20 });
    const ids = announced(await fetch(changes()), 1);
    await elsewhere.for("beta").create({ skillId: "http.chain", runId: "foreign" });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await runs.cancel(runId);
    expect(await ids).toEqual([runId]);
  });

  test("is one for all that a client follows, and ends with the last of them", async () => {
    const { fetch, runs, runId } = await service({ pollMs: 60_000 });
    const open: AbortSignal[] = [];
    const client = createClient("http://orca.test", {
      fetch(request) {
        if (request.url.endsWith("/v1/changes")) open.push(request.signal);
        return fetch(request);
      },
    });
    const stopping = new AbortController();
    const { signal } = stopping;
    const statuses: (string | undefined)[] = [];
    const following = [
      ...Array.from({ length: 5 }, async () => {
        for await (const { run } of watchRun(client, runId, { signal, pollMs: 60_000 })) statuses.push(run?.status);
      }),
      (async () => {
        for await (const { items } of watchRuns(client, {}, { signal, pollMs: 60_000 }))
          statuses.push(items[0]?.status);
      })(),
    ];
    await vi.waitUntil(() => statuses.length === 6);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await runs.cancel(runId);
    // Long before any of them looks by itself.
    await vi.waitUntil(() => statuses.filter((status) => status === "canceled").length === 6, { timeout: 50_000 });
    expect([open.length, open[0]?.aborted]).toEqual([1, false]);
    stopping.abort();
    await Promise.all(following);
    expect(open[0]?.aborted).toBe(true);
  });

  test("is not asked for again if the service has none, and its runs are followed by looking", async () => {
    const { fetch, runs, runId } = await service({ pollMs: 60_000 });
    let asked = 0;
    const client = createClient("http://orca.test", {
      fetch(request) {
        if (!request.url.endsWith("/v1/changes")) return fetch(request);
        asked++;
        return Response.json({ error: { code: "not_found", message: "unknown path" } }, { status: 404 });
      },
    });
    for await (const { run } of watchRun(client, runId, { pollMs: 20 })) {
      if (run?.status === "canceled") break;
      await runs.cancel(runId);
    }
    expect(asked).toBe(1);
  });
});
