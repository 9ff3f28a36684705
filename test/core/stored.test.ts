import { afterAll, describe, expect, test, vi } from "vitest";
import type { Runs } from "../../src/index.ts";

// What is only passed on is not made into values on its way: a state of many values costs its text, and no more.

const decoded = { values: 0, fields: 0 };
/** How many values went through the codec, each time that they did. */
const walked = { decoded: 0, encoded: 0 };
const valuesIn = (value: unknown): number =>
  typeof value === "object" && value !== null
    ? Object.values(value).reduce((sum: number, part) => sum + valuesIn(part), 1)
    : 1;

// Files share their modules: these are loaded anew, over a codec that counts, and so are those of the next file.
vi.resetModules();
vi.doMock("../../src/codec/values.ts", async (original) => {
  const real = await original<typeof import("../../src/codec/values.ts")>();
  return {
    ...real,
    decodeValue: (...given: Parameters<typeof real.decodeValue>) => {
      decoded.values++;
      walked.decoded += valuesIn(given[0]);
      return real.decodeValue(...given);
    },
    decodeFields: (...given: Parameters<typeof real.decodeFields>) => {
      decoded.fields++;
      walked.decoded += valuesIn(given[0]);
      return real.decodeFields(...given);
    },
    encodeValue: (...given: Parameters<typeof real.encodeValue>) => {
      walked.encoded += valuesIn(given[0]);
      return real.encodeValue(...given);
    },
    encodeFields: (...given: Parameters<typeof real.encodeFields>) => {
      walked.encoded += valuesIn(given[0]);
      return real.encodeFields(...given);
    },
    encoder: (...given: Parameters<typeof real.encoder>) => {
      const encode = real.encoder(...given);
      return (...part: Parameters<typeof encode>) => {
        walked.encoded += valuesIn(part[0]);
        return encode(...part);
      };
    },
  };
});

const { memoryStore } = await import("../../adapters/memory/index.ts");
const { countingStore } = await import("../../src/conformance/faults.ts");
const { createRuntime, defineSkill } = await import("../../src/index.ts");
const { createApp } = await import("../../worker/http/index.ts");

afterAll(() => {
  vi.doUnmock("../../src/codec/values.ts");
  vi.resetModules();
});

const wide = defineSkill<{ many: readonly unknown[] }>({
  id: "wide",
  version: "1",
  run: async (step, { many }) => {
    for (let n = 0; n < 10; n++) await step.do(`step ${n}`, async () => many);
    return many.length;
  },
});

const many = Array.from({ length: 100 }, (_, n) => new Date(n));

/** A run that ended with a state of many values, and an app that serves it. */
async function serving() {
  const store = countingStore(memoryStore());
  const runtime = createRuntime({ serves: false, store, skills: [wide] });
  const runs = runtime.for("alpha");
  const { run } = await runs.start({ skillId: "wide", inputs: { many } });
  await runtime.idle();
  const app = createApp({ authenticate: () => ({ tenant: "alpha", role: "admin" }), runs: () => runs });
  const get = async (path: string) => {
    decoded.fields = decoded.values = store.counts.calls.getSnapshots = 0;
    const response = await app.fetch(new Request(`http://home/v1/runs${path}`));
    expect([path, response.status]).toEqual([path, 200]);
    return { text: await response.text(), snapshots: store.counts.calls.getSnapshots };
  };
  return { runs, run: await runs.get(run.runId), get };
}

test("a checkpoint and a trace are answered without making values of the state", async () => {
  const { runs, run, get } = await serving();
  // What the count is about: a caller who wants values gets them.
  await runs.loadCheckpoint(run.runId, run.checkpointHead ?? "");
  expect(decoded.fields + decoded.values).toBeGreaterThan(0);
  for (const path of [`checkpoints/${run.checkpointHead}`, "trace"]) {
    const { text } = await get(`/${run.runId}/${path}`);
    expect(text).toContain("step 9");
    expect([path, decoded]).toEqual([path, { values: 0, fields: 0 }]);
  }
});

