import { expect, test } from "vitest";
import { coreWith } from "../scripts/size.ts";

test.each(["./memory", "./indexeddb", "./d1"])(
  "the core with %s is at most 15 kB, minified and gzipped",
  async (door) => {
    const size = await coreWith(door);
    expect(size).toBeGreaterThan(1_000);
    expect(size).toBeLessThanOrEqual(15_000);
  },
);
