import { describe, expect } from "vitest";
import { harness, medium } from "#medium";
import { defineCapability, type WorkflowBody } from "../../src/index.ts";
import { type Actor, leaseMs, type Scene, until } from "../support/scene.ts";
import { once, playedOn, playedTwice, recordedSteps } from "../support/standing.ts";

const hour = 3_600_000;

// That a body has the same outcome in every pass, or says why not, on one medium.
const played = playedOn(harness);

describe(`bodies and crashes on ${medium}`, () => {
  played(
    "steps that were recorded before a crash are not executed again, and those under way are",
    async ({ actor }) => {
      const calls: string[] = [];
      const reached = Promise.withResolvers<void>();
      const body =
        (isFirst: boolean): WorkflowBody =>
        async (step) => {
          const call = (name: string, stops: boolean) =>
            step.do(name, async () => {
              calls.push(name);
              if (!stops) return name;
              reached.resolve();
              return new Promise<string>(() => {});
            });
          const one = await call("one", false);
          const both = await Promise.all([call("two", false), call("three", isFirst)]);
          return [one, ...both, await call("four", false)];
        };
      const first = actor({ body: body(true) });
      const runId = await first.begin();
      await reached.promise;
      await until(async () => (await recordedSteps(first.runs, runId)).includes("two"));
      await first.die();
      const second = actor({ body: body(false) });
      expect(await second.later(leaseMs - 1, runId)).toMatchObject({ status: "running" });
      expect(calls).toEqual(["one", "two", "three"]);
      expect(await second.later(1, runId)).toMatchObject({
        status: "completed",
        result: ["one", "two", "three", "four"],
      });
      expect(calls).toEqual(["one", "two", "three", "three", "four"]);
      const events = (await second.runs.events(runId)).items.map(({ eventType }) => eventType);
      expect(events.filter((type) => type === "run.recovered")).toHaveLength(1);
    },
  );

  played("a race that was decided once stays decided, whatever is faster afterwards", async (scene) => {
    const order: string[] = [];
    await playedTwice(scene, async (step) => {
      const slow = step.do("slow", async () => {
        await new Promise((resolve) => setTimeout(resolve, 30));
        return "slow";
      });
      const fast = step.do("fast", async () => "fast");
      const winner = await Promise.race([slow, fast]);
      await Promise.allSettled([slow, fast]);
      const any = await Promise.any([step.do("no", once, async () => Promise.reject(new Error("no"))), fast]);
      const settled = await Promise.allSettled([
        slow,
        step.do("no", once, async () => Promise.reject(new Error("no"))),
      ]);
      order.push(winner, any, ...settled.map(({ status }) => status));
      await step.sleep(`after ${winner}`, "1 hour");
    });
    const way = ["fast", "fast", "fulfilled", "rejected"];
    expect(order).toEqual([...way, ...way]);
  });
});

