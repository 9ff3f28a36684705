import { expect, test } from "vitest";
import { memoryStore } from "../adapters/memory/index.ts";
import { createRuntime, defineSkill, exportRun, importRun, type Store } from "../src/index.ts";

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
  const quota = (tenant: string) => (tenant === "small" ? { maxRuns: 3 } : {});
  const runtime = createRuntime({ store: watched, skills: [quick], quota });
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
  const runs = createRuntime({ store: memoryStore(), quota: () => ({ maxRuns: "3" as unknown as number }) }).for("a");
  await expect(runs.create({ skillId: "quick" })).rejects.toMatchObject({
    code: "invalid_request",
    path: "quota.maxRuns",
  });
});
