import { expect, test } from "vitest";
import { countsLine, fuzz } from "../support/fuzz.ts";
import { fuzzObjectHome } from "../support/fuzz-object-home.ts";
import { fuzzCount, fuzzSeed } from "../support/fuzz-options.ts";

const count = fuzzCount(2_500);

test(`${count} hostile requests through a front to objects`, { timeout: 1_200_000 }, async () => {
  const report = await fuzz(fuzzObjectHome, fuzzSeed, count);
  console.log(`objects, seed ${fuzzSeed}: ${countsLine(report)}`);
  expect(report.findings.slice(0, 20)).toEqual([]);
});
