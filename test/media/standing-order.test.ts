import { describe, expect } from "vitest";
import { harness, medium } from "#medium";
import { intercepted } from "../../src/conformance/faults.ts";
import {
  DurableError,
  defineCapability,
  isDurableError,
  type StepConfig,
  type WorkflowBody,
  type WorkflowStep,
} from "../../src/index.ts";
import { defineTelemetry } from "../../src/telemetry/index.ts";
import { budgeted, limitedStore } from "../support/queries.ts";
import { recorder } from "../support/recorder.ts";
import { leaseMs, type Scene, turn, until } from "../support/scene.ts";
import {
  headOf,
  inRealTime,
  once,
  pause,
  playedOn,
  recordedSteps,
  turns,
  untilEvents,
  untilRecorded,
} from "../support/standing.ts";

// That a body takes the same way in every pass, and that what is recorded stays recorded.
const played = playedOn(harness);

describe(`the commit of a step whose answer and read-backs are lost on ${medium}`, () => {
  /** Two steps side by side; of the commit that records "one", nothing is heard any more, and later ones work. */
  const lostCommit = async ({ actor, store }: Scene, one: (step: WorkflowStep) => Promise<unknown>) => {
    const calls: string[] = [];
    const two = Promise.withResolvers<void>();
    let isDeaf = false;
    let isLost = false;
    const deaf = intercepted(store, async ({ method, commit }, proceed) => {
      const answer = await proceed();
      if (commit?.entry?.checkpointId !== undefined && !isLost && calls.includes("two") && (await hasOne())) {
        isLost = isDeaf = true;
      }
      if (!isDeaf || (method !== "commit" && method !== "getRun" && method !== "getEntry")) return answer;
      throw new DurableError("store_failed", "the medium does not answer");
    });
    const reader = actor({ executes: false });
    let runId = "";
    const hasOne = async () => runId !== "" && Object.hasOwn((await headOf(reader.runs, runId)).stepResults, "one");
    const body: WorkflowBody = async (step) => {
      const both = await Promise.all([
        one(step),
        step.do("two", async () => {
          calls.push("two");
          await two.promise;
          return "two";
        }),
      ]);
      return both;
    };
    const first = actor({ body, store: deaf });
    runId = await first.begin();
    await until(() => calls.includes("two"));
    return {
      first,
      body,
      runId,
      calls,
      reader,
      async loseIt() {
        await until(() => isLost);
        // Until the pass has given it up: only then the other step has its result.
        await until(() => first.errors.some((error) => isDurableError(error, "store_failed")));
        isDeaf = false;
        two.resolve();
        await first.runtime.idle();
      },
    };
  };

  played("undoes no recorded step: the pass has lost its run", async (scene) => {
    let times = 0;
    const one = Promise.withResolvers<string>();
    const { reader, body, runId, loseIt } = await lostCommit(scene, (step) =>
      step.do("one", async () => {
        times++;
        return one.promise;
      }),
    );
    one.resolve("one");
    await loseIt();
    expect((await headOf(reader.runs, runId)).stepResults).toMatchObject({ one: { status: "completed" } });
    const next = scene.actor({ body });
    expect(await next.later(leaseMs, runId)).toMatchObject({ status: "completed", result: ["one", "two"] });
    expect(times).toBe(1);
  });

  played("gives a signal that it consumed to its step, and to no other", async (scene) => {
    const { reader, body, runId, loseIt } = await lostCommit(scene, (step) =>
      step.waitForEvent<number>("one", { type: "word" }).then(({ payload }) => payload),
    );
    await reader.runs.signal(runId, { name: "word", payload: 7 });
    await scene.clock.advance(leaseMs / 2);
    await loseIt();
    expect((await headOf(reader.runs, runId)).stepResults).toMatchObject({ one: { status: "completed" } });
    const next = scene.actor({ body });
    expect(await next.later(leaseMs, runId)).toMatchObject({ status: "completed", result: [7, "two"] });
  });
});

type Race = (step: WorkflowStep) => Promise<string>;

