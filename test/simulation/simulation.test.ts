import { describe, expect, test } from "vitest";
import { shrink } from "./search.ts";
import { simulate } from "./simulation.ts";
import { loadSubject } from "./subject.ts";

const subject = await loadSubject();

describe("the simulator", () => {
  test("a seed decides everything: the same seed plays the same world twice", async () => {
    for (const seed of ["same-1", "same-2", "same-3"]) {
      const [first, second] = [await simulate(subject, seed), await simulate(subject, seed)];
      expect(second.lines).toEqual(first.lines);
      expect(second.digest).toBe(first.digest);
    }
  });

  test("another seed plays another world", async () => {
    const [one, other] = [await simulate(subject, "same-1"), await simulate(subject, "same-2")];
    expect(other.digest).not.toBe(one.digest);
  });

  test("it does something: runs are started, steps are called, faults are met", async () => {
    const outcomes = [];
    for (let seed = 0; seed < 5; seed++) outcomes.push(await simulate(subject, `busy-${seed}`));
    expect(outcomes.reduce((sum, { calls }) => sum + calls, 0)).toBeGreaterThan(50);
    expect(outcomes.reduce((sum, { commits }) => sum + commits, 0)).toBeGreaterThan(200);
    expect(outcomes.some(({ counts }) => [...counts.keys()].some((name) => name.startsWith("met ")))).toBe(true);
  });

  test("a plan without its items is the world without them", async () => {
    const { plan } = await simulate(subject, "same-1");
    const without = new Set(plan.items.map(({ id }) => id));
    const empty = await simulate(subject, "same-1", { without });
    expect(empty.plan.items).toEqual([]);
    expect(empty.commits).toBe(0);
    expect((await shrink(subject, empty, new Set())).plan.items).toEqual([]);
  });
});

/** Few enough for every run of the tests; `npm run simulate -- --minutes 10` searches on. */
const groups = 6;
const seedsOfGroup = 20;

describe("no promise is broken", () => {
  test.each(Array.from({ length: groups }, (_, group) => group))(
    "in worlds of group %i",
    { timeout: 120_000 },
    async (group) => {
      for (let seed = 0; seed < seedsOfGroup; seed++) {
        const name = `fixed-${group}-${seed}`;
        const { violation } = await simulate(subject, name);
        const told = violation && `${violation.invariant}: ${violation.message}\nnpm run simulate -- --seed ${name}`;
        expect(told).toBeUndefined();
      }
    },
  );
});
