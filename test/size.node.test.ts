import { describe, expect, test } from "vitest";
import { appWith, coreWith } from "../scripts/size.ts";

// Twice the 15 kB that the prototype took: docs/architecture.md says what came on top. It must not grow unseen.
describe.each(["./memory", "./indexeddb", "./d1"])("with %s, minified and gzipped,", (door) => {
  test("the whole core is at most 41.5 kB", async () => {
    expect(await coreWith(door)).toBeLessThanOrEqual(41_500);
  });

  test.each(["code", "graph"] as const)(
    "an app that runs %s skills is at most 32 kB, and carries no more than it uses",
    async (form) => {
      const size = await appWith(door, form);
      expect(size).toBeGreaterThan(1_000);
      expect(size).toBeLessThanOrEqual(32_000);
      expect(size).toBeLessThan(0.8 * (await coreWith(door)));
    },
  );
});
