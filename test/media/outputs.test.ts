import { describe, expect } from "vitest";
import { harness, medium } from "#medium";
import { crashingStore } from "../../src/conformance/faults.ts";
import { defineCapability, defineGraphSkill, defineSkill, localNotifier, type Runs } from "../../src/index.ts";
import {
  childRuns,
  type LiveEvent,
  type OutputChunk,
  type OutputStepContext,
  outputs,
  outputsWith,
  readOutput,
  readOutputPage,
  watchLive,
  withOutput,
} from "../../src/steps.ts";
import type { Commit, Store } from "../../src/store.ts";
import { exportRun, importRun } from "../../src/transfer.ts";
import type { StepKind } from "../../src/types.ts";
import { leaseMs, stillClock, turn, until } from "../support/scene.ts";
import { countEvents, headOf, once, playedOn, turns, untilEvents } from "../support/standing.ts";

// What the output of steps promises, on one medium.
const played = playedOn(harness);

/** Flushed only by size, by the step itself and at its end. */
const seldom = outputsWith({ flushMs: 3_600_000 });

/** A body of one step that writes. */
function writing(write: (context: OutputStepContext) => Promise<unknown>, kind = seldom, config: object = once) {
  return defineSkill({
    id: "body",
    version: "1",
    uses: [kind],
    run: (step) => step.do("say", config, write),
  });
}

/** What a reader gets, and the status with which it ended. */
async function read(runs: Runs, runId: string, query: { from?: number; signal?: AbortSignal } = {}, step = "say") {
  const chunks: OutputChunk[] = [];
  const reader = readOutput(runs, runId, step, query);
  for (;;) {
    const { done, value } = await reader.next();
    if (done) return { chunks, status: value, said: chunks.map(({ chunk }) => chunk) };
    chunks.push(value);
  }
}

