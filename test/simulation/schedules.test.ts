import { describe, expect, test } from "vitest";
import type { PlantedBug } from "./bugs.ts";
import { explained, loadSchedules, plantedSchedules, simulateSchedules } from "./schedules.ts";

const subject = await loadSchedules();

test("a seed decides everything", async () => {
  const [one, two] = [await simulateSchedules(subject, "same"), await simulateSchedules(subject, "same")];
  expect(two.digest).toBe(one.digest);
});

test("no promise about schedules is broken", async () => {
  let runs = 0;
  for (let seed = 0; seed < 60; seed++) {
    const outcome = await simulateSchedules(subject, `schedules:fixed-${seed}`);
    if (outcome.violation !== undefined) throw new Error(explained(outcome));
    runs += outcome.runs;
  }
  expect(runs).toBeGreaterThan(300);
});

const bugs: readonly PlantedBug[] = [
  {
    name: "what is noted is not started",
    file: "worker/schedules/skill.ts",
    find: "return canceling.length > 0 || running?.isBegun === false;",
    replace: "return canceling.length > 0;",
  },
  {
    name: "a run that goes on counts as ended",
    file: "worker/schedules/skill.ts",
    find: '...(fact.kind === "going" && {',
    replace: '...(fact.kind === "failed" && {',
  },
  {
    name: "the earlier run is not canceled",
    file: "worker/schedules/skill.ts",
    find: "for (const runId of canceling) await cancelChild(scope, parseRunId(runId));",
    replace: "",
  },
  {
    name: "missed ticks are not noted",
    file: "worker/schedules/plan.ts",
    find: "const isMissed = oldest === undefined || oldest > first;",
    replace: "const isMissed = false;",
  },
  {
    name: "ticks of a pause are made up for",
    file: "worker/schedules/plan.ts",
    find: "{ ...rest, cursor: Math.max(memory.cursor, now) }",
    replace: "rest",
  },
  {
    name: "the end of a run does not wake its schedule",
    file: "worker/schedules/skill.ts",
    find: "waits: running === undefined ? [] : [waitFor(record, running)],",
    replace: "waits: [],",
  },
  {
    name: "a tick has an entry in the history",
    file: "worker/schedules/skill.ts",
    find: "recoveries: 0 }, events: [] };",
    replace: 'recoveries: 0 }, events: [{ type: "run.handed_over", at: run.createdAt, payload: {} }] };',
  },
];

describe("a planted bug is found", () => {
  test.each(bugs)("$name", (bug) =>
    plantedSchedules(bug, async (planted) => {
      for (let seed = 0; seed < 80; seed++) {
        const { violation } = await simulateSchedules(planted, `schedules:fixed-${seed}`);
        if (violation !== undefined) return;
      }
      throw new Error("no seed found it");
    }),
  );
});
