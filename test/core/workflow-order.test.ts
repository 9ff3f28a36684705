import fc from "fast-check";
import { expect, test } from "vitest";
import { crashingStore } from "../../src/conformance/faults.ts";
import { defineSkill, type WorkflowStep } from "../../src/index.ts";
import { type MapSteps, maps } from "../../src/steps.ts";
import type { Run } from "../../src/types.ts";
import { memoryHarness } from "../support/memory-harness.ts";
import { type Actor, leaseMs, scene, turn } from "../support/scene.ts";

/** What a body does, as data. Each node has a number of its own, once it is numbered. */
type Plan =
  | { readonly kind: "step"; readonly pauses: number; readonly turns: number; readonly fails: boolean }
  | { readonly kind: "sleep" }
  | {
      readonly kind: "map";
      readonly items: readonly { readonly turns: number; readonly fails: boolean }[];
      readonly concurrency: number;
      readonly onFailure: "fail" | "collect";
    }
  | { readonly kind: "sequence" | "all" | "race" | "any" | "settled"; readonly of: readonly Plan[] };

const { plan } = fc.letrec<{ plan: Plan }>((tie) => ({
  plan: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.record({ kind: fc.constant("step" as const), pauses: fc.nat(8), turns: fc.nat(3), fails: fc.boolean() }),
    fc.constant({ kind: "sleep" as const }),
    fc.record({
      kind: fc.constant("map" as const),
      items: fc.array(fc.record({ turns: fc.nat(3), fails: fc.boolean() }), { maxLength: 5 }),
      concurrency: fc.integer({ min: 1, max: 3 }),
      onFailure: fc.constantFrom("fail" as const, "collect" as const),
    }),
    fc.record({
      kind: fc.constantFrom("sequence" as const, "all" as const, "race" as const, "any" as const, "settled" as const),
      of: fc.array(tie("plan"), { minLength: 1, maxLength: 4 }),
    }),
  ),
}));

const noRetries = { retries: { limit: 0, delay: 1 } };

/** A body that follows a plan. `ways` gets every way that it took at each fork, in whichever pass. */
function follow(plan: Plan, ways: Map<string, Set<unknown>>) {
  return async (step: WorkflowStep & MapSteps) => {
    const decided = async (path: string, way: unknown) => {
      ways.set(path, (ways.get(path) ?? new Set()).add(way));
      return step.do(`${path}:${way}`, async () => way);
    };
    const visit = async (node: Plan, path: string): Promise<unknown> => {
      switch (node.kind) {
        case "step":
          // Pure work before it.
          for (let n = 0; n < node.pauses; n++) await undefined;
          return step.do(path, noRetries, async () => {
            for (let n = 0; n < node.turns; n++) await turn();
            if (node.fails) throw new Error(path);
            return path;
          });
        case "sleep":
          return step.sleep(path, "1 hour");
        case "map": {
          const { items, concurrency, onFailure } = node;
          const options = { concurrency, onFailure: onFailure as "fail", ...noRetries };
          let inFlight = 0;
          const way = await step
            .map(path, items, options, async ({ turns, fails }, _, index) => {
              expect(++inFlight).toBeLessThanOrEqual(concurrency);
              for (let n = 0; n < turns; n++) await turn();
              inFlight--;
              if (fails) throw new Error(`${index}`);
              return index;
            })
            .then(JSON.stringify, (error: Error) => `failed ${error.message}`);
          return decided(path, way);
        }
        case "sequence": {
          const results = [];
          for (const [index, inner] of node.of.entries()) {
            results.push(await visit(inner, `${path}.${index}`).catch((error: Error) => error.message));
          }
          return results;
        }
        default: {
          const branches = node.of.map((inner, index) => visit(inner, `${path}.${index}`));
          const named = branches.map((branch, index) => branch.then(() => index));
          for (const branch of named) branch.catch(() => {});
          const combine = { all: Promise.all, race: Promise.race, any: Promise.any, settled: Promise.allSettled };
          const way = await (combine[node.kind] as typeof Promise.race)
            .call(Promise, named)
            .then(JSON.stringify, (error: Error) => `failed ${error.message}`);
          return decided(path, way);
        }
      }
    };
    return visit(plan, "0").catch((error: Error) => error.message);
  };
}

const hour = 3_600_000;

async function toItsEnd(actor: Actor, runId: string): Promise<Run> {
  let run = await actor.later(leaseMs, runId);
  while (run.status === "running") run = await actor.later(hour, runId);
  return run;
}

test("a body takes the same way in every pass, wherever a pass ends, and again when it is replayed", async () => {
  const crashes = fc.array(fc.record({ atCommit: fc.integer({ min: 1, max: 12 }), isAfter: fc.boolean() }), {
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(plan, crashes, (plan, crashes) =>
      scene(memoryHarness, async ({ actor, store }) => {
        const ways = new Map<string, Set<unknown>>();
        const skills = [defineSkill({ id: "body", version: "1", uses: [maps], run: follow(plan, ways) })];
        const { run } = await actor({ skills, executes: false }).runs.start({ skillId: "body" });
        for (const { atCommit, isAfter } of crashes) {
          const crash = { atCommit, moment: isAfter ? "after" : "before", calls: "reject" } as const;
          const doomed = actor({ skills, store: crashingStore(store, crash) });
          await doomed.later(leaseMs, run.runId).catch(() => undefined);
          await doomed.die();
        }
        const last = actor({ skills });
        const ended = await toItsEnd(last, run.runId);
        expect(ended).toMatchObject({ status: "completed" });

        const { items: checkpoints } = await last.runs.listCheckpoints(run.runId);
        const lastStep = checkpoints.findLast(({ kind }) => kind === "step_completed");
        if (lastStep === undefined) return;
        const { run: replay } = await last.runs.replay(run.runId, { checkpointId: lastStep.checkpointId });
        expect(await toItsEnd(last, replay.runId)).toMatchObject({ status: "completed", result: ended.result });
        expect([...ways].filter(([, taken]) => taken.size > 1)).toEqual([]);
      }),
    ),
    { numRuns: 150 },
  );
});

test("nothing new is executed before the body has received every recorded answer", () =>
  scene(memoryHarness, async ({ actor }) => {
    const seen: string[] = [];
    const body = async (step: WorkflowStep) => {
      const first = async () => {
        await step.do("first", async () => "first");
        seen.push("first answered");
        const retries = { retries: { limit: 2, delay: "1 hour" } } as const;
        return step.do("new", retries, async ({ attempt }) => {
          seen.push(`new executed, attempt ${attempt}`);
          if (attempt === 1) throw new Error("busy");
          return "new";
        });
      };
      const second = async () => {
        await step.do("second", async () => {
          for (let n = 0; n < 20; n++) await turn();
        });
        seen.push("second answered");
      };
      return (await Promise.all([first(), second()]))[0];
    };
    const last = actor({ body });
    const { run } = await last.runs.start({ skillId: "body" });
    expect(await last.later(0, run.runId)).toMatchObject({ status: "running" });
    expect(seen).toEqual(["first answered", "new executed, attempt 1", "second answered"]);

    // The next pass begins with both answers in the record, and the body calls the step between them.
    seen.length = 0;
    expect(await last.later(hour, run.runId)).toMatchObject({ status: "completed", result: "new" });
    expect(seen).toEqual(["first answered", "second answered", "new executed, attempt 2"]);
  }));