describe(`the output of steps on ${medium}`, () => {
  played("is read in order, from any offset, and ends with the step", async ({ actor }) => {
    const values = ["a", { b: [1n, new Date(0)] }, null, "d", undefined, "f"];
    const skill = writing(async ({ output }) => {
      for (const [index, value] of values.entries()) {
        await output.write(value);
        if (index % 2 === 1) await output.flush();
      }
    });
    const { start, runs } = actor({ skills: [skill] });
    const { runId, status } = await start();
    expect(status).toBe("completed");
    const { chunks, said, status: end } = await read(runs, runId);
    expect(said).toEqual(values);
    expect(end).toBe("completed");
    expect(new Set(chunks.map(({ part }) => part))).toEqual(new Set(["1.1"]));
    const offsets = chunks.map(({ offset }) => offset);
    expect(offsets.toSorted((a, b) => a - b)).toEqual(offsets);
    expect(new Set(offsets).size).toBe(values.length);
    for (const [index, offset] of offsets.entries()) {
      expect((await read(runs, runId, { from: offset })).chunks).toEqual(chunks.slice(index));
      expect((await read(runs, runId, { from: offset + 1 })).chunks).toEqual(chunks.slice(index + 1));
      const page = await readOutputPage(runs, runId, "say", { from: offset, limit: 2 });
      expect(page.items).toEqual(chunks.slice(index, index + 2));
      const rest = await readOutputPage(runs, runId, "say", { from: page.next });
      expect(rest).toMatchObject({ items: chunks.slice(index + 2), isMore: false, status: "completed" });
    }
    expect(await read(runs, runId, { from: Number.MAX_SAFE_INTEGER })).toMatchObject({ said: [], status: "completed" });
    expect(await read(runs, runId, {}, "other")).toMatchObject({ said: [], status: "completed" });
  });

  played("is followed while the step writes", async ({ actor }) => {
    const go: (() => void)[] = [];
    const skill = writing(async ({ output }) => {
      for (const letter of "abc") {
        await output.write(letter);
        await output.flush();
        await new Promise<void>((resolve) => go.push(resolve));
      }
    });
    const { begin, settled, runs } = actor({ skills: [skill] });
    const runId = await begin();
    const reader = readOutput(runs, runId, "say");
    for (const letter of "abc") {
      expect(await reader.next()).toMatchObject({ value: { chunk: letter } });
      await until(() => go.length > 0);
      go.pop()?.();
    }
    expect(await reader.next()).toEqual({ done: true, value: "completed" });
    await settled(runId);
  });

  played("is flushed by size, by time, and at the end of the step, in commits without a state", async (scene) => {
    const { actor, clock, store } = scene;
    const seen: number[] = [];
    let runId = "";
    const count = () => countEvents(first.runs, runId, "step.output");
    const skill = writing(
      async ({ output }) => {
        runId = (await first.runs.list()).items[0]?.runId ?? "";
        for (let left = 4; left > 0; left--) await output.write("x".repeat(28));
        seen.push(await count());
        await output.write("after a while");
        clock.advance(5_000);
        await untilEvents(first.runs, runId, "step.output", 2);
        await output.write("last");
        seen.push(await count());
      },
      outputsWith({ flushBytes: 93, flushMs: 5_000 }),
    );
    const first = actor({ skills: [skill] });
    await first.start();
    expect(seen).toEqual([1, 2]);
    const { items } = await first.runs.events(runId);
    const written = items.filter(({ eventType }) => eventType === "step.output");
    expect(written.map(({ payload }) => (payload.chunks as unknown[]).length)).toEqual([3, 2, 1]);
    const entries = await store.listEntries("troupe", runId, { limit: 100 });
    const outputs = entries.filter(({ body }) => body.includes("step.output"));
    expect(outputs.map(({ checkpointId }) => checkpointId)).toEqual([undefined, undefined, undefined]);
    const snapshots = await store.getSnapshots("troupe", runId, 0, 100);
    expect(snapshots).toHaveLength(entries.length - 3);
    expect(JSON.stringify(await headOf(first.runs, runId))).not.toContain("after a while");
  });

  played("has a part for each attempt, and what an attempt wrote before it failed stays", async ({ actor, clock }) => {
    const skill = writing(
      async ({ output, attempt }) => {
        await output.write(`begun ${attempt}`);
        if (attempt < 3) throw new Error("no");
      },
      seldom,
      { retries: { limit: 2, delay: "1 hour", backoff: "constant" } },
    );
    const { start, later, runs } = actor({ skills: [skill] });
    const { runId } = await start();
    const reading = read(runs, runId);
    await later(3_600_000, runId);
    const run = await later(3_600_000, runId);
    expect(run.status).toBe("completed");
    const { chunks, status } = await reading;
    expect(chunks.map(({ chunk }) => chunk)).toEqual(["begun 1", "begun 2", "begun 3"]);
    expect(new Set(chunks.map(({ part }) => part)).size).toBe(3);
    expect(status).toBe("completed");
    expect(clock.now()).toBeGreaterThan(0);
  });

  played("cut off at any commit: no chunk that was flushed is lost, and none is doubled", async ({ actor, store }) => {
    for (const moment of ["before", "after"] as const) {
      for (let atCommit = 1; atCommit < 9; atCommit++) {
        const acknowledged: string[] = [];
        let attempts = 0;
        const skills = [
          writing(async ({ output }) => {
            attempts++;
            for (let index = 0; index < 4; index++) {
              const chunk = `${attempts}: ${index}`;
              void output.write(chunk);
              await output.flush();
              acknowledged.push(chunk);
            }
          }),
        ];
        const { run } = await actor({ skills, executes: false }).runs.start({ skillId: "body" });
        const doomed = actor({ skills, store: crashingStore(store, { atCommit, moment, calls: "reject" }) });
        await doomed.later(leaseMs, run.runId).catch(() => undefined);
        await doomed.die();
        const last = actor({ skills });
        expect(await last.later(leaseMs, run.runId)).toMatchObject({ status: "completed" });
        const { chunks, said } = await read(last.runs, run.runId);
        expect(said).toEqual([...new Set(said)]);
        expect(said).toEqual(expect.arrayContaining(acknowledged));
        // Chunks of one attempt are one part, in their order.
        const parts = Map.groupBy(chunks, ({ part }) => part);
        expect(parts.size).toBe(new Set(said.map((chunk) => String(chunk).charAt(0))).size);
        for (const part of parts.values()) {
          const own = part.map(({ chunk }) => String(chunk));
          expect(own).toEqual(own.toSorted());
          expect(own[0]).toMatch(/: 0$/);
        }
      }
    }
  });

  played("of a writer that has lost the run gets nothing more, and the next one begins a new part", async (scene) => {
    const refused: unknown[] = [];
    const thrown = (error: unknown) => refused.push(error);
    let calls = 0;
    let isTaken = false;
    const skill = writing(async ({ output }) => {
      const own = ++calls;
      await output.write(`${own} first`);
      await output.flush();
      if (own > 1) return;
      await until(() => isTaken);
      await output.write("1 late");
      await output.flush().catch(thrown);
      await output.flush().catch(thrown);
    });
    // Its clock stands still, so it never renews its lease.
    const frozen = scene.actor({ skills: [skill], clock: stillClock() });
    const runId = await frozen.begin();
    await untilEvents(frozen.runs, runId, "step.output");
    const second = scene.actor({ skills: [skill] });
    expect(await second.later(leaseMs + 1, runId)).toMatchObject({ status: "completed" });
    isTaken = true;
    await until(() => refused.length === 2);
    expect(calls).toBe(2);
    const { chunks, said } = await read(second.runs, runId);
    expect(said).toEqual(["1 first", "2 first"]);
    expect(new Set(chunks.map(({ part }) => part)).size).toBe(2);
  });

  played("of an attempt that timed out ends there, also if its code goes on", async (scene) => {
    const late: unknown[] = [];
    let isOver = false;
    const skill = writing(
      async ({ output, publish, attempt }) => {
        await output.write(`${attempt} first`);
        await output.flush();
        if (attempt > 1) {
          isOver = true;
          return until(() => late.length === 3);
        }
        await output.write("never flushed");
        scene.clock.advance(60_000);
        await until(() => isOver);
        for (const write of [() => output.write("late"), () => output.flush(), () => publish("late")]) {
          await Promise.resolve()
            .then(write)
            .catch((error: unknown) => late.push(error));
        }
      },
      seldom,
      { timeout: 60_000, retries: { limit: 1, delay: 0 } },
    );
    const { runs, start } = scene.actor({ skills: [skill], holdMs: 5_000 });
    const { runId, status } = await start();
    expect(status).toBe("completed");
    expect(late).toEqual([
      expect.objectContaining({ code: "invalid_request" }),
      expect.objectContaining({ code: "step_timeout" }),
      expect.objectContaining({ code: "invalid_request" }),
    ]);
    expect((await read(runs, runId)).said).toEqual(["1 first", "2 first"]);
  });

  played("ends for its readers when the run is canceled, and what was flushed stays", async ({ actor }) => {
    const skill = writing(async ({ output, signal }) => {
      await output.write("one");
      await output.flush();
      await output.write("two");
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    });
    const { runs, begin, settled } = actor({ skills: [skill] });
    const runId = await begin();
    const reader = readOutput(runs, runId, "say");
    expect(await reader.next()).toMatchObject({ value: { chunk: "one" } });
    await runs.cancel(runId);
    expect(await reader.next()).toEqual({ done: true, value: "canceled" });
    await settled(runId);
    expect(await read(runs, runId)).toMatchObject({ said: ["one"], status: "canceled" });
  });

  played("goes on beside an open gate, and ends when a person denies it", async ({ actor }) => {
    const skill = defineSkill({
      id: "body",
      version: "1",
      uses: [seldom],
      run: (step) =>
        Promise.all([
          step.waitForApproval("gate"),
          step.do("say", once, async ({ output, signal }) => {
            await output.write("one");
            await output.flush();
            await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
          }),
        ]),
    });
    const { runs, begin, settled } = actor({ skills: [skill] });
    const runId = await begin();
    const reader = readOutput(runs, runId, "say");
    expect(await reader.next()).toMatchObject({ value: { chunk: "one" } });
    await until(async () => (await runs.get(runId)).approvalRequest?.status === "pending");
    await runs.deny(runId);
    expect(await reader.next()).toEqual({ done: true, value: "canceled" });
    await settled(runId);
  });

  played("ends when its reader stops, and with an error when the run is deleted", async ({ actor }) => {
    const skill = writing(async ({ output, signal }) => {
      await output.write("one");
      await output.flush();
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    });
    const { runs, begin, settled } = actor({ skills: [skill] });
    const runId = await begin();
    await untilEvents(runs, runId, "step.output");
    const stop = new AbortController();
    const reader = readOutput(runs, runId, "say", { signal: stop.signal });
    await reader.next();
    stop.abort();
    expect(await reader.next()).toEqual({ done: true, value: undefined });
    const other = readOutput(runs, runId, "say");
    await other.next();
    await runs.cancel(runId);
    await settled(runId);
    await runs.delete(runId);
    await expect(other.next()).rejects.toMatchObject({ code: "not_found" });
    await expect(read(runs, runId)).rejects.toMatchObject({ code: "not_found" });
  });

  played("is exported and imported with its run; a replay and a fork have none of what they copied", async (scene) => {
    const skill = defineSkill({
      id: "body",
      version: "1",
      uses: [outputs],
      async run(step) {
        await step.do("say", ({ output }) => output.write("one"));
        await step.do("more", ({ output }) => output.write("two"));
      },
    });
    const { runs, start, settled, runtime } = scene.actor({ skills: [skill] });
    const { runId } = await start();
    const before = await read(runs, runId);
    expect(before.said).toEqual(["one"]);
    const lines: string[] = [];
    for await (const line of exportRun(runs, runId)) lines.push(line);
    const elsewhere = runtime.for("elsewhere");
    await importRun(elsewhere, lines);
    expect(await read(elsewhere, runId)).toEqual(before);
    const { items } = await runs.listCheckpoints(runId);
    const after = items.find(({ stepId }) => stepId === "say")?.checkpointId ?? "";
    const replay = await runs.replay(runId, { checkpointId: after });
    await settled(replay.run.runId);
    expect(await read(runs, replay.run.runId)).toMatchObject({ said: [], status: "completed" });
    expect(await read(runs, replay.run.runId, {}, "more")).toMatchObject({ said: ["two"], status: "completed" });
    const fork = await runs.fork(runId, { checkpointId: after });
    expect(await read(runs, fork.run.runId)).toMatchObject({ said: [], status: "completed" });
    await runs.resume(fork.run.runId, {});
    await settled(fork.run.runId);
    expect(await read(runs, fork.run.runId, {}, "more")).toMatchObject({ said: ["two"], status: "completed" });
  });

  played("of a step that is taken again after a resume from before it goes on in a new part", async ({ actor }) => {
    let isBroken = true;
    const skill = defineSkill({
      id: "body",
      version: "1",
      uses: [outputs],
      async run(step) {
        await step.do("before", async () => 1);
        await step.do("say", ({ output }) => output.write(isBroken ? "first" : "second"));
        await step.do("after", once, async () => {
          if (isBroken) throw new Error("no");
        });
      },
    });
    const { runs, start, settled } = actor({ skills: [skill] });
    const { runId } = await start();
    expect(await read(runs, runId)).toMatchObject({ said: ["first"], status: "completed" });
    isBroken = false;
    const { items } = await runs.listCheckpoints(runId);
    await runs.resume(runId, { checkpointId: items.find(({ stepId }) => stepId === "before")?.checkpointId ?? "" });
    expect((await settled(runId)).status).toBe("completed");
    const { said, chunks } = await read(runs, runId);
    expect(said).toEqual(["first", "second"]);
    expect(chunks[0]?.part).not.toBe(chunks[1]?.part);
  });

  played(
    "is bounded: what is too large or cannot be stored is an error of the call, and nothing is written",
    async (scene) => {
      const errors: unknown[] = [];
      const skill = writing(
        async ({ output, publish }) => {
          const attempts: (() => unknown)[] = [
            () => output.write("x".repeat(64 * 1024)),
            () => publish("x".repeat(64 * 1024)),
            () => output.write({ a: [() => 1] }),
            () => publish({ a: [() => 1] }),
            () => output.write(nested(481)),
            () => output.write("y".repeat(1_001)),
          ];
          for (const attempt of attempts) {
            try {
              attempt();
            } catch (error) {
              errors.push(error);
            }
          }
          await output.write(nested(480));
        },
        outputsWith({ maxBytes: 1_002 }),
      );
      const { runs, start } = scene.actor({ skills: [skill] });
      const run = await start();
      expect(run.status).toBe("completed");
      const tooLarge = expect.objectContaining({ code: "too_large" });
      const invalid = expect.objectContaining({
        code: "invalid_request",
        message: expect.stringContaining("chunk.a[0]"),
      });
      expect(errors).toEqual([tooLarge, tooLarge, invalid, invalid, tooLarge, tooLarge]);
      expect((await read(runs, run.runId)).said).toEqual([nested(480)]);
    },
  );

  played("of many large chunks fits into entries", async ({ actor }) => {
    const large = "é".repeat(32 * 1024 - 8);
    const skill = writing(
      async ({ output }) => {
        for (let left = 8; left > 0; left--) void output.write(large);
        for (let left = 5_000; left > 0; left--) void output.write(left);
      },
      outputsWith({ flushBytes: 4_000_000 }),
    );
    const { runs, start } = actor({ skills: [skill] });
    const { runId, status } = await start();
    expect(status).toBe("completed");
    const { said, chunks } = await read(runs, runId);
    expect(said.slice(0, 8)).toEqual(Array(8).fill(large));
    expect(said.slice(8)).toEqual(Array.from({ length: 5_000 }, (_, index) => 5_000 - index));
    expect(new Set(chunks.map(({ offset }) => offset)).size).toBe(said.length);
  });

  played("that could not be flushed fails the attempt, and is not written again under it", async ({ actor, store }) => {
    let fails = false;
    let attempts = 0;
    const skill = writing(
      async ({ output }) => {
        attempts++;
        await output.write(`${attempts} a`);
        await output.flush();
        await output.write(`${attempts} b`);
        fails = attempts === 1;
        await output.flush().catch(() => {});
        fails = false;
        await output.write(`${attempts} c`).catch(() => {});
      },
      seldom,
      { retries: { limit: 3, delay: 1 } },
    );
    const failing = {
      ...boundTo(store),
      commit: async (commit: Commit) => {
        if (fails) throw new Error("the medium is away");
        return store.commit(commit);
      },
    };
    const { runs, start, later } = actor({ skills: [skill], store: failing });
    const { runId } = await start();
    await later(leaseMs, runId);
    expect(await runs.get(runId)).toMatchObject({ status: "completed" });
    expect((await read(runs, runId)).said).toEqual(["1 a", "2 a", "2 b", "2 c"]);
  });
});

