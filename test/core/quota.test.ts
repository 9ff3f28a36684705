import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { countingStore } from "../../src/conformance/faults.ts";
import { createRuntime, DurableError, defineQuota, defineSkill, saveCheckpoint } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { exportRun, importRun } from "../../src/transfer.ts";
import type { Quota } from "../../src/types.ts";

const quick = defineSkill({ id: "quick", version: "1", run: async () => "done" });

test("a tenant with as many runs as it may have gets no other, however it is born, and nothing is written", async () => {
  const store = memoryStore();
  const commits: string[] = [];
  const watched: Store = {
    ...store,
    commit(commit) {
      commits.push(commit.run.runId);
      return store.commit(commit);
    },
  };
  const quota = defineQuota((tenant) => (tenant === "small" ? { maxRuns: 3 } : {}));
  const runtime = createRuntime({ serves: false, store: watched, skills: [quick], quota });
  const [small, large] = [runtime.for("small"), runtime.for("large")];
  const first = await small.start({ skillId: "quick", runId: "a", idempotencyKey: "key" });
  await small.create({ skillId: "quick", runId: "b" });
  await small.fork("a", { newRunId: "c" });
  await large.create({ skillId: "quick", runId: "moved" });
  const lines: string[] = [];
  for await (const line of exportRun(large, "moved")) lines.push(line);
  await runtime.idle();

  commits.length = 0;
  const births = [
    () => small.start({ skillId: "quick" }),
    () => small.create({ skillId: "quick" }),
    () => small.replay("a"),
    ...Array.from({ length: 5 }, () => () => small.fork("a")),
    () => importRun(small, lines),
  ];
  for (const birth of births) {
    await expect(birth()).rejects.toMatchObject({ code: "quota_exceeded", details: { runs: 3, maxRuns: 3 } });
  }
  expect(commits).toEqual([]);

  // What is there goes on, and a call that is repeated gets its run.
  expect(await small.start({ skillId: "quick", runId: "a", idempotencyKey: "key" })).toMatchObject({
    isRepeat: true,
    run: { runId: first.run.runId },
  });
  await small.resume("b");
  await runtime.idle();
  await small.delete("c");
  await importRun(small, lines);
  await expect(small.fork("a")).rejects.toMatchObject({ code: "quota_exceeded" });
  for (let number = 0; number < 5; number++) await large.create({ skillId: "quick" });
});

test("a quota that is no number is refused by name", async () => {
  const runs = createRuntime({
    serves: false,
    store: memoryStore(),
    quota: defineQuota(() => ({ maxRuns: "3" as unknown as number })),
  }).for("a");
  await expect(runs.create({ skillId: "quick" })).rejects.toMatchObject({
    code: "invalid_request",
    path: "quota.maxRuns",
  });
});

test("a quota that takes time to find bounds its tenant, also if births come together", async () => {
  const store = memoryStore();
  const runs = createRuntime({
    serves: false,
    store,
    quota: defineQuota(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return { maxRuns: 2 };
    }),
  }).for("a");
  const births = await Promise.allSettled([1, 2, 3, 4].map(() => runs.create({ skillId: "quick" })));
  expect(births.map(({ status }) => status).sort()).toEqual(["fulfilled", "fulfilled", "rejected", "rejected"]);
  await expect(runs.create({ skillId: "quick" })).rejects.toMatchObject({ code: "quota_exceeded" });
  expect(await store.countRuns("a", {})).toBe(2);
});

