import { describe, test } from "vitest";
import { type StoreHarness, storeCases } from "../../src/conformance/index.ts";

/** Each case of the conformance suite as a test. */
export function testStore(medium: string, harness: StoreHarness): void {
  describe(`a store on ${medium}`, () => {
    for (const { id, clause, run } of storeCases) test(`${id}: ${clause}`, () => run(harness));
  });
}
