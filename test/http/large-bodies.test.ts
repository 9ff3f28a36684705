import { expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime } from "../../src/index.ts";
import { createApp } from "../../worker/http/index.ts";
import { LargeBodies } from "../../worker/http/large-bodies.ts";

const kB = 1024;

/** A body of these bytes, and whether it has had its turn. */
function held(bodies: LargeBodies, bytes: number, signal = new AbortController().signal) {
  const body = bodies.open();
  body.add(bytes);
  const state = { isInWork: false, turn: body.turn(signal), close: () => body.close() };
  state.turn.then(
    () => {
      state.isInWork = true;
    },
    // As a request that is answered.
    () => body.close(),
  );
  return state;
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

test("large bodies are processed one by one in their order, and small ones do not wait", async () => {
  const bodies = new LargeBodies(20_000 * kB);
  const all = [600, 300, 300, 900, 100].map((size) => held(bodies, size * kB));
  const small = held(bodies, 64 * kB);
  await settled();
  expect(small.isInWork).toBe(true);
  expect(all.map(({ isInWork }) => isInWork)).toEqual([true, true, false, false, false]);
  all[0]?.close();
  await settled();
  expect(all.map(({ isInWork }) => isInWork)).toEqual([true, true, true, false, false]);
  all[1]?.close();
  all[2]?.close();
  await settled();
  expect(all.map(({ isInWork }) => isInWork)).toEqual([true, true, true, true, true]);
});

test("a body over the limit of what is processed at once is processed alone", async () => {
  const bodies = new LargeBodies(20_000 * kB);
  const [large, next] = [held(bodies, 5_000 * kB), held(bodies, 100 * kB)];
  await settled();
  expect([large.isInWork, next.isInWork]).toEqual([true, false]);
  large.close();
  await settled();
  expect(next.isInWork).toBe(true);
});

test("what has been read and waits is bounded, and a rejected body does not count", () => {
  const bodies = new LargeBodies(1_000 * kB);
  const first = held(bodies, 900 * kB);
  const second = bodies.open();
  second.add(64 * kB);
  expect(() => second.add(100 * kB)).toThrow(expect.objectContaining({ code: "rate_limited", retryAfterMs: 1_000 }));
  second.close();
  const third = bodies.open();
  third.add(100 * kB);
  third.close();
  first.close();
  // One body alone is bounded by the app.
  bodies.open().add(2_000 * kB);
});

test("a body whose turn does not come in time is rejected, and the next one has its turn", async () => {
  const bodies = new LargeBodies(20_000 * kB, 50);
  const first = held(bodies, 900 * kB);
  const second = held(bodies, 900 * kB);
  await expect(second.turn).rejects.toMatchObject({ code: "rate_limited", retryAfterMs: 1_000 });
  const third = held(bodies, 900 * kB);
  first.close();
  await third.turn;
  expect([first.isInWork, second.isInWork]).toEqual([true, false]);
});

test("a body whose caller has gone gives its place to the next one at once", async () => {
  const bodies = new LargeBodies(20_000 * kB);
  const caller = new AbortController();
  held(bodies, 900 * kB);
  const second = held(bodies, 900 * kB, caller.signal);
  const third = held(bodies, 100 * kB);
  await settled();
  expect([second.isInWork, third.isInWork]).toEqual([false, false]);
  caller.abort();
  await expect(second.turn).rejects.toMatchObject({ code: "rate_limited", message: expect.stringContaining("gone") });
  await third.turn;
  // Also one that has gone while its body was read.
  await expect(held(bodies, 900 * kB, AbortSignal.abort()).turn).rejects.toMatchObject({ code: "rate_limited" });
});

test("a request whose caller has gone while it waited is answered at once, and creates nothing", async () => {
  const stalled = Promise.withResolvers<void>();
  const bare = memoryStore();
  const store = {
    ...bare,
    commit: (...args: Parameters<typeof bare.commit>) => stalled.promise.then(() => bare.commit(...args)),
  };
  const runs = createRuntime({ serves: false, store }).for("t");
  const app = createApp({ authenticate: () => ({ tenant: "t", role: "admin" }), runs: () => runs });
  const create = async (runId: string, signal: AbortSignal | null = null) => {
    const body = JSON.stringify({ run_id: runId, skill_id: "s", start: false, inputs: { text: "x".repeat(900 * kB) } });
    return (await app.fetch(new Request("http://orca.test/v1/runs", { method: "POST", body, signal }))).status;
  };
  const caller = new AbortController();
  const first = create("first");
  const second = create("second", caller.signal);
  await settled();
  caller.abort();
  expect(await second).toBe(429);
  stalled.resolve();
  expect(await first).toBe(201);
  expect((await runs.list()).items.map(({ runId }) => runId)).toEqual(["first"]);
});

test("a call of another tenant that arrives with the end of the largest body is answered before it", async () => {
  const runtime = createRuntime({ serves: false, store: memoryStore(), executes: false });
  const tenantOf = (request: Request) => request.headers.get("x-api-key") ?? "";
  const app = createApp({
    authenticate: ({ request }) => ({ tenant: tenantOf(request), role: "execute" }),
    runs: (name) => runtime.for(name),
  });
  await runtime.for("other").create({ skillId: "any", runId: "r" });
  const answered: string[] = [];
  const call = async (tenant: string, path: string, init: RequestInit = {}) => {
    const headers = { "x-api-key": tenant };
    const response = await app.fetch(new Request(`http://home${path}`, { ...init, headers }));
    expect(response.status).toBeLessThan(300);
    await response.text();
    answered.push(tenant);
  };
  const others: Promise<void>[] = [];
  const text = `{"skill_id":"any","start":false,"inputs":{"a":[${"[],".repeat(248_000)}[]]}}`;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new TextEncoder().encode(text));
      controller.close();
      setImmediate(() => others.push(call("other", "/v1/runs/r")));
    },
  });
  await call("large", "/v1/runs", { method: "POST", body, duplex: "half" } as RequestInit);
  await Promise.all(others);
  expect(answered).toEqual(["other", "large"]);
});