const down = new Error("the service of quotas is down");
const blocked = new DurableError("store_blocked", "the table of quotas is locked");
test.each<[string, () => unknown, object]>([
  ["nothing", () => undefined, { code: "invalid_request", path: "quota" }],
  ["null", () => null, { code: "invalid_request", path: "quota" }],
  ["a number", () => 3, { code: "invalid_request", path: "quota" }],
  ["a list", () => [3], { code: "invalid_request", path: "quota" }],
  ["a promise of nothing", async () => undefined, { code: "invalid_request", path: "quota" }],
  ["a promise of a text", async () => ({ maxBytes: "3" }), { code: "invalid_request", path: "quota.maxBytes" }],
  [
    "nothing, since it throws",
    () => {
      throw down;
    },
    { code: "internal_error", cause: down },
  ],
  ["a promise that rejects", () => Promise.reject(down), { code: "internal_error", cause: down }],
  ["a promise that rejects with a typed error", () => Promise.reject(blocked), blocked],
])("a birth under a quota that returns %s is rejected, and nothing is written", async (_, limits, refusal) => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", note);
  try {
    const store = memoryStore();
    const runs = createRuntime({ serves: false, store, skills: [quick], quota: defineQuota(limits as never) }).for("a");
    await expect(runs.create({ skillId: "quick" })).rejects.toMatchObject(refusal);
    await expect(runs.start({ skillId: "quick" })).rejects.toMatchObject(refusal);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await store.countRuns("a", {})).toBe(0);
    expect(unhandled).toEqual([]);
  } finally {
    process.off("unhandledRejection", note);
  }
});

test("what is no quota is refused by name, before anything is asked of it", () => {
  for (const quota of [() => ({ maxRuns: 1 }), {}, 3, "many"]) {
    expect(() => createRuntime({ serves: false, store: memoryStore(), quota: quota as never })).toThrow(
      "quota: expected the result of defineQuota",
    );
  }
  for (const limits of [undefined, null, { maxRuns: 1 }]) {
    expect(() => defineQuota(limits as never)).toThrow("quota: expected a function");
  }
});

/** A tenant under a quota, over a clock that the test moves. */
function bounded(quota: Quota) {
  const store = countingStore(memoryStore());
  const clock = { at: 1_000_000, now: () => clock.at, sleep: async () => {} };
  const runtime = createRuntime({
    serves: false,
    store,
    skills: [quick],
    clock,
    quota: defineQuota((tenant) => (tenant === "free" ? {} : quota)),
  });
  return { store, clock, runtime, runs: runtime.for("small"), free: runtime.for("free") };
}

async function linesOf(runs: Parameters<typeof exportRun>[0], runId: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const line of exportRun(runs, runId)) lines.push(line);
  return lines;
}

test("a tenant with as many bytes as it may have gets no other run, however it is born, and nothing is written", async () => {
  const { store, runtime, runs, free } = bounded({ maxBytes: 100_000 });
  await runs.start({ skillId: "quick", runId: "a", inputs: { text: "é".repeat(40_000) } });
  await free.create({ skillId: "quick", runId: "moved", inputs: { text: "é".repeat(40_000) } });
  await runtime.idle();
  const lines = await linesOf(free, "moved");

  const { commit } = store.counts.calls;
  const births = [
    () => runs.start({ skillId: "quick", inputs: { text: "x".repeat(20_000) } }),
    () => runs.create({ skillId: "quick", inputs: { text: "x".repeat(20_000) } }),
    () => runs.replay("a"),
    () => runs.fork("a"),
    () => importRun(runs, lines),
  ];
  for (const birth of births) {
    await expect(birth()).rejects.toMatchObject({
      code: "quota_exceeded",
      hint: "delete or prune runs that have ended",
      details: { bytes: expect.any(Number), neededBytes: expect.any(Number), maxBytes: 100_000 },
    });
  }
  expect(store.counts.calls.commit).toBe(commit);
  expect(await store.usage("small")).toMatchObject({ runs: 1 });

  // What fits is born, and a deletion makes room at once.
  await runs.create({ skillId: "quick", runId: "b" });
  await runs.delete("a");
  await importRun(runs, lines);
  expect(await runs.count()).toBe(2);
});