test("lists, a run's history and its events are answered without reading a state", async () => {
  const { run, get } = await serving();
  for (const path of ["", `/${run.runId}/checkpoints`, `/${run.runId}/history`, `/${run.runId}/events`]) {
    const { text, snapshots } = await get(path);
    expect([path, text.includes(run.runId), snapshots]).toEqual([path, true, 0]);
  }
});

describe("over HTTP", () => {
  const large = Array.from({ length: 2_000 }, (_, n) => ({ id: `item ${n}`, tags: ["a", { n }] }));
  const size = valuesIn(large);
  const returning = defineSkill<{ large: unknown }>({
    id: "returning",
    version: "1",
    run: async (step, { large }) => {
      await step.waitForEvent("go", { type: "go" });
      return large;
    },
  });

  async function home() {
    const runtime = createRuntime({ store: memoryStore(), skills: [returning] });
    const runs = runtime.for("alpha");
    const app = createApp({ authenticate: () => ({ tenant: "alpha", role: "admin" }), runs: () => runs });
    const send = async (method: string, path: string, body?: unknown) => {
      walked.decoded = walked.encoded = 0;
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const response = await app.fetch(new Request(`http://home/v1/runs${path}`, { method, body: text ?? null }));
      const { decoded, encoded } = walked;
      return { status: response.status, answer: await response.json(), decoded, encoded };
    };
    return { runtime, runs, send };
  }
  /** Those of the run's record, which an answer shows. */
  const few = 100;

  test("large values are encoded once on their way in, and never decoded", async () => {
    const { runs, send } = await home();
    const { run } = await runs.create({ skillId: "returning", inputs: { large: [] } });
    const state = { skill_id: "returning", inputs: {}, vars: { large } };
    const birth = { skill_id: "returning", inputs: { large }, start: false };
    const calls: [path: string, body: object][] = [
      ["", birth],
      [`/${run.runId}/checkpoints`, { checkpoint_id: "mine", kind: "k", state }],
      [`/${run.runId}/fork`, { edit: { vars: { large } } }],
    ];
    for (const [path, body] of calls) {
      const { status, decoded, encoded } = await send("POST", path, body);
      expect([path, status]).toEqual([path, path.endsWith("fork") ? 200 : 201]);
      expect([path, decoded]).toEqual([path, expect.toSatisfy((count: number) => count < few)]);
      expect(encoded).toBeGreaterThanOrEqual(size);
      expect(encoded).toBeLessThan(size + few);
    }
    const { state: saved } = await runs.loadCheckpoint(run.runId, "mine");
    expect(saved.vars).toEqual({ large });
  });

  test("a large result is neither decoded nor encoded on its way out", async () => {
    const { runtime, runs, send } = await home();
    const { run } = await runs.start({ skillId: "returning", inputs: { large: [...large, ...large] } });
    await runtime.idle();
    await runs.signal(run.runId, { name: "go" });
    await runtime.idle();
    const { status, answer, decoded, encoded } = await send("GET", `/${run.runId}`);
    expect([status, answer.status]).toEqual([200, "completed"]);
    expect(answer.result).toEqual([...large, ...large]);
    expect(decoded + encoded).toBeLessThan(few);
  });

  test.each([
    ["written out", '{"$durable":["date","2026-03-26T12:00:00.000Z"]}'],
    ["escaped", '{"\\u0024durable":["date","2026-03-26T12:00:00.000Z"]}'],
    ["escaped inside", '{"$dur\\u0061ble":["date","2026-03-26T12:00:00.000Z"]}'],
  ])("a tag is decoded: %s", async (_, at) => {
    const { runs, send } = await home();
    const { status, answer } = await send("POST", "", `{"skill_id":"returning","start":false,"inputs":{"at":${at}}}`);
    expect(status).toBe(201);
    const { state } = await runs.loadCheckpoint(answer.run_id, answer.checkpoint_head);
    expect(state.inputs).toEqual({ at: new Date("2026-03-26T12:00:00.000Z") });
    const malformed = await send("POST", "", `{"skill_id":"returning","inputs":{"at":${at.replace("date", "dote")}}}`);
    expect([malformed.status, malformed.answer.error]).toMatchObject([
      400,
      { code: "invalid_request", path: "inputs.at" },
    ]);
  });
});