/** The winner of a race, on which the body acts in its first pass and, after a crash in that act, in its second. */
async function wonTwice({ actor }: Scene, race: Race, recorded = 0): Promise<string | undefined> {
  const acts: string[] = [];
  const body =
    (isFirst: boolean): WorkflowBody =>
    async (step) => {
      const winner = await race(step);
      return step.do(`act for ${winner}`, async () => {
        acts.push(winner);
        if (isFirst) await new Promise(() => {});
        return winner;
      });
    };
  const first = actor({ body: body(true) });
  const runId = await first.begin();
  await until(async () => acts.length === 1 && (await recordedSteps(first.runs, runId)).length >= recorded);
  await first.die();
  const second = actor({ body: body(false) });
  expect(await second.later(leaseMs, runId)).toMatchObject({ status: "completed", result: acts[0] });
  expect(acts).toEqual([acts[0], acts[0]]);
  return acts[0];
}

describe(`a race on ${medium}`, () => {
  const way: readonly { readonly name: string; readonly work: () => Promise<unknown> }[] = [
    { name: "a small digest", work: () => crypto.subtle.digest("SHA-256", new Uint8Array(1)) },
    { name: "a larger digest", work: () => crypto.subtle.digest("SHA-256", new Uint8Array(4_000_000)) },
    {
      name: "three digests",
      work: async () => {
        for (let n = 0; n < 3; n++) await crypto.subtle.digest("SHA-256", new Uint8Array(100_000));
      },
    },
    {
      name: "200 turns of the microtask queue",
      work: async () => {
        for (let n = 0; n < 200; n++) await undefined;
      },
    },
  ];
  for (const { name, work } of way) {
    played(`is won by the same branch again where one has ${name} after its step`, async (scene) => {
      const worked = Promise.withResolvers<void>();
      const race: Race = (step) => {
        const a = step
          .do("a", async () => "a")
          .then(async (value) => {
            await work();
            worked.resolve();
            return value;
          });
        const b = step.do("b", async () => {
          await worked.promise;
          await pause(20);
          return "b";
        });
        return Promise.race([a, b]);
      };
      expect(await wonTwice(scene, race, 2)).toBe("a");
    });
  }

  played("of branches of several steps is won by the same one again", async (scene) => {
    const race: Race = (step) => {
      const slow = async () => {
        await step.do("slow", async () => "slow");
        await crypto.subtle.digest("SHA-256", new Uint8Array(4_000_000));
        return step.do("slow worked", async () => "slow");
      };
      const fast = async () => {
        await step.do("fast", async () => "fast");
        return step.do("fast worked", async () => "fast");
      };
      return Promise.race([slow(), fast()]);
    };
    await wonTwice(scene, race);
  });

  for (const kind of ["race", "any"] as const) {
    played(
      `by \`${kind}\` that ends the body keeps what its loser records, and its head is replayed`,
      async ({ actor }) => {
        const long = Promise.withResolvers<void>();
        const gate = Promise.withResolvers<void>();
        const asked = Promise.withResolvers<void>();
        const { begin, runs, settled, runtime } = actor({
          body: async (step) => {
            void step.do("long", () => long.promise);
            const loser = async () => {
              await step.do("one", () => gate.promise);
              await crypto.subtle.digest("SHA-256", new Uint8Array(4_000_000));
              const more = step.do("one more", async () => "loser");
              asked.resolve();
              return more;
            };
            return (Promise[kind] as typeof Promise.race)([loser(), step.do("quick", async () => "winner")]);
          },
        });
        const runId = await begin();
        await untilRecorded(runs, runId, "quick");
        gate.resolve();
        await asked.promise;
        await pause(50);
        long.resolve();
        const run = await settled(runId);
        expect(run).toMatchObject({ status: "completed", result: "winner" });
        for (const { checkpointId } of (await runs.listCheckpoints(runId)).items) {
          const { run: replay } = await runs.replay(runId, { checkpointId });
          await runtime.idle();
          expect(await runs.get(replay.runId)).toMatchObject({ status: "completed", result: "winner" });
        }
      },
    );
  }
});

