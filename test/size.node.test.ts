import { describe, expect, test } from "vitest";
import { appWith, coreWith } from "../scripts/size.ts";

// More than twice the 15 kB that the prototype took: docs/architecture.md says what came on top. It must not grow unseen.
describe.each(["./memory", "./indexeddb", "./d1"])("with %s, minified and gzipped,", (door) => {
  test("the whole core is at most 42 kB", async () => {
    expect(await coreWith(door)).toBeLessThanOrEqual(42_000);
  });

  test("an app that runs a skill is at most 40.5 kB, and takes less than the whole core", async () => {
    const size = await appWith(door);
    expect(size).toBeGreaterThan(1_000);
    expect(size).toBeLessThanOrEqual(40_500);
    expect(size).toBeLessThan(await coreWith(door));
  });
});