/** A run of many steps that waits, and its store. */
async function resting(value: (n: number) => unknown) {
  const store = memoryStore();
  const skill = defineSkill({
    id: "long",
    version: "1",
    run: async (step) => {
      for (let n = 0; n < 200; n++) await step.do(`step ${n}`, async () => value(n));
      await step.waitForEvent("more", { type: "go" });
      await step.do("last", async () => "x");
    },
  });
  const runtime = createRuntime({ store, skills: [skill] });
  await runtime.for("alpha").start({ skillId: "long", runId: "r" });
  await runtime.idle();
  return { store, skill, runs: createRuntime({ store }).for("alpha") };
}

async function loaded(runs: Pick<Runs, "get" | "loadCheckpoint">) {
  const { checkpointHead = "" } = await runs.get("r");
  decoded.values = 0;
  return (await runs.loadCheckpoint("r", checkpointHead)).state;
}

test("a load makes no values of a state in which each stands for itself, and the caller owns what it gets", async () => {
  const { runs } = await resting((n) => ({ n, text: "x".repeat(100) }));
  const state = await loaded(runs);
  expect(decoded.values).toBe(0);
  expect(structuredClone(state)).toEqual(state);
  expect(state.stepResults["step 7"]).toMatchObject({ producedOutput: { n: 7 }, status: "completed" });
  const own = state as { stepResults: Record<string, { producedOutput: { n: number } } | undefined>; vars: object };
  for (const result of Object.values(own.stepResults)) if (result) result.producedOutput.n = -1;
  own.vars = { a: 1 };
  expect((await loaded(runs)).stepResults["step 7"]).toMatchObject({ producedOutput: { n: 7 } });
});

test("a value that JSON cannot express is loaded as it was, also if its tag is escaped", async () => {
  const { runs, store } = await resting((n) => (n === 7 ? new Date(7) : n));
  expect((await loaded(runs)).stepResults["step 7"]?.producedOutput).toEqual(new Date(7));
  expect(decoded.values).toBeGreaterThan(200);
  const escaping = {
    ...store,
    getSnapshots: async (...given: Parameters<typeof store.getSnapshots>) => {
      const rows = await store.getSnapshots(...given);
      return rows.map((row) => ({ ...row, body: row.body.replace("$durable", "\\u0024durable") }));
    },
  };
  const state = await loaded(createRuntime({ store: escaping }).for("alpha"));
  expect(state.stepResults["step 7"]?.producedOutput).toEqual(new Date(7));
});

test("a step after a load writes what is new, and no whole state to know its size", async () => {
  const { skill, store } = await resting(() => "x".repeat(1_000));
  const runtime = createRuntime({ store, skills: [skill] });
  let written = 0;
  const stringify = vi.spyOn(JSON, "stringify");
  try {
    await runtime.for("alpha").signal("r", { name: "go" });
    await runtime.idle();
    written = stringify.mock.results.reduce((sum, { value }) => sum + String(value ?? "").length, 0);
  } finally {
    stringify.mockRestore();
  }
  expect((await runtime.for("alpha").get("r")).status).toBe("completed");
  expect(written).toBeLessThan(100_000);
  // Its next checkpoints are deltas over the head that was loaded.
  const head = await store.getEntry("alpha", "r", (await runtime.for("alpha").get("r")).checkpointHead ?? "");
  expect(head?.keyframe).toBe(1);
});
