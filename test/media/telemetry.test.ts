import { expect, test, vi } from "vitest";
import { harness } from "#medium";
import { createRuntime, defineCapability, defineGraphSkill, defineSkill, type Runtime } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { defineTelemetry, instruments, type Telemetry, type TelemetryHooks } from "../../src/telemetry/index.ts";
import { failingStore } from "../../src/testing/index.ts";
import { createApp } from "../../worker/http/index.ts";
import { type RecordedSpan, type Recorder, recorder } from "../support/recorder.ts";
import { stillClock } from "../support/scene.ts";

const version = "1.0.0";
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";

const broken = new Error("the exporter is down");
const fails = () => {
  throw broken;
};

// What is measured, on one medium.

const open = async () => (await harness.fresh()).open();

interface SceneOptions {
  readonly store?: Store;
  /** Called by the capability that is not quick. */
  readonly onWork?: () => unknown;
  readonly isFuture?: boolean;
}

/** A runtime that calls these hooks, over a store of its own by default. */
async function scene(hooks: TelemetryHooks | undefined, { store, onWork, isFuture = false }: SceneOptions = {}) {
  const medium = store ?? (await open());
  const clock = stillClock();
  if (isFuture) clock.advance(3_600_000);
  const failures: string[] = [];
  let calls = 0;
  const runtime = createRuntime({
    serves: false,
    store: medium,
    clock,
    telemetry: hooks && defineTelemetry(hooks),
    onError: (error) => failures.push((error as Error).message),
    capabilities: [
      defineCapability({ id: "work", version, retries: { limit: 2, delay: 0 } }, async (input) => {
        await onWork?.();
        if (input === "flaky" && ++calls < 3) throw new Error("not yet");
        if (input === "bad") throw new Error("never");
        return `${String(input)} done`;
      }),
      defineCapability({ id: "mail", version, sideEffects: "external_action" }, () => "sent"),
    ],
    skills: [
      defineGraphSkill({
        id: "letter",
        version,
        steps: [
          { id: "write", uses: "work", input: "inputs.how", output: "vars.text" },
          { id: "send", uses: "mail", input: "vars.text", output: "outputs.receipt" },
        ],
      }),
      defineGraphSkill({
        id: "patient",
        version,
        steps: [
          { id: "listen", waitFor: { signal: "go" } },
          { id: "write", uses: "work", input: "inputs.how" },
        ],
      }),
    ],
  });
  return { runtime, runs: runtime.for("ann"), store: medium, failures };
}

const start = (skillId: string, how: string) => ({ skillId, inputs: { how }, traceId });

test("a run is measured: its pass, its attempts below it, its steps, commits, events and calls of the store", async () => {
  const told = recorder();
  const { runtime, runs, failures } = await scene(told);
  const { run } = await runs.start(start("letter", "well"));
  await runtime.idle();
  expect((await runs.get(run.runId)).status).toBe("completed");

  const [pass, ...otherPasses] = told.named("pass ");
  expect(otherPasses).toEqual([]);
  expect(pass?.start).toMatchObject({
    name: "pass letter",
    kind: "internal",
    attributes: { "orca.skill.id": "letter", "orca.run.id": run.runId, "orca.tenant.id": "ann" },
    parent: { remote: { traceId, spanId: "a3ce929d0e0e4736", traceFlags: 1 } },
  });
  expect(pass?.attributes).toMatchObject({ "orca.run.status": "completed", "orca.pass.is_lost": false });
  const attempts = told.named("attempt ");
  expect(attempts.map(({ start }) => [start.name, start.attributes["orca.step.id"]])).toEqual([
    ["attempt work", "write"],
    ["attempt mail", "send"],
  ]);
  for (const attempt of attempts) expect(attempt.start.parent).toEqual({ span: pass });
  const below = told.spans.filter(({ start }) => start.kind === "client" && isBelow(start.parent, pass));
  expect(below.map(({ start }) => start.name)).toContain("commit");

  expect(told.count("orca.pass.duration", { "orca.skill.id": "letter", "orca.run.status": "completed" })).toBe(1);
  expect(told.count("orca.attempt.duration", { "orca.capability.id": "work" })).toBe(1);
  expect(told.count("orca.step.duration", { "orca.step.status": "completed", "orca.skill.id": "letter" })).toBe(2);
  const history = (await runs.history(run.runId, { limit: 100 })).items;
  const events = history.flatMap(({ events }) => events.map(({ eventType }) => eventType));
  expect(events).toContain("side_effect.recorded");
  for (const type of new Set(events)) {
    const times = events.filter((other) => other === type).length;
    expect(told.count("orca.events", { "orca.event.type": type }), type).toBe(times);
  }
  expect(told.count("orca.events")).toBe(events.length);
  const commits = told.count("orca.commits", { "orca.commit.outcome": "committed" });
  expect(commits).toBe(told.count("db.client.operation.duration", { "db.operation.name": "commit" }));
  expect(commits).toBeGreaterThanOrEqual(history.length);
  expectSound(told);
  expect(failures).toEqual([]);
});

