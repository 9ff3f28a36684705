import { beforeEach, expect, test, vi } from "vitest";
import type { Crash, StrikesWhen } from "../../src/conformance/faults.ts";
import { defineSkill } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { checkSkill } from "../../src/testing/index.ts";

// That `checkSkill` tries each kind of fault at each commit: few skills show that one of them is missing.

interface Tried {
  readonly moment: "before" | "after" | "lost";
  readonly atCommit: number;
  /** How many commits the first process wrote. */
  written: number;
}

const tried = vi.hoisted(() => [] as Tried[]);

vi.mock("../../src/conformance/faults.ts", async (load) => {
  const faults = await load<typeof import("../../src/conformance/faults.ts")>();
  /** Counts the commits that reach the medium. */
  const counted = (store: Store, one: Tried) => {
    tried.push(one);
    return faults.intercepted(store, ({ method }, proceed) => {
      if (method === "commit") one.written++;
      return proceed();
    });
  };
  return {
    ...faults,
    crashingStore: (store: Store, crash: Crash) =>
      faults.crashingStore(counted(store, { ...crash, written: 0 }), crash),
    lostAnswerStore: (store: Store, when: StrikesWhen) =>
      faults.lostAnswerStore(store, (call) => {
        const isLost = when(call);
        if (isLost) tried.push({ moment: "lost", atCommit: call.nth, written: call.nth });
        return isLost;
      }),
  };
});

beforeEach(() => {
  tried.length = 0;
});

const none = { sideEffects: "none" } as const;

test("each commit is stopped before, stopped after, and loses its answer", async () => {
  const skill = defineSkill({
    id: "checked",
    version: "1",
    run: async (step) => {
      await step.do("one", none, async () => 1);
      await step.sleep("nap", "1 hour");
      return step.do("two", none, async () => 2);
    },
  });
  expect((await checkSkill(skill, { inputs: {} })).problems).toEqual([]);
  const at = (moment: Tried["moment"]) => tried.filter((one) => one.moment === moment);
  const commits = at("before").map(({ atCommit }) => atCommit);
  expect(commits).toEqual(commits.map((_, index) => index + 1));
  // The birth, a step, the park, the next pass, the other step and the end: some of them share a commit.
  expect(commits.length).toBeGreaterThanOrEqual(4);
  expect(at("after").map(({ atCommit }) => atCommit)).toEqual(commits);
  expect(at("before").map(({ written }) => written)).toEqual(commits.map((place) => place - 1));
  expect(at("after").map(({ written }) => written)).toEqual(commits);
  const lost = at("lost").map(({ atCommit }) => atCommit);
  expect(lost.sort((a, b) => a - b)).toEqual(commits);
});

test("a fault that only a stop after a commit shows is found there", async () => {
  const posted = new Set<string>();
  let accounts = 0;
  const skill = defineSkill({
    id: "checked",
    version: "1",
    run: async (step) => {
      const account = await step.do("account", none, async () => `account ${++accounts}`);
      // A session in a variable of the body, which is gone where another process finds the step recorded.
      let session: string | undefined;
      await step.do("open", none, async () => {
        session = account;
      });
      return step.do("post", { ...none, retries: { limit: 0, delay: 0 } }, async () => {
        // The receiver answers what was posted already without a session: a stop before this commit shows nothing.
        if (posted.has(account)) return "posted";
        if (session === undefined) throw new Error("no session");
        posted.add(account);
        return "posted";
      });
    },
  });
  const { problems } = await checkSkill(skill, { inputs: {} });
  expect(problems).toMatchObject([
    { kind: "end", stepId: "post", when: expect.stringMatching(/^stopped after commit \d+$/) },
  ]);
});
