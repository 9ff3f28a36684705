import { expect, test } from "vitest";
import { bugs } from "./bugs.ts";
import { planted } from "./plant.ts";
import { explanation, shrink } from "./search.ts";
import { simulate } from "./simulation.ts";

const none: ReadonlySet<string> = new Set();

test("a broken promise is printed with its name, its seed, a shorter list and the command that repeats it", async () => {
  const bug = bugs.find(({ name }) => name === "a lease is taken under the old epoch");
  if (bug?.seed === undefined) throw new Error("the bug has no seed: npm run simulate -- --planted all --renew");
  const { seed } = bug;
  await planted(bug, async (subject) => {
    const outcome = await simulate(subject, seed);
    const invariant = outcome.violation?.invariant;
    expect(invariant).toEqual(expect.any(String));
    const shrunk = await shrink(subject, outcome, none);
    expect(shrunk.violation?.invariant).toBe(invariant);
    expect(shrunk.plan.items.length).toBeGreaterThan(0);
    expect(shrunk.plan.items.length).toBeLessThan(outcome.plan.items.length / 2);
    // Nothing in the list can be left out.
    const kept = shrunk.plan.items.map(({ id }) => id);
    for (const id of kept) {
      const left = outcome.plan.items.map((item) => item.id).filter((other) => other === id || !kept.includes(other));
      const { violation } = await simulate(subject, seed, { without: new Set(left) });
      expect(violation?.invariant).not.toBe(invariant);
    }
    const lines = (await explanation(subject, outcome, { withLog: false, ignored: none })).split("\n");
    expect(lines[0]).toBe(`Broken: ${invariant}`);
    expect(lines[1]).toBe(shrunk.violation?.message);
    expect(lines).toContain(`Seed: ${seed}`);
    const first = lines.indexOf("What has to happen:") + 1;
    const items = lines.slice(first, first + kept.length);
    expect(items.every((line) => / s {2}(a client: \w|\w.*, machine \d)/.test(line))).toBe(true);
    expect(lines[first + kept.length]).toBe("");
    expect(lines.at(-1)).toBe(`Again: npm run simulate -- --seed ${seed}`);
  });
});