describe(`what steps show while they work on ${medium}`, () => {
  played("is seen at once, before it is recorded, and leaves nothing in the store", async ({ actor, store }) => {
    let isSeen = false;
    const skill = writing(async ({ publish }) => {
      const { revision } = (await first.runs.list()).items[0] ?? {};
      publish({ done: 1n });
      publish("half");
      await until(() => isSeen);
      expect((await first.runs.list()).items[0]?.revision).toBe(revision);
    });
    const first = actor({ skills: [skill] });
    const { run } = await actor({ skills: [skill], executes: false }).runs.start({ skillId: "body" });
    const seen: string[] = [];
    const live: LiveEvent[] = [];
    const watching = (async () => {
      const events = watchLive(first.runs, run.runId);
      for (;;) {
        const { done, value } = await events.next();
        if (done) return value;
        seen.push(`${"isLive" in value ? "live " : ""}${value.eventType}`);
        if ("isLive" in value) live.push(value);
        isSeen ||= live.length === 3;
      }
    })();
    await turn();
    await first.later(leaseMs, run.runId);
    expect(await watching).toBe("completed");
    const steps = seen.filter((type) => type.includes("step."));
    expect(steps).toEqual([
      "live step.started",
      "live step.published",
      "live step.published",
      "step.started",
      "step.completed",
    ]);
    expect(live.map(({ payload }) => payload)).toEqual([
      { step_id: "say", uses: "step.do", attempt: 1 },
      { step_id: "say", part: expect.any(String), chunk: { done: 1n } },
      { step_id: "say", part: expect.any(String), chunk: "half" },
    ]);
    const entries = await store.listEntries("troupe", run.runId, { limit: 100 });
    expect(JSON.stringify(entries)).not.toContain("half");
  });

  played("is dropped if it is not taken, with its number", async ({ actor }) => {
    const skill = writing(async ({ publish }) => {
      for (let index = 0; index < 10; index++) publish(index);
    });
    const { runs, later } = actor({ skills: [skill] });
    const { run } = await actor({ skills: [skill], executes: false }).runs.start({ skillId: "body" });
    const events = watchLive(runs, run.runId, { maxWaiting: 3 });
    await events.next();
    await later(leaseMs, run.runId);
    const live: unknown[] = [];
    for await (const event of events) if ("isLive" in event) live.push(event.payload.chunk ?? event.payload.count);
    // The start of the step is lost too.
    expect(live).toEqual([8, 7, 8, 9]);
  });

  played("wakes neither a watch nor a drain", async ({ actor, store }) => {
    let reads = 0;
    const counting = {
      ...boundTo(store),
      getRun: async (...key: Parameters<Store["getRun"]>) => {
        reads++;
        return store.getRun(...key);
      },
      dueRuns: async (query: Parameters<Store["dueRuns"]>[0]) => {
        reads++;
        return store.dueRuns(query);
      },
    };
    const seen: number[] = [];
    const skill = writing(async ({ publish }) => {
      await turns(20);
      const before = reads;
      for (let index = 0; index < 50; index++) {
        publish(index);
        await turn();
      }
      seen.push(reads - before);
    });
    const notifier = localNotifier();
    const { begin, settled } = actor({ skills: [skill], notifier });
    const other = actor({ skills: [skill], notifier, store: counting, serves: true });
    const runId = await begin();
    const watching = (async () => {
      const watch = other.runs.watch(runId, { pollMs: 3_600_000 } as object);
      while (!(await watch.next()).done);
    })();
    await settled(runId);
    await watching;
    expect(seen).toEqual([0]);
  });
});