test("what a tenant has is read once in five seconds, and births in between are added", async () => {
  const { store, clock, runs, free } = bounded({ maxRuns: 5, maxBytes: 1_000_000 });
  const { calls } = store.counts;
  for (let number = 0; number < 4; number++) await runs.create({ skillId: "quick" });
  await Promise.allSettled([1, 2, 3].map(() => runs.create({ skillId: "quick" })));
  expect(await store.countRuns("small", {})).toBe(5);
  for (let number = 0; number < 20; number++) {
    await expect(runs.create({ skillId: "quick" })).rejects.toMatchObject({ details: { runs: 5, maxRuns: 5 } });
  }
  expect(calls.usage).toBe(1);
  clock.at += 5_000;
  await expect(runs.create({ skillId: "quick" })).rejects.toMatchObject({ code: "quota_exceeded" });
  expect(calls.usage).toBe(2);

  await free.create({ skillId: "quick" });
  expect(calls.usage).toBe(2);
});

test("a birth that is not written takes no room", async () => {
  const { store, runs } = bounded({ maxRuns: 3 });
  await runs.create({ skillId: "quick", runId: "a" });
  for (let number = 0; number < 5; number++) {
    await expect(runs.create({ skillId: "quick", runId: "a" })).rejects.toMatchObject({ code: "conflict" });
  }
  await runs.create({ skillId: "quick", runId: "b" });
  await runs.create({ skillId: "quick", runId: "c" });
  await expect(runs.create({ skillId: "quick" })).rejects.toMatchObject({ code: "quota_exceeded" });
  // Runs alone are counted, which looks at no body.
  expect([store.counts.calls.usage, store.counts.calls.countRuns]).toEqual([0, 1]);
});

test("a failed reading fails the birth that waited for it, and the next one reads again", async () => {
  const store = memoryStore();
  let failures = 1;
  const failing: Store = {
    ...store,
    usage: (tenant) => (failures-- > 0 ? Promise.reject(new Error("away")) : store.usage(tenant)),
  };
  const runs = createRuntime({
    serves: false,
    store: failing,
    skills: [quick],
    quota: defineQuota(() => ({ maxBytes: 1_000_000 })),
  }).for("small");
  await expect(runs.create({ skillId: "quick" })).rejects.toMatchObject({ code: "store_failed" });
  await runs.create({ skillId: "quick" });
});

/** A tenant that may have one run, and a run of it whose commit hangs until the test lets it go. */
function hanging(quota: Quota) {
  const store = memoryStore();
  const clock = { at: 1_000_000, now: () => clock.at, sleep: async () => {} };
  const commits: { go(outcome: () => unknown): void }[] = [];
  const slow: Store = {
    ...store,
    async commit(commit) {
      if (commit.run.runId !== "slow") return store.commit(commit);
      const outcome = await new Promise<() => unknown>((go) => {
        commits.push({ go });
      });
      return ((await outcome()) ?? store.commit(commit)) as Awaited<ReturnType<Store["commit"]>>;
    },
  };
  const runs = createRuntime({ serves: false, store: slow, clock, quota: defineQuota(() => quota) }).for("a");
  const other = () => runs.create({ skillId: "quick", runId: "other" });
  const refused = () => expect(other()).rejects.toMatchObject({ code: "quota_exceeded" });
  return { store, clock, runs, other, refused, commits };
}

const oneRun = await (async () => {
  const store = memoryStore();
  await createRuntime({ serves: false, store }).for("a").create({ skillId: "quick", runId: "slow" });
  return (await store.usage("a")).bytes;
})();

