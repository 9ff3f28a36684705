import { afterAll, expect, test, vi } from "vitest";

// What is only passed on is not made into values on its way: a state of many values costs its text, and no more.

const decoded = { values: 0, fields: 0 };

// Files share their modules: these are loaded anew, over a codec that counts, and so are those of the next file.
vi.resetModules();
vi.doMock("../../src/codec/values.ts", async (original) => {
  const real = await original<typeof import("../../src/codec/values.ts")>();
  return {
    ...real,
    decodeValue: (...given: Parameters<typeof real.decodeValue>) => {
      decoded.values++;
      return real.decodeValue(...given);
    },
    decodeFields: (...given: Parameters<typeof real.decodeFields>) => {
      decoded.fields++;
      return real.decodeFields(...given);
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
  const runtime = createRuntime({ store, skills: [wide] });
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
