import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime, defineSkill, type Runs, type RuntimeOptions, saveCheckpoint } from "../../src/index.ts";
import type { Commit, Store } from "../../src/store.ts";
import type { NewCheckpointRequest } from "../../src/types.ts";

const gated = defineSkill({
  id: "gated",
  version: "1",
  run: async (step) => step.waitForApproval("ask"),
});

/** A memory store that counts what it is asked to write. */
function counting(): { store: Store; commits: Commit[] } {
  const store = memoryStore();
  const commits: Commit[] = [];
  return {
    commits,
    store: {
      ...store,
      commit(commit) {
        commits.push(commit);
        return store.commit(commit);
      },
    },
  };
}

/** A tenant with a run `gate`, which waits for a person, and a run `made`, which rests. */
async function tenantWithRuns(options: Partial<RuntimeOptions> = {}) {
  const { store, commits } = counting();
  const runtime = createRuntime({ serves: false, store, skills: [gated], ...options });
  const runs = runtime.for("alpha");
  await runs.start({ skillId: "gated", runId: "gate" });
  await runtime.idle();
  await runs.create({ skillId: "gated", runId: "made" });
  return { runs, commits, runtime };
}

async function state(runs: Runs) {
  const { head = "" } = await runs.listCheckpoints("made");
  return (await runs.loadCheckpoint("made", head)).state;
}

/** What callers without types pass; the compiler would refuse all of it. */
type Untyped = { readonly [K in keyof Runs]: (...given: readonly unknown[]) => Promise<unknown> };

const wrongTexts = [42, null, {}, [], true];

const births = [
  ...["threadId", "sessionId", "traceId", "environment", "idempotencyKey", "runId", "skillVersion"].flatMap((name) =>
    wrongTexts.map((wrong) => [{ skillId: "gated", [name]: wrong }, name === "runId" ? "run_id" : name] as const),
  ),
  ...[...wrongTexts, undefined, "ä"].map((skillId) => [{ skillId }, "skillId"] as const),
  ...[42, [], new Date(0), "a"].flatMap((wrong) =>
    (["metadata", "inputs"] as const).map((name) => [{ skillId: "gated", [name]: wrong }, name] as const),
  ),
  [{ skillId: "gated", metadata: { a: () => 1 } }, "metadata.a"],
  [{ skillId: "gated", inputs: { a: [Symbol("s")] } }, "inputs.a[0]"],
] as const;

const others: readonly (readonly [keyof Runs, readonly unknown[], string])[] = [
  ["get", [42], "run_id"],
  ["list", [null], "query"],
  ["list", [{ status: "done" }], "status"],
  ["list", [{ status: 1 }], "status"],
  ["list", [{ skillId: {} }], "skillId"],
  ["list", [{ sourceRunId: 1 }], "sourceRunId"],
  ["list", [{ order: "up" }], "order"],
  ["list", [{ limit: "10" }], "limit"],
  ["list", [{ offset: "1" }], "offset"],
  ["list", [{ after: { createdAt: 1, runId: "r" } }], "after"],
  ["list", [{ after: "" }], "after"],
  ["list", [{ after: "r" }], "after"],
  ["list", [{ after: btoa("1:ä") }], "after"],
  ["count", [{ status: "done" }], "status"],
  ["count", [{ skillId: [] }], "skillId"],
  ["loadCheckpoint", ["made", 1], "checkpoint_id"],
  ["listCheckpoints", ["made", { after: 1 }], "after"],
  ["listCheckpoints", ["made", { limit: "a" }], "limit"],
  ["listCheckpoints", ["made", { limit: 1.5 }], "limit"],
  ["resume", ["made", { checkpointId: 1 }], "checkpoint_id"],
  ["resume", ["made", null], "options"],
  ["replay", ["gate", { newRunId: 1 }], "run_id"],
  ["replay", ["gate", { checkpointId: {} }], "checkpoint_id"],
  ["replay", ["gate", { idempotencyKey: 1 }], "idempotencyKey"],
  ["fork", ["gate", { newRunId: [] }], "run_id"],
  ["fork", ["gate", { idempotencyKey: 1 }], "idempotencyKey"],
  ["fork", ["gate", { edit: null }], "edit"],
  ["fork", ["gate", { edit: { vars: 1 } }], "edit.vars"],
  ["fork", ["gate", { edit: { inputs: { a: () => 1 } } }], "edit.inputs.a"],
  ["approve", ["gate", { approver: 42 }], "approver"],
  ["approve", ["gate", { notes: {} }], "notes"],
  ["approve", ["gate", { stepId: 1 }], "stepId"],
  ["approve", ["gate", { expectedRevision: "1" }], "expectedRevision"],
  ["deny", ["gate", { approver: [] }], "approver"],
  ["deny", ["gate", { notes: 1 }], "notes"],
  ["signal", ["gate", { name: 1 }], "name"],
  ["signal", ["gate", { name: "n", payload: () => 1 }], "payload"],
  ["signal", ["gate", null], "signal"],
  ["cancel", ["gate", { expectedRevision: ["1"] }], "expectedRevision"],
  ["delete", ["made", { expectedRevision: {} }], "expectedRevision"],
  ["history", ["made", { after: "0" }], "after"],
  ["history", ["made", { limit: 0 }], "limit"],
  ["events", ["made", { after: 7 }], "after"],
  ["events", ["made", { limit: "7" }], "limit"],
];