describe.each<[string, Quota]>([
  ["runs", { maxRuns: 1 }],
  ["bytes", { maxBytes: oneRun + 10 }],
])("under a quota of %s, a birth that takes longer to write than a reading holds", (_, quota) => {
  test("counts in the readings that are made meanwhile", async () => {
    const { store, clock, runs, refused, commits } = hanging(quota);
    const birth = runs.create({ skillId: "quick", runId: "slow" });
    await expect.poll(() => commits.length).toBe(1);
    for (let reading = 0; reading < 3; reading++) {
      clock.at += 5_000;
      await refused();
    }
    commits[0]?.go(() => undefined);
    await birth;
    await refused();
    expect(await store.countRuns("a", {})).toBe(1);
  });

  test("counts once after it was written", async () => {
    const { clock, runs, other, commits } = hanging(
      quota.maxRuns === undefined ? { maxBytes: 3 * oneRun + 200 } : { maxRuns: 3 },
    );
    const birth = runs.create({ skillId: "quick", runId: "slow" });
    await expect.poll(() => commits.length).toBe(1);
    clock.at += 5_000;
    await other();
    commits[0]?.go(() => undefined);
    await birth;
    clock.at += 5_000;
    await runs.create({ skillId: "quick", runId: "third" });
    await expect(runs.create({ skillId: "quick" })).rejects.toMatchObject({ code: "quota_exceeded" });
  });

  test("counts no longer once it is certain that nothing was written", async () => {
    const { clock, runs, other, refused, commits } = hanging(quota);
    const birth = runs.create({ skillId: "quick", runId: "slow" });
    await expect.poll(() => commits.length).toBe(1);
    clock.at += 5_000;
    await refused();
    commits[0]?.go(() => Promise.reject(new DurableError("store_blocked", "a page is in the way")));
    await expect(birth).rejects.toMatchObject({ code: "store_blocked" });
    await other();
  });

  test("counts while its reading holds if its outcome is unknown", async () => {
    const { clock, runs, other, refused, commits } = hanging(quota);
    const birth = runs.create({ skillId: "quick", runId: "slow" });
    const failed = expect(birth).rejects.toMatchObject({ code: "store_failed" });
    await expect.poll(() => commits.length).toBe(1);
    clock.at += 5_000;
    await refused();
    for (let attempt = 0; attempt < 3; attempt++) {
      await expect.poll(() => commits.length).toBe(attempt + 1);
      commits[attempt]?.go(() => Promise.reject(new Error("connection lost")));
    }
    await failed;
    await refused();
    clock.at += 5_000;
    await other();
  });
});

test("births wait together for a reading that takes longer than readings hold", async () => {
  const store = memoryStore();
  const clock = { at: 1_000_000, now: () => clock.at, sleep: async () => {} };
  const readings: (() => void)[] = [];
  const slow: Store = {
    ...store,
    async countRuns(...filter) {
      const count = await store.countRuns(...filter);
      await new Promise<void>((answer) => {
        readings.push(answer);
      });
      return count;
    },
  };
  const runs = createRuntime({ serves: false, store: slow, clock, quota: defineQuota(() => ({ maxRuns: 2 })) }).for(
    "a",
  );
  const births = [1, 2, 3, 4].map(async () => {
    clock.at += 5_000;
    return runs.create({ skillId: "quick" });
  });
  await expect.poll(() => readings.length).toBe(1);
  readings[0]?.();
  expect((await Promise.allSettled(births)).map(({ status }) => status).sort()).toEqual([
    "fulfilled",
    "fulfilled",
    "rejected",
    "rejected",
  ]);
  expect(readings.length).toBe(1);
});

test("an import that passes the quota on its way is refused, and what it has left can be deleted", async () => {
  const { store, runs, free } = bounded({ maxBytes: 4_000_000 });
  await free.create({ skillId: "quick", runId: "large" });
  for (let number = 0; number < 12; number++) {
    const { state } = await free.loadCheckpoint("large", (await free.get("large")).checkpointHead ?? "");
    const vars = { text: `${number}`.padEnd(500_000, "x") };
    await saveCheckpoint(free, "large", { kind: "saved", state: { ...state, vars } });
  }
  const lines = await linesOf(free, "large");
  await expect(importRun(runs, lines)).rejects.toMatchObject({ code: "quota_exceeded" });
  const { bytes } = await store.usage("small");
  expect(bytes).toBeLessThanOrEqual(4_000_000);
  expect(bytes).toBeGreaterThan(0);
  await runs.delete("large");
  expect(await store.usage("small")).toMatchObject({ runs: 0 });
  await runs.create({ skillId: "quick" });
});