describe(`bodies that change their mind on ${medium}`, () => {
  /** A run of the first body, parked; and the run as it is after the other body was tried. */
  const changed = async ({ actor }: Scene, first: WorkflowBody, second: WorkflowBody) => {
    const before = actor({ body: first });
    const { runId } = await before.start();
    await before.die();
    const { checkpointHead = "" } = await before.runs.get(runId);
    const { state } = await before.runs.loadCheckpoint(runId, checkpointHead);
    const after = actor({ body: second });
    return { recorded: state.stepResults, runId, run: await after.later(hour, runId), ...after };
  };
  const original: WorkflowBody = async (step) => {
    await step.do("draft", async () => "text");
    await step.do("check", async () => "fine");
    await step.sleep("nap", "1 hour");
    return "original";
  };

  const recordedOf = async ({ runs, runId }: Pick<Actor, "runs"> & { runId: string }) => {
    const { checkpointHead = "" } = await runs.get(runId);
    return (await runs.loadCheckpoint(runId, checkpointHead)).state.stepResults;
  };

  const bodies: readonly { readonly name: string; readonly body: WorkflowBody; readonly stepId: string }[] = [
    {
      name: "ends without asking for a recorded step",
      body: async (step) => step.do("draft", async () => "text"),
      stepId: "check",
    },
    { name: "ends without asking for anything", body: async () => "done", stepId: "draft" },
    {
      name: "throws before it asked for a recorded step",
      body: async () => Promise.reject(new Error("mine")),
      stepId: "draft",
    },
    {
      name: "asks for a recorded step as another kind",
      body: async (step) => {
        await step.do("draft", async () => "text");
        await step.sleep("check", 1).catch(() => {});
        return "caught";
      },
      stepId: "check",
    },
    {
      name: "asks in another order",
      body: async (step) => {
        await step.do("check", async () => "fine");
        await step.do("draft", async () => "text");
      },
      stepId: "draft",
    },
  ];
  for (const { name, body, stepId } of bodies) {
    played(`a body that ${name} fails the run, and the right one resumes it`, async (scene) => {
      const outcome = await changed(scene, original, body);
      const { run, runId, recorded } = outcome;
      expect(run).toMatchObject({ status: "failed", error: { code: "nondeterminism", stepId } });
      expect(run.error?.message).toContain(`"${stepId}"`);
      expect(await recordedOf(outcome)).toEqual(recorded);
      await outcome.die();
      const right = scene.actor({ body: original });
      await right.runs.resume(runId);
      expect(await right.settled(runId)).toMatchObject({ status: "completed", result: "original" });
      expect(await recordedOf({ ...right, runId })).toMatchObject(recorded);
    });
  }

  played("a recorded name asked for as another capability is nondeterminism", async (scene) => {
    const capabilities = ["a", "b"].map((id) => defineCapability({ id, version: "1" }, () => id));
    const body =
      (id: string): WorkflowBody =>
      async (step) => {
        await step.use("call", id);
        await step.sleep("nap", "1 hour");
      };
    const first = scene.actor({ capabilities, body: body("a") });
    const { runId } = await first.start();
    const second = scene.actor({ capabilities, body: body("b") });
    await first.die();
    expect(await second.later(hour, runId)).toMatchObject({
      status: "failed",
      error: {
        code: "nondeterminism",
        stepId: "call",
        message: 'step "call" was recorded as a, but is called as b',
      },
    });
  });

  played("new steps are welcome before, between and after recorded ones", async (scene) => {
    const { run } = await changed(scene, original, async (step) => {
      const zero = await step.do("zero", async () => "new");
      const draft = await step.do("draft", async () => "not again");
      const between = step.do("between", async () => "new");
      const check = await step.do("check", async () => "not again");
      await step.sleep("nap", "1 hour");
      return [zero, draft, await between, check, await step.do("last", async () => "new")];
    });
    expect(run).toMatchObject({ status: "completed", result: ["new", "text", "new", "fine", "new"] });
  });

  played("an await of something else than a step ends the run with the last step's name", async ({ actor }) => {
    const { start, runs, settled } = actor({
      body: async (step) => {
        await step.do("before", async () => 1);
        await new Promise(() => {});
      },
    });
    const { runId, ...run } = await start();
    expect(run).toMatchObject({
      status: "failed",
      error: {
        code: "await_outside_step",
        stepId: "before",
        message: 'the body awaits something that is not a step, after step "before"',
      },
    });
    await runs.resume(runId);
    expect(await settled(runId)).toMatchObject({ status: "failed", error: { code: "await_outside_step" } });

    const { start: startOther } = actor({ body: async () => new Promise(() => {}) });
    const { error } = await startOther();
    expect(error).toEqual({
      code: "await_outside_step",
      message: "the body awaits something that is not a step, before its first step",
    });
  });

  played("a later pass that hangs before a recorded step says where it hangs", async (scene) => {
    const { run } = await changed(scene, original, async (step) => {
      await step.do("draft", async () => "text");
      await new Promise(() => {});
    });
    expect(run).toMatchObject({ status: "failed", error: { code: "await_outside_step", stepId: "draft" } });
  });
});
