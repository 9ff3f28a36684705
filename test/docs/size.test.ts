import { describe, expect, test } from "vitest";
import { allDoorsWith, appWith, bundle, coreWith } from "../../scripts/size.ts";

// docs/architecture.md says what an app carries, and what each promise has cost. It must not grow unseen.
describe.each(["./memory", "./indexeddb", "./d1"])("with %s, minified and gzipped,", (door) => {
  test("the main door is at most 54 kB", async () => {
    expect(await coreWith(door)).toBeLessThanOrEqual(54_000);
  });

  test.each(["code", "graph"] as const)(
    "an app that runs %s skills is at most 45 kB, and carries no more than it uses",
    async (form) => {
      const size = await appWith(door, form);
      expect(size).toBeGreaterThan(1_000);
      expect(size).toBeLessThanOrEqual(45_000);
      expect(size).toBeLessThan(0.8 * (await allDoorsWith(door)));
    },
  );
});

test("an app without schedules carries nothing of them", async () => {
  const core = await bundle(["src/index.ts", "src/steps.ts", "adapters/indexeddb/index.ts"]);
  expect(core.modules.filter((file) => /schedules|croner/.test(file))).toEqual([]);
  const { modules } = await bundle(["worker/schedules/index.ts"]);
  expect(modules.filter((file) => file.includes("croner"))).toHaveLength(1);
});

test("the service worker is at most 65 kB, without the reference and the inspector", async () => {
  const { size, modules } = await bundle(["worker/browser/service-worker.ts"]);
  expect(size).toBeLessThanOrEqual(65_000);
  expect(modules.filter((file) => /openapi|reference|inspector\/(page|bundle)/.test(file))).toEqual([]);
});

test("the hooks for React are at most 3 kB, with what follows runs, and nothing of the runtime", async () => {
  const { size, modules } = await bundle(["worker/react/index.ts"]);
  expect(size).toBeLessThanOrEqual(3_000);
  expect(modules.filter((file) => /engine|journal|codec|runs\/runs\.ts/.test(file))).toEqual([]);
});

test("they are at most 4 kB with the output of steps, and nothing of the runtime", async () => {
  const { size, modules } = await bundle(["worker/react/index.ts", "worker/react/output.ts"]);
  expect(size).toBeLessThanOrEqual(4_000);
  expect(modules.filter((file) => /engine|journal|codec|runs\/runs\.ts/.test(file))).toEqual([]);
});