describe(`a wait that a branch left behind on ${medium}`, () => {
  const waits: Readonly<Record<string, (step: Parameters<WorkflowBody>[0]) => Promise<unknown>>> = {
    gate: (step) => step.waitForApproval("again"),
    event: (step) => step.waitForEvent("again", { type: "never" }),
    sleep: (step) => step.sleep("again", "30 days"),
  };
  for (const [kind, wait] of Object.entries(waits)) {
    played(`a ${kind} keeps its place among the steps of its name in each replay`, async ({ actor }) => {
      let asked = Promise.withResolvers<void>();
      const calls: string[] = [];
      const body: WorkflowBody = async (step) => {
        const loser = async () => {
          await crypto.subtle.digest("SHA-256", new Uint8Array(4_000_000));
          asked.resolve();
          await wait(step);
        };
        await Promise.race([loser(), step.do("winner", async () => calls.push("winner"))]);
        await step.do("next", async () => {
          await asked.promise;
          calls.push("next");
        });
        return step.do("again", async ({ step: { count } }) => {
          calls.push(`again ${count}`);
          return count;
        });
      };
      const { start, runs, settled } = actor({ body });
      let { runId, ...run } = await start();
      expect(run).toMatchObject({ status: "completed", result: 2 });
      for (let replays = 0; replays < 2; replays++) {
        asked = Promise.withResolvers();
        runId = (await runs.replay(runId)).run.runId;
        run = await settled(runId);
        expect(run.error?.message).toBeUndefined();
        expect(run).toMatchObject({ status: "completed", result: 2 });
        // A replay of what is over waits for nothing, and shows no gate.
        const types = (await runs.events(runId)).items.map(({ eventType }) => eventType);
        expect(types.filter((type) => type !== "checkpoint.saved")).toEqual([
          "run.created",
          "run.started",
          "run.completed",
        ]);
      }
      expect(calls).toEqual(["winner", "next", "again 2"]);
    });
  }
});

describe(`the end of a body on ${medium}`, () => {
  played("waits for the last attempt of a step that it left between two of them", async ({ actor }) => {
    for (const way of ["returns", "throws"]) {
      const attempts: number[] = [];
      const retrying = Promise.withResolvers<void>();
      const body: WorkflowBody = async (step) => {
        void step
          .do("left", { retries: { limit: 1, delay: "1 hour" } }, async ({ attempt }) => {
            attempts.push(attempt);
            if (attempt === 1) throw new Error("not yet");
            return "at last";
          })
          .catch(() => undefined);
        await step.do("quick", () => retrying.promise);
        if (way === "throws") throw new Error("the body's");
        return "done";
      };
      const first = actor({ body });
      const runId = await first.begin();
      await untilEvents(first.runs, runId, "step.retry_scheduled");
      retrying.resolve();
      const run = await first.settled(runId);
      expect([run.status, attempts]).toEqual(["running", [1]]);
      await first.die();
      const second = actor({ body });
      expect(await second.later(3_600_000, runId)).toMatchObject(
        way === "throws"
          ? { status: "failed", error: { message: "the body's" } }
          : { status: "completed", result: "done" },
      );
      expect(attempts).toEqual([1, 2]);
      expect((await headOf(second.runs, runId)).stepResults.left).toMatchObject({ producedOutput: "at last" });
    }
  });

  played("is given what it left in flight in the order of the record, in every pass", async ({ actor }) => {
    const passes: string[][] = [];
    const [a, b] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const body: WorkflowBody = async (step) => {
      const answers: string[] = [];
      passes.push(answers);
      void step.do("b", () => b.promise).then(() => answers.push("b"));
      void step.do("a", () => a.promise).then(() => answers.push("a"));
      await step.do("quick", async () => answers.push("quick"));
      return "done";
    };
    const { begin, runs, runtime, settled } = actor({ body });
    const runId = await begin();
    await untilRecorded(runs, runId, "quick");
    b.resolve();
    a.resolve();
    expect(await settled(runId)).toMatchObject({ status: "completed", result: "done" });
    expect(await recordedSteps(runs, runId)).toEqual(["quick", "b", "a"]);
    const { run: replay } = await runs.replay(runId);
    await runtime.idle();
    expect(await runs.get(replay.runId)).toMatchObject({ status: "completed", result: "done" });
    await turns(20);
    // What is recorded is not called again.
    expect(passes).toEqual([
      ["quick", "b", "a"],
      ["b", "a"],
    ]);
  });
});