test("a loop of fifty steps, each with a name of its own, makes as many series of each metric as one step", async () => {
  const seriesOf = async (steps: number) => {
    const told = recorder();
    const loop = defineSkill({
      id: "loop",
      version,
      run: async (step) => {
        for (let number = 0; number < steps; number++) await step.do(`step ${number}`, async () => number);
      },
    });
    const shared = { store: await open(), clock: stillClock(), skills: [loop] };
    const options = { ...shared, serves: false, telemetry: defineTelemetry(told) };
    const runtime = createRuntime(options);
    await runtime.for("ann").start({ skillId: "loop" });
    await runtime.idle();
    expect(told.count("orca.step.duration")).toBe(steps);
    expect(told.count("orca.attempt.duration")).toBe(steps);
    return new Set(told.measurements.map(({ instrument, attributes }) => JSON.stringify([instrument, attributes])));
  };
  expect(await seriesOf(50)).toEqual(await seriesOf(1));
});

test("each attempt and each retry counts, and the failure that ends a run is recorded", async () => {
  const told = recorder();
  const { runtime, runs } = await scene(told);
  await runs.start(start("letter", "flaky"));
  await runtime.idle();
  expect(told.count("orca.attempt.duration", { "error.type": "step_failed" })).toBe(2);
  expect(told.count("orca.events", { "orca.event.type": "step.retry_scheduled" })).toBe(2);
  expect(told.named("attempt work").map(({ start }) => start.attributes["orca.step.attempt"])).toEqual([1, 2, 3]);
  expect(told.named("attempt work")[0]?.error).toEqual({ type: "step_failed", message: "not yet" });

  await runs.start(start("letter", "bad"));
  await runtime.idle();
  expect(told.count("orca.step.duration", { "orca.step.status": "failed" })).toBe(1);
  expect(told.count("orca.pass.duration", { "orca.run.status": "failed" })).toBe(1);
  expectSound(told);
});

test("a result that the ledger gives again is counted as such, and its handler is not called", async () => {
  const told = recorder();
  const { runtime, runs } = await scene(told);
  const { run } = await runs.start(start("letter", "well"));
  await runtime.idle();
  const { items: checkpoints } = await runs.listCheckpoints(run.runId);
  await runs.replay(run.runId, { checkpointId: checkpoints[0]?.checkpointId ?? "" });
  await runtime.idle();
  expect(told.count("orca.events", { "orca.event.type": "side_effect.reused" })).toBe(1);
  expect(told.count("orca.attempt.duration", { "orca.capability.id": "mail" })).toBe(1);
});

test("a drain tells how many runs it took, passed over and left", async () => {
  const store = await open();
  const ids: string[] = [];
  const before = await scene(undefined, { store });
  for (let n = 0; n < 3; n++) ids.push((await before.runs.start(start("patient", "well"))).run.runId);
  await before.runtime.idle();
  // It delivers and leaves the executing to others, and it alone has the skill of one of the runs.
  const deciding = createRuntime({
    serves: false,
    store,
    executes: false,
    clock: stillClock(),
    skills: [defineGraphSkill({ id: "unknown", version, steps: [{ id: "nap", sleep: 1 }] })],
  }).for("ann");
  await deciding.start({ runId: "0-first", skillId: "unknown", inputs: {} });
  for (const id of ids) await deciding.signal(id, { name: "go", payload: null });

  const told = recorder();
  const over = new AbortController();
  const { runtime, failures } = await scene(told, { store, onWork: () => over.abort(), isFuture: true });
  expect(await runtime.drain({ concurrency: 1, signal: over.signal })).toEqual({ taken: 1, passedOver: 1 });
  expect(told.count("orca.drain.duration")).toBe(1);
  expect(told.count("orca.drain.runs", { "orca.drain.outcome": "taken" })).toBe(1);
  expect(told.count("orca.drain.runs", { "orca.drain.outcome": "passed_over" })).toBe(1);
  expect(told.count("orca.drain.runs", { "orca.drain.outcome": "left" })).toBe(2);
  const [drain] = told.named("drain");
  expect(told.spans.filter(({ start }) => isBelow(start.parent, drain)).map(({ start }) => start.name)).toContain(
    "dueRuns",
  );
  expectSound(told);
  // The run that was passed over, since nothing here executes its skill.
  expect(failures).toEqual([`skill "unknown" version ${version} is not registered here`]);
});

