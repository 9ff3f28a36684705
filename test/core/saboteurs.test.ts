import { describe, expect, test } from "vitest";
import { checkStore, storeCases } from "../../src/conformance/index.ts";
import { saboteurs } from "../../src/conformance/saboteurs/index.ts";

const caseIds = storeCases.map((one) => one.id);

test("every case and every saboteur has an id of its own", () => {
  expect(new Set(caseIds).size).toBe(caseIds.length);
  expect(new Set(saboteurs.map((one) => one.id)).size).toBe(saboteurs.length);
});

test("every case is meant for at least one saboteur", () => {
  const meant = new Set(saboteurs.flatMap((one) => one.caughtBy));
  expect(caseIds.filter((id) => !meant.has(id))).toEqual([]);
});

describe("a saboteur is caught by the cases meant for it", () => {
  test.each(saboteurs)("$id: $harm", async ({ harness, caughtBy }) => {
    expect(caughtBy).not.toEqual([]);
    const { results } = await checkStore(harness, { only: caughtBy });
    expect(results.filter((result) => result.outcome === "passed").map((result) => result.id)).toEqual([]);
  });
});