function nested(levels: number): unknown {
  let value: unknown = "deep";
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}

/** The store as a plain object, whose methods a test replaces. */
function boundTo(store: Store): Store {
  const names = [
    ...["getRun", "listRuns", "countRuns", "usage", "dueRuns", "getEntry", "listEntries", "getSnapshots"],
    ...["getClaim", "listClaims", "commit", "close"],
  ] as const;
  const methods = store as unknown as Record<string, (...given: unknown[]) => unknown>;
  return Object.fromEntries(names.map((name) => [name, methods[name]?.bind(store)])) as unknown as Store;
}

describe(`the output of a capability's handler on ${medium}`, () => {
  const said = defineCapability(
    { id: "say", version: "1", retries: { limit: 1, delay: 1 } },
    withOutput(async ({ words }: { words: readonly string[] }, { output, publish, attempt, stepId, signal }) => {
      expect(signal.aborted).toBe(false);
      publish({ attempt });
      await output.write(`${stepId} ${attempt}`);
      for (const word of words) await output.write(word);
      if (words.includes("stumble") && attempt === 1) throw new Error("it stumbled");
      return { text: words.join(" ") };
    }),
  );
  const graph = (...uses: readonly StepKind[]) =>
    defineGraphSkill({
      id: "graph",
      version: "1",
      uses,
      steps: [{ id: "say", uses: said, input: { words: "inputs.words" }, output: { text: "outputs.text" } }],
    });
  const code = defineSkill({
    id: "code",
    version: "1",
    uses: [seldom],
    run: async (step, { words }: { words: readonly string[] }) => {
      const { text } = await step.use("say", said, { words });
      await step.do("repeat", ({ output }) => output.write(text));
      return { text };
    },
  });

  for (const skill of [graph(seldom), graph(childRuns, outputs), code]) {
    played(`is stored with the run of a ${skill.id} skill, in a part for each attempt`, async ({ actor }) => {
      const { start, later, runs } = actor({ skills: [skill] });
      const { runId } = await start({ words: ["a", "stumble"] }, skill.id);
      expect(await later(10, runId)).toMatchObject({ status: "completed", result: { text: "a stumble" } });
      const { chunks, status } = await read(runs, runId);
      expect(status).toBe("completed");
      expect(chunks.map(({ chunk }) => chunk)).toEqual(["say 1", "a", "stumble", "say 2", "a", "stumble"]);
      expect(new Set(chunks.map(({ part }) => part)).size).toBe(2);
      if (skill === code) expect((await read(runs, runId, {}, "repeat")).said).toEqual(["a stumble"]);
    });
  }

  played("is shown while it works", async ({ actor }) => {
    const gate = Promise.withResolvers<void>();
    const waiting = defineCapability(
      { id: "wait", version: "1" },
      withOutput(async (_: unknown, { publish }) => {
        await gate.promise;
        publish("now");
        return {};
      }),
    );
    const skill = defineGraphSkill({
      id: "graph",
      version: "1",
      uses: [outputs],
      steps: [{ id: "wait", uses: waiting, input: {} }],
    });
    const { begin, runs } = actor({ skills: [skill], notifier: localNotifier() });
    const runId = await begin({}, "graph");
    const live: LiveEvent[] = [];
    const watch = watchLive(runs, runId);
    const first = watch.next();
    gate.resolve();
    for (let next = await first; !next.done; next = await watch.next())
      if ("isLive" in next.value) live.push(next.value);
    expect(live.filter(({ eventType }) => eventType === "step.published").map(({ payload }) => payload)).toEqual([
      { step_id: "wait", part: expect.any(String), chunk: "now" },
    ]);
  });

  played("needs a skill that uses outputs", async ({ actor }) => {
    const { start } = actor({ skills: [graph()] });
    const { status, error } = await start({ words: ["a"] }, "graph");
    expect({ status, error }).toMatchObject({
      status: "failed",
      error: { code: "invalid_request", message: expect.stringContaining("needs uses: [outputs]") },
    });
  });

  played("is that of the capability that the runtime has registered", async ({ actor }) => {
    const other = defineCapability(
      { id: "say", version: "1" },
      withOutput(async (_: unknown, { output }) => {
        await output.write("another");
        return { text: "another" };
      }),
    );
    for (const skill of [graph(seldom), code]) {
      const { start, runs } = actor({ skills: [skill], capabilities: [other] });
      const { runId } = await start({ words: ["a"] }, skill.id);
      expect((await read(runs, runId)).said).toEqual(["another"]);
    }
  });
});