test("a run that another executor took counts as a lost lease, and its commit as a conflict", async () => {
  const store = await open();
  const told = recorder();
  let finish: () => void = () => {};
  const isCalled = new Promise<void>((called) => {
    const onWork = () =>
      new Promise<void>((resolve) => {
        finish = resolve;
        called();
      });
    void scene(told, { store, onWork }).then(async ({ runtime, runs }) => {
      frozen = runtime;
      await runs.start(start("letter", "well"));
    });
  });
  let frozen: Runtime | undefined;
  await isCalled;
  const other = recorder();
  const { runtime } = await scene(other, { store, isFuture: true });
  expect(await runtime.drain()).toEqual({ taken: 1, passedOver: 0 });
  finish();
  await frozen?.idle();
  expect(told.count("orca.leases.lost", { "orca.skill.id": "letter" })).toBe(1);
  expect(told.count("orca.commits", { "orca.commit.outcome": "conflict" })).toBe(1);
  expect(told.count("orca.pass.duration", { "orca.pass.is_lost": true })).toBe(1);
  expect(told.named("pass ")[0]?.error).toBeUndefined();
  expect(other.count("orca.leases.lost")).toBe(0);
  expect(other.count("orca.events", { "orca.event.type": "run.recovered" })).toBe(1);
  expectSound(told);
  expectSound(other);
});

test("a call of the store that fails is recorded with its code", async () => {
  const told = recorder();
  const store = await open();
  const { runs } = await scene(told, { store: failingStore(store, ({ method }) => method === "listRuns") });
  await expect(runs.list()).rejects.toThrow();
  expect(told.count("db.client.operation.duration", { "error.type": "store_failed" })).toBe(1);
  expect(told.named("listRuns")[0]?.error).toMatchObject({ type: "store_failed" });
  expect(told.measurements[0]?.attributes).toMatchObject({
    "db.system.name": "test",
    "db.operation.name": "listRuns",
  });
});

test("without hooks nothing is measured", async () => {
  const now = vi.spyOn(performance, "now");
  try {
    const { runtime, runs } = await scene(undefined);
    await runs.start(start("letter", "well"));
    await runtime.idle();
    await runtime.drain();
    expect(now.mock.calls).toEqual([]);
  } finally {
    now.mockRestore();
  }
});

/** An app that calls the same hooks for its requests and runs. */
async function service(hooks: Recorder) {
  const failures: unknown[] = [];
  const { runtime } = await scene(hooks);
  const app = createApp({
    authenticate: ({ request }) => {
      if (request.headers.get("x-api-key") === "broken") throw new TypeError("the login is down");
      return { tenant: "ann", role: "admin" };
    },
    runs: (tenant) => runtime.for(tenant),
    onError: (error) => failures.push(error),
    telemetry: defineTelemetry(hooks),
  });
  const ask = async (method: string, path: string, { body, ...headers }: Readonly<Record<string, string>> = {}) =>
    app.fetch(new Request(`https://orca.test${path}`, { method, headers, ...(body === undefined ? {} : { body }) }));
  return { runtime, ask, failures };
}

test("a request is measured by its route and status, below the span of its caller", async () => {
  const told = recorder();
  const { runtime, ask } = await service(told);
  const body = JSON.stringify({ inputs: { how: "well" } });
  const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
  const response = await ask("POST", "/v1/skills/letter/execute/async", { body, traceparent });
  expect(response.status).toBe(202);
  await runtime.idle();
  const [request] = told.named("POST ");
  expect(request?.start).toEqual({
    name: "POST /v1/skills/:skill_id/execute/async",
    kind: "server",
    attributes: {
      "http.request.method": "POST",
      "http.route": "/v1/skills/:skill_id/execute/async",
      "url.scheme": "https",
    },
    parent: { remote: { traceId, spanId: "00f067aa0ba902b7", traceFlags: 1 } },
  });
  expect(request?.attributes).toMatchObject({ "http.response.status_code": 202 });
  // The run has the caller's trace, and so its passes stand in it.
  expect(told.named("pass ")[0]?.start.parent).toMatchObject({ remote: { traceId } });
  expect(told.count("http.server.request.duration", { "http.response.status_code": 202 })).toBe(1);
  expectSound(told);
});