describe("an argument of the wrong type is refused by its path, and nothing is written", () => {
  test("of create and start", async () => {
    const { runs, commits } = await tenantWithRuns();
    const before = commits.length;
    const untyped = runs as unknown as Untyped;
    for (const [request, path] of births) {
      for (const operation of ["create", "start"] as const) {
        const error: unknown = await untyped[operation](request).catch((error: unknown) => error);
        const shown = JSON.stringify({ operation, request });
        expect(error, shown).toMatchObject({ code: "invalid_request", path });
      }
    }
    expect(await untyped.create().catch((error: unknown) => error)).toMatchObject({ code: "invalid_request" });
    expect(await untyped.start().catch((error: unknown) => error)).toMatchObject({ code: "invalid_request" });
    expect(commits.length).toBe(before);
    expect((await runs.list()).items.length).toBe(2);
  });

  test.each(others)("%s(%j): %s", async (operation, given, path) => {
    const { runs, commits } = await tenantWithRuns();
    const before = commits.length;
    const untyped = runs as unknown as Untyped;
    const error: unknown = await untyped[operation](...given).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: "invalid_request", path });
    expect(commits.length).toBe(before);
    expect((await runs.list()).items.length).toBe(2);
  });

  test.each<[string, (state: object) => object, string]>([
    ["kind", () => ({ kind: 1 }), "kind"],
    ["an empty kind", () => ({ kind: "" }), "kind"],
    ["stepId", () => ({ kind: "k", stepId: {} }), "stepId"],
    ["pendingWrites", () => ({ kind: "k", pendingWrites: "vars.a" }), "pendingWrites"],
    ["an item of pendingWrites", () => ({ kind: "k", pendingWrites: ["a", 1] }), "pendingWrites[1]"],
    // biome-ignore lint/suspicious/noSparseArray: a hole is what this is about.
    ["a hole in pendingWrites", () => ({ kind: "k", pendingWrites: ["a", , "b"] }), "pendingWrites[1]"],
    ["checkpointId", () => ({ kind: "k", checkpointId: 1 }), "checkpoint_id"],
    ["no state", () => ({ kind: "k", state: undefined }), "state"],
    ["a state that is text", () => ({ kind: "k", state: "state" }), "state"],
    ["iteration", (state) => ({ kind: "k", state: { ...state, iteration: "3" } }), "state.iteration"],
    ["NaN", (state) => ({ kind: "k", state: { ...state, iteration: Number.NaN } }), "state.iteration"],
    ["no skill", (state) => ({ kind: "k", state: { ...state, skillId: undefined } }), "state.skill_id"],
    ["vars", (state) => ({ kind: "k", state: { ...state, vars: [1] } }), "state.vars"],
    ["a Map for vars", (state) => ({ kind: "k", state: { ...state, vars: new Map([["a", 1]]) } }), "state.vars"],
    ["a Date for outputs", (state) => ({ kind: "k", state: { ...state, outputs: new Date(0) } }), "state.outputs"],
    [
      "a Map for results",
      (state) => ({ kind: "k", state: { ...state, stepResults: new Map() } }),
      "state.step_results",
    ],
    ["a function in vars", (state) => ({ kind: "k", state: { ...state, vars: { f() {} } } }), "state.vars.f"],
    ["targets", (state) => ({ kind: "k", state: { ...state, writtenTargets: [1] } }), "state.written_targets[0]"],
    ["no events", (state) => ({ kind: "k", state: { ...state, events: {} } }), "state.events"],
    [
      "a result",
      (state) => ({ kind: "k", state: { ...state, stepResults: { a: { stepId: "a", uses: 1, status: "" } } } }),
      "state.step_results.a.uses",
    ],
    ["no trace", (state) => ({ kind: "k", state: { ...state, trace: null } }), "state.trace"],
  ])("saveCheckpoint: %s", async (_what, request, path) => {
    const { runs, commits } = await tenantWithRuns();
    const good = await state(runs);
    const before = commits.length;
    const given = { state: good, ...request(good) } as unknown as NewCheckpointRequest;
    const error: unknown = await saveCheckpoint(runs, "made", given).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: "invalid_request", path });
    expect(commits.length).toBe(before);
    expect((await runs.listCheckpoints("made")).total).toBe(1);
  });
});
