import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { countsLine, fuzz } from "../support/fuzz.ts";
import { fuzzD1Home } from "../support/fuzz-d1-home.ts";
import { fuzzCount, fuzzSeed } from "../support/fuzz-options.ts";

// Fewer than over memory, since each takes several queries. `npm run fuzz` sends 10,000 here too.
const count = fuzzCount(2_500);

test(`${count} hostile requests over D1`, { timeout: 1_200_000 }, async () => {
  const report = await fuzz(() => fuzzD1Home(env.DB), fuzzSeed, count);
  console.log(`D1, seed ${fuzzSeed}: ${countsLine(report)}`);
  expect(report.findings.slice(0, 20)).toEqual([]);
});
