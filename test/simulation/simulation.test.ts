import { describe, expect, test } from "vitest";
import { explanation, shrink } from "./search.ts";
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
/** For all seeds together, in milliseconds of this process's CPU. */
const mostCpuMs = 120_000;

describe("no promise is broken", () => {
  let cpuMs = 0;

  test.each(Array.from({ length: groups }, (_, group) => group))("in worlds of group %i", async (group) => {
    const began = process.cpuUsage();
    for (let seed = 0; seed < seedsOfGroup; seed++) {
      const outcome = await simulate(subject, `fixed-${group}-${seed}`);
      if (outcome.violation !== undefined) {
        // At once, since the time of the test may be over before the list is as short as can be.
        console.error(`Broken: ${outcome.violation.invariant}\nnpm run simulate -- --seed ${outcome.seed}`);
        throw new Error(await explanation(subject, outcome, { withLog: false, ignored: new Set() }));
      }
    }
    const { user, system } = process.cpuUsage(began);
    cpuMs += (user + system) / 1_000;
  });

  test("in worlds with a map each", async () => {
    let maps = 0;
    for (let seed = 0; seed < seedsOfGroup; seed++) {
      const outcome = await simulate(subject, `maps:fixed-${seed}`);
      maps += outcome.counts.get("skill with a map") ?? 0;
      if (outcome.violation !== undefined) {
        throw new Error(await explanation(subject, outcome, { withLog: false, ignored: new Set() }));
      }
    }
    expect(maps).toBe(seedsOfGroup);
  });

  test("in worlds with output", async () => {
    let outputs = 0;
    for (let seed = 0; seed < seedsOfGroup; seed++) {
      const outcome = await simulate(subject, `outputs:fixed-${seed}`);
      outputs += outcome.counts.get("skill with output") ?? 0;
      if (outcome.violation !== undefined) {
        throw new Error(await explanation(subject, outcome, { withLog: false, ignored: new Set() }));
      }
    }
    expect(outputs).toBeGreaterThan(seedsOfGroup / 2);
  });

  test("in worlds with rollbacks", async () => {
    let sagas = 0;
    for (let seed = 0; seed < seedsOfGroup; seed++) {
      const outcome = await simulate(subject, `sagas:fixed-${seed}`);
      sagas += outcome.counts.get("skill with rollbacks") ?? 0;
      if (outcome.violation !== undefined) {
        throw new Error(await explanation(subject, outcome, { withLog: false, ignored: new Set() }));
      }
    }
    expect(sagas).toBeGreaterThan(seedsOfGroup / 2);
  });

  test("in worlds with child runs", async () => {
    let families = 0;
    for (let seed = 0; seed < seedsOfGroup; seed++) {
      const outcome = await simulate(subject, `families:fixed-${seed}`);
      families += outcome.counts.get("skill with children") ?? 0;
      if (outcome.violation !== undefined) {
        throw new Error(await explanation(subject, outcome, { withLog: false, ignored: new Set() }));
      }
    }
    expect(families).toBeGreaterThan(seedsOfGroup / 3);
  });

  test("in worlds with gates that take data", async () => {
    let questions = 0;
    for (let seed = 0; seed < seedsOfGroup; seed++) {
      const outcome = await simulate(subject, `questions:fixed-${seed}`);
      questions += outcome.counts.get("skill with questions") ?? 0;
      if (outcome.violation !== undefined) {
        throw new Error(await explanation(subject, outcome, { withLog: false, ignored: new Set() }));
      }
    }
    expect(questions).toBeGreaterThan(seedsOfGroup / 2);
  });

  test("and all these worlds together take less than two minutes of CPU", () => {
    expect(cpuMs).toBeGreaterThan(0);
    expect(cpuMs).toBeLessThan(mostCpuMs);
  });
});