describe(`work between two steps on ${medium}`, () => {
  played("may take 400 ms, of a digest or of anything else", async ({ actor }) => {
    const { start } = actor({
      ...inRealTime,
      body: async (step) => {
        await step.do("one", async () => 1);
        await pause(400);
        const began = Date.now();
        while (Date.now() - began < 400) await crypto.subtle.digest("SHA-256", new Uint8Array(1_000_000));
        return step.do("two", async () => 2);
      },
    });
    expect(await start()).toMatchObject({ status: "completed", result: 2 });
  });

  played("is reported after a second, and fails the run after the time that a body may be quiet", async ({ actor }) => {
    const { start, errors } = actor({
      ...inRealTime,
      bodyQuietMs: 1_300,
      body: async (step) => {
        await step.do("one", async () => 1);
        await new Promise(() => {});
      },
    });
    const began = Date.now();
    expect(await start()).toMatchObject({
      status: "failed",
      error: { code: "await_outside_step", stepId: "one" },
    });
    expect(Date.now() - began).toBeGreaterThanOrEqual(1_200);
    expect(errors.map(String)).toEqual([expect.stringContaining('after step "one"')]);
  });
});

describe(`a body that was changed on ${medium}`, () => {
  played("by a step under an existing name in a loop is detected by its input", async ({ actor }) => {
    const inputs: unknown[] = [];
    const capabilities = [
      defineCapability<string>({ id: "mail", version: "1" }, (input) => {
        inputs.push(input);
        return `sent to ${input}`;
      }),
    ];
    const body =
      (people: readonly string[]): WorkflowBody =>
      async (step) => {
        const sent: unknown[] = [];
        for (const person of people) sent.push(await step.use("mail", "mail", person));
        await step.sleep("nap", "1 hour");
        return sent;
      };
    const before = actor({ capabilities, body: body(["ann", "bob"]) });
    const { runId } = await before.start();
    await before.die();
    const after = actor({ capabilities, body: body(["new", "ann", "bob"]) });
    expect(await after.later(3_600_000, runId)).toMatchObject({
      status: "failed",
      error: { code: "nondeterminism", stepId: "mail" },
    });
    expect(inputs).toEqual(["ann", "bob"]);
    await after.die();
    const right = actor({ capabilities, body: body(["ann", "bob"]) });
    await right.runs.resume(runId);
    expect(await right.settled(runId)).toMatchObject({ result: ["sent to ann", "sent to bob"] });
  });
});

describe(`many steps on ${medium}`, () => {
  played("of one loop are one series of what is measured", async ({ actor }) => {
    const told = recorder();
    const { start } = actor({
      telemetry: defineTelemetry(told),
      body: async (step) => {
        for (let n = 0; n < 50; n++) await step.do(`item ${n}`, once, async () => n);
        for (let n = 0; n < 5; n++) await step.do("same", once, async () => n);
      },
    });
    await start();
    for (const instrument of ["orca.step.duration", "orca.attempt.duration"]) {
      const measured = told.measurements.filter((it) => it.instrument === instrument);
      expect(measured).toHaveLength(55);
      expect(new Set(measured.map(({ attributes }) => JSON.stringify(attributes))).size).toBe(1);
    }
  });

  const budgets: readonly (readonly [limit: number, count: number, what: string, config: StepConfig])[] = [
    [400, 500, "steps", once],
    [1_000, 500, "steps", once],
    // Each is entered in the ledger before it is called, and no person is asked whether it happened.
    [400, 100, "actions", { ...once, sideEffects: "external_action", isIdempotent: false }],
  ];
  for (const [limit, count, what, config] of budgets) {
    played(
      `that are ${count} ${what} side by side, under a budget of ${limit} queries, are called once each, and the run ends`,
      async (scene) => {
        const { actor, store } = scene;
        const calls = new Map<number, number>();
        const body: WorkflowBody = async (step) => {
          const all = Array.from({ length: count }, (_, n) =>
            step.do(`item ${n}`, config, async () => {
              calls.set(n, (calls.get(n) ?? 0) + 1);
              await turn();
              return n;
            }),
          );
          return (await Promise.all(all)).length;
        };
        const clerk = actor({ body, executes: false });
        const { run } = await clerk.runs.start({ skillId: "body" });
        let ended = run.status as string;
        for (let invocation = 0; invocation < 40 && ended === "running"; invocation++) {
          const budget = budgeted(limitedStore(store, limit), limit);
          const worker = actor({ body, store: budget.store, isSpent: budget.isSpent });
          await worker.runtime.drain({ concurrency: budget.concurrency });
          ended = (await clerk.runs.get(run.runId)).status;
          await worker.die();
        }
        expect(ended).toBe("completed");
        expect(calls.size).toBe(count);
        expect([...calls.values()].filter((times) => times > 1)).toEqual([]);
      },
    );
  }
});
