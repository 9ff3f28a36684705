import { expect, test } from "vitest";
import { coreWith } from "../scripts/size.ts";

// More than twice the 15 kB that the prototype took: docs/architecture.md says what came on top. It must not grow unseen.
const ceiling = 42_000;

test.each(["./memory", "./indexeddb", "./d1"])(
  "the core with %s is at most 42 kB, minified and gzipped",
  async (door) => {
    const size = await coreWith(door);
    expect(size).toBeGreaterThan(1_000);
    expect(size).toBeLessThanOrEqual(ceiling);
  },
);