test.each([
  ["nowhere", "GET", "/nowhere/4711", {}, "GET", { "http.response.status_code": 404 }],
  ["to what is missing", "GET", "/v1/runs/none", {}, "GET /v1/runs/:run_id", { "http.response.status_code": 404 }],
  [
    "of a method that is none of HTTP",
    "PROPFIND",
    "/v1/runs",
    {},
    "HTTP",
    { "http.request.method": "_OTHER", "http.response.status_code": 405 },
  ],
  ["with a traceparent that is none", "GET", "/v1/health", { traceparent: "00-0-0-01" }, "GET /v1/health", {}],
] as const)("a request %s has no error and no parent", async (_, method, path, headers, name, attributes) => {
  const told = recorder();
  const { ask } = await service(told);
  await ask(method, path, headers);
  const [request] = told.spans.filter(({ start }) => start.kind === "server");
  expect(request?.start.name).toBe(name);
  expect(request?.start.parent).toBeUndefined();
  expect(request?.attributes).toMatchObject(attributes);
  expect(request?.error).toBeUndefined();
  expect(told.count("http.server.request.duration", attributes)).toBe(1);
});

test("a request that fails by our fault has an error of its status", async () => {
  const told = recorder();
  const { ask, failures } = await service(told);
  expect((await ask("GET", "/v1/runs", { "x-api-key": "broken" })).status).toBe(500);
  expect(failures).toHaveLength(1);
  const attributes = { "http.response.status_code": 500, "error.type": "500", "http.route": "/v1/runs" };
  expect(told.count("http.server.request.duration", attributes)).toBe(1);
  expect(told.named("GET ")[0]?.error).toEqual({ type: "500", message: "" });
});

test("bare hooks are refused where they are given", async () => {
  const bare = recorder() as unknown as Telemetry;
  const refusal = expect.objectContaining({ code: "invalid_request", path: "telemetry" });
  const store = await open();
  expect(() => createRuntime({ serves: false, store, telemetry: bare })).toThrow(refusal);
  const runs = (tenant: string) => createRuntime({ serves: false, store }).for(tenant);
  expect(() => createApp({ authenticate: () => ({ tenant: "ann", role: "admin" }), runs, telemetry: bare })).toThrow(
    refusal,
  );
});

test("a request is answered whatever its hooks do", async () => {
  const told = recorder();
  const { ask, failures } = await service({ ...told, startSpan: fails, record: fails });
  expect((await ask("GET", "/v1/runs")).status).toBe(200);
  expect(new Set(failures)).toEqual(new Set([broken]));
});

const rejects = () => Promise.reject(broken);
const hooks: Readonly<Record<string, () => TelemetryHooks>> = {
  "that throw": () => ({ startSpan: fails, endSpan: fails, within: fails, record: fails }),
  "that throw once a span was begun": () => ({ ...recorder(), endSpan: fails, within: fails, record: fails }),
  "that reject": () => ({ startSpan: rejects, endSpan: rejects, within: rejects, record: rejects }) as TelemetryHooks,
};

test.each(Object.keys(hooks))("hooks %s disturb no run, and onError is called", async (kind) => {
  const { runtime, runs, failures } = await scene(hooks[kind]?.());
  const { run } = await runs.start(start("letter", "flaky"));
  await runtime.idle();
  await runtime.drain();
  expect(await runs.get(run.runId)).toMatchObject({ status: "completed", result: { receipt: "sent" } });
  expect(new Set(failures)).toEqual(new Set([broken.message]));
});

test.each(["never", "twice", "late", "and fails"])("work is done once by a hook that calls it %s", async (how) => {
  const told = recorder();
  let work = 0;
  const within = (_: unknown, call: () => Promise<void>) => {
    if (how === "twice") void call().then(call);
    if (how === "late") setTimeout(() => void call(), 5);
    if (how !== "and fails") return;
    void call();
    throw broken;
  };
  const { runtime, runs, failures } = await scene({ ...told, within }, { onWork: () => work++ });
  const { run } = await runs.start(start("letter", "well"));
  await runtime.idle();
  expect((await runs.get(run.runId)).status).toBe("completed");
  expect(work).toBe(1);
  expectSound(told);
  expect(failures.length > 0).toBe(how === "and fails");
});

function isBelow(parent: RecordedSpan["start"]["parent"], span: RecordedSpan | undefined): boolean {
  return parent !== undefined && "span" in parent && parent.span === span;
}

/** What holds whatever was measured. */
function expectSound(told: Recorder): void {
  expect(told.spans.filter(({ ends }) => ends !== 1)).toEqual([]);
  for (const { instrument, value } of told.measurements) {
    expect(instruments).toHaveProperty([instrument]);
    expect(value).toBeGreaterThanOrEqual(0);
  }
}
