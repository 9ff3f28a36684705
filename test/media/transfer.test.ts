import { describe, expect, test } from "vitest";
import { harness } from "#medium";
import { memoryStore } from "../../adapters/memory/index.ts";
import { initialState, type Json, type JsonObject } from "../../src/codec/index.ts";
import { countingStore, crashingStore, intercepted, lostAnswerStore } from "../../src/conformance/faults.ts";
import {
  DurableError,
  defineCapability,
  defineSkill,
  exportRun,
  importRun,
  isDurableError,
  type Runs,
  type RuntimeOptions,
  saveCheckpoint,
} from "../../src/index.ts";
import type { SnapshotRow, Store } from "../../src/store.ts";
import { type VirtualClock, virtualClock } from "../support/clock.ts";
import { limitedStore } from "../support/queries.ts";
import { leaseMs, onStage, refusalOf, type Stage, until } from "../support/stage.ts";
import { rowsOf } from "../support/stored.ts";

const on = onStage(harness);

const hourMs = 60 * 60 * 1000;

/** Sends mails, and then waits for an hour and for a word. */
function office() {
  const sent: unknown[] = [];
  const mail = defineCapability(
    { id: "mail", version: "1", sideEffects: "external_action", replayPolicy: "use_recorded_result" },
    (input) => {
      sent.push(input);
      return { at: new Date(0), to: new Map([["ann", 1n]]) };
    },
  );
  const skill = defineSkill<{ more: string }>({
    id: "office",
    version: "1",
    run: async (step, { more }) => {
      await step.use("first", "mail", { to: "ann", more });
      await step.use("second", "mail", { to: "bob" });
      await step.sleep("nap", hourMs);
      const said = await step.waitForEvent<string>("word", { type: "word", timeout: 48 * hourMs });
      return `${said.payload} after ${sent.length} mails`;
    },
  });
  return { sent, options: { skills: [skill], capabilities: [mail] } satisfies Partial<RuntimeOptions> };
}

/** A place where runs live: one medium, one clock, one runtime. */
function home(stage: Stage, store: Store, clock: VirtualClock = stage.clock) {
  const { sent, options } = office();
  const runtime = stage.runtime({ store, clock, holdMs: 0, ...options });
  return { store, clock, sent, runtime, runs: runtime.for(stage.tenant) };
}

type Home = ReturnType<typeof home>;

/** A run that has slept, been forked and been spoken to, and now waits for a word: with claims, deltas and an early signal. */
async function restingRun({ runs, runtime, clock }: Home, runId = "r"): Promise<string> {
  const odd = { [`__proto__`]: 1, text: "\ud800 \u{1f600}", map: new Map([[1, new Set([undefined])]]) };
  const inputs = { more: "é".repeat(2_000), odd };
  await runs.start({ skillId: "office", runId, inputs, idempotencyKey: `key of ${runId}`, metadata: { odd } });
  await runtime.idle();
  await runs.signal(runId, { name: "other", payload: odd });
  await clock.advance(hourMs);
  await runtime.drain();
  expect((await runs.get(runId)).status).toBe("waiting_for_signal");
  return runId;
}

/** The lines of a run whose entries go into three commits. */
async function longRun(stage: Stage, runId = "r", { entries = 250, padding = 0 } = {}): Promise<readonly string[]> {
  const { runs } = home(stage, memoryStore());
  await runs.create({ skillId: "office", runId, inputs: { more: "é".repeat(2_000) }, idempotencyKey: "key" });
  const state = { ...initialState("office", { more: "" }), skillVersion: "1" };
  for (let iteration = 1; iteration < entries; iteration++) {
    const vars = { padding: `${iteration} `.repeat(padding / 4) };
    await saveCheckpoint(runs, runId, { kind: "saved", state: { ...state, iteration, vars } });
  }
  return exported(runs, runId);
}

async function exported(runs: Runs, runId: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const line of exportRun(runs, runId)) lines.push(line);
  return lines;
}

/** False if the medium failed. */
async function isImported({ runs }: Home, lines: readonly string[]): Promise<boolean> {
  try {
    await importRun(runs, lines);
    return true;
  } catch (error) {
    if (!isDurableError(error, "store_failed")) throw error;
    return false;
  }
}

/** A stream of lines that fails behind them, as a connection does. */
async function* broken(lines: readonly string[]): AsyncGenerator<string, void, undefined> {
  yield* lines;
  throw new Error("the connection was lost");
}

/** No call shows anything of the run. */
async function expectHidden({ runs, runtime }: Home, runId: string): Promise<void> {
  expect(await refusalOf(runs.get(runId))).toMatchObject({ code: "not_found", missing: "run" });
  expect(await refusalOf(runs.listCheckpoints(runId))).toMatchObject({ code: "not_found" });
  expect((await runs.list()).items.map((run) => run.runId)).not.toContain(runId);
  expect(await runs.count()).toBe((await runs.list()).items.length);
  expect(await runtime.drain()).toEqual({ taken: 0, passedOver: 0 });
}

/** The lines with their last entry made so long by blanks that an import writes it before it has read them all. */
function padded(lines: readonly string[]): readonly string[] {
  const last = lines.findLastIndex((line) => line.startsWith('{"kind":"entry"'));
  if (last < 0) return lines;
  return lines.with(last, `${lines[last]?.trimEnd()}${" ".repeat(5 * 1024 * 1024)}\n`);
}

function edited(line: string | undefined, edit: (fields: Record<string, unknown>) => unknown): string {
  return `${JSON.stringify(edit(JSON.parse(line ?? "") as Record<string, unknown>))}\n`;
}

/** The line with its stored body changed. */
function withBody(line: string | undefined, edit: (body: JsonObject) => unknown): string {
  return edited(line, (fields) => ({ ...fields, body: JSON.stringify(edit(JSON.parse(String(fields.body)))) }));
}

// Export and import, as tests over the stores of one medium, beside stores in memory.

describe("an export", () => {
  test(
    "is the same after an import into another medium, and from there into this one",
    on(async (stage) => {
      const first = home(stage, memoryStore());
      await restingRun(first);
      const lines = await exported(first.runs, "r");
      const here = home(stage, stage.store);
      await importRun(here.runs, lines);
      expect(await exported(here.runs, "r")).toEqual(lines);

      await restingRun(here, "s");
      const others = await exported(here.runs, "s");
      const last = home(stage, memoryStore());
      await importRun(last.runs, others);
      expect(await exported(last.runs, "s")).toEqual(others);
      expect(await rowsOf(last.store, stage.tenant, "s")).toEqual({
        ...(await rowsOf(here.store, stage.tenant, "s")),
        count: 1,
      });
    }),
  );

  test(
    "is lines of JSON: a header, entries, claims and an end",
    on(async (stage) => {
      const here = home(stage, stage.store);
      await restingRun(here);
      const lines = await exported(here.runs, "r");
      expect(lines.every((line) => line.endsWith("\n") && !line.slice(0, -1).includes("\n"))).toBe(true);
      const parsed = lines.map((line) => JSON.parse(line) as JsonObject);
      expect(parsed[0]).toMatchObject({ kind: "orca-durable/run", format: 1, runId: "r" });
      expect(parsed.at(-1)).toEqual({ kind: "end", lines: lines.length });
      const { items: checkpoints } = await here.runs.listCheckpoints("r");
      const entries = parsed.filter(({ kind }) => kind === "entry");
      expect(entries.flatMap(({ checkpointId }) => checkpointId ?? [])).toEqual(
        checkpoints.map((one) => one.checkpointId),
      );
      expect(entries.length).toBe((await here.runs.history("r")).items.length);
      expect(entries.some(({ keyframe, revision }) => keyframe !== revision && keyframe !== undefined)).toBe(true);
      const claims = parsed.filter(({ kind }) => kind === "claim").map(({ claim }) => claim);
      expect(claims).toEqual(["effect", "effect", "idempotency"]);
    }),
  );

  test(
    "of a long history is read in pages, and by no more than one keyframe's snapshots at once",
    on(async (stage) => {
      const { runs, store, tenant, runtime } = stage;
      await runs.create({ skillId: "chain", runId: "r" });
      for (let number = 0; number < 230; number++) await runs.signal("r", { name: `signal ${number}` });
      const largest = { rows: 0 };
      const watching = intercepted(store, async (call, proceed) => {
        const answer = await proceed();
        if (call.method === "getSnapshots")
          largest.rows = Math.max(largest.rows, (answer as unknown as unknown[]).length);
        return answer;
      });
      const lines = await exported(runtime({ store: watching, executor: "exporter" }).for(tenant), "r");
      expect(lines.length).toBe(1 + 231 + 1);
      const other = home(stage, memoryStore());
      await importRun(other.runs, lines);
      expect(await exported(other.runs, "r")).toEqual(lines);
      expect(largest.rows).toBe(1);
    }),
  );

  test(
    "is rejected while the run is executed, and if there is no run",
    on(async (stage) => {
      const { runs, handlers, calls, clock } = stage;
      handlers.set(
        "one",
        (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener("abort", reject)),
      );
      await runs.start({ skillId: "chain", runId: "r" });
      await until("the step is under way", () => calls.length === 1);
      await clock.advance(1_000);
      expect(await refusalOf(exported(runs, "r"))).toMatchObject({ code: "conflict", retryAfterMs: leaseMs - 1_000 });
      expect(await refusalOf(exported(runs, "never"))).toMatchObject({ code: "not_found", missing: "run" });
      await runs.cancel("r");
      expect((await exported(runs, "r")).length).toBeGreaterThan(2);
    }),
  );

  test(
    "of a run that changes meanwhile has no end, and is not taken in",
    on(async (stage) => {
      const here = home(stage, stage.store);
      await restingRun(here);
      const lines: string[] = [];
      const reading = async () => {
        for await (const line of exportRun(here.runs, "r")) {
          if (lines.length === 1) await here.runs.signal("r", { name: "more" });
          lines.push(line);
        }
      };
      expect(await refusalOf(reading())).toMatchObject({ code: "conflict" });
      const other = home(stage, memoryStore());
      expect(await refusalOf(importRun(other.runs, lines))).toMatchObject({ code: "invalid_request" });
      await expectHidden(other, "r");
    }),
  );

  test(
    "of a run that is deleted meanwhile is a conflict, and no damage",
    on(async (stage) => {
      const here = home(stage, stage.store);
      await restingRun(here);
      let isDeleted = false;
      const watching = intercepted(stage.store, async ({ method }, proceed) => {
        if (method === "getSnapshots" && !isDeleted) {
          isDeleted = true;
          await here.runs.delete("r");
        }
        return proceed();
      });
      const reading = async () => {
        for await (const line of exportRun(home(stage, watching).runs, "r")) expect(line).not.toContain('"kind":"end"');
      };
      expect(await refusalOf(reading())).toMatchObject({ code: "conflict" });
    }),
  );

  test(
    "of a run that has lost the state of a checkpoint is refused by its name, and has no end",
    on(async (stage) => {
      const here = home(stage, stage.store);
      await restingRun(here);
      const { items } = await here.runs.listCheckpoints("r");
      const entries = await stage.store.listEntries(stage.tenant, "r", { after: 0, limit: 100 });
      for (const { checkpointId } of [items[0], items.at(-1)].filter((item) => item !== undefined)) {
        const { revision } = entries.find((entry) => entry.checkpointId === checkpointId) ?? {};
        const lossy = intercepted(stage.store, async ({ method }, proceed) => {
          const answer = await proceed();
          if (method !== "getSnapshots") return answer;
          return (answer as readonly SnapshotRow[]).filter((row) => row.revision !== revision) as typeof answer;
        });
        const lines: string[] = [];
        const reading = async () => {
          for await (const line of exportRun(home(stage, lossy).runs, "r")) lines.push(line);
        };
        const refusal = await refusalOf(reading());
        expect(refusal.code).toBe("corrupt_data");
        expect(refusal.message).toContain(checkpointId);
        expect(lines.join("")).not.toContain('"kind":"end"');
      }
    }),
  );

  test(
    "leaves claims out that have lapsed, and so does an import that comes later",
    on(async (stage) => {
      const here = home(stage, stage.store);
      await restingRun(here);
      const lines = await exported(here.runs, "r");
      await here.clock.advance(24 * hourMs);
      const later = await exported(here.runs, "r");
      expect(lines.length - later.length).toBe(1);
      const other = home(stage, memoryStore());
      await importRun(other.runs, lines);
      expect(await exported(other.runs, "r")).toEqual(later);
    }),
  );
});

describe("an import", () => {
  test(
    "brings a run that goes on where it was, with its effects, its timers and its signals",
    on(async (stage) => {
      const first = home(stage, memoryStore());
      await restingRun(first);
      const here = home(stage, stage.store);
      const run = await importRun(here.runs, await exported(first.runs, "r"));
      expect(run).toEqual(await first.runs.get("r"));
      expect((await here.runs.history("r")).items).toEqual((await first.runs.history("r")).items);
      expect(await here.runs.listCheckpoints("r")).toEqual(await first.runs.listCheckpoints("r"));
      for (const { checkpointId } of (await first.runs.listCheckpoints("r")).items) {
        const loaded = await here.runs.loadCheckpoint("r", checkpointId);
        expect(loaded).toEqual(await first.runs.loadCheckpoint("r", checkpointId));
      }
      await here.runs.signal("r", { name: "word", payload: "done" });
      await here.runtime.idle();
      expect(await here.runs.get("r")).toMatchObject({ status: "completed", result: "done after 0 mails" });
      const { items: checkpoints } = await here.runs.listCheckpoints("r");
      await here.runs.replay("r", { checkpointId: checkpoints[0]?.checkpointId ?? "", newRunId: "again" });
      await here.runtime.idle();
      expect(here.sent).toEqual([]);
      const repeated = await here.runs
        .start({ skillId: "office", runId: "r", idempotencyKey: "key of r", inputs: run.metadata.odd as never })
        .catch((error) => error.code);
      expect(repeated).toBe("idempotency_conflict");
    }),
  );

  test(
    "of a run that sleeps is due when its sleep is over",
    on(async (stage) => {
      const first = home(stage, memoryStore());
      await first.runs.start({ skillId: "office", runId: "r", inputs: { more: "" } });
      await first.runtime.idle();
      const here = home(stage, stage.store);
      await importRun(here.runs, await exported(first.runs, "r"));
      expect(await here.runtime.drain()).toEqual({ taken: 0, passedOver: 0 });
      await stage.clock.advance(hourMs);
      expect(await here.runtime.drain()).toEqual({ taken: 1, passedOver: 0 });
      expect((await here.runs.get("r")).status).toBe("waiting_for_signal");
    }),
  );

  test(
    "into another tenant is that tenant's run",
    on(async (stage) => {
      const here = home(stage, stage.store);
      await restingRun(here);
      const before = await rowsOf(stage.store, stage.tenant, "r");
      const theirs = here.runtime.for("other");
      const lines = (await exported(here.runs, "r")).filter((line) => !line.includes("idempotency"));
      const whole = lines.with(
        -1,
        edited(lines.at(-1), (end) => ({ ...end, lines: lines.length })),
      );
      const run = await importRun(theirs, whole);
      expect(run).toEqual({ ...(await here.runs.get("r")), tenantId: "other" });
      await theirs.signal("r", { name: "word", payload: "done" });
      await here.runtime.idle();
      expect((await theirs.get("r")).status).toBe("completed");
      expect(await rowsOf(stage.store, stage.tenant, "r")).toEqual(before);
    }),
  );

  test(
    "of what is there already gives it back and writes nothing",
    on(async (stage) => {
      const here = home(stage, stage.store);
      await restingRun(here);
      const lines = await exported(here.runs, "r");
      const before = await rowsOf(stage.store, stage.tenant, "r");
      expect(await importRun(here.runs, lines)).toEqual(await here.runs.get("r"));
      expect(await rowsOf(stage.store, stage.tenant, "r")).toEqual(before);
    }),
  );

  test(
    "of a run that is taken on before a lost answer can be read again is done",
    on(async (stage) => {
      const first = home(stage, memoryStore());
      await first.runs.start({ skillId: "office", runId: "r", inputs: { more: "" } });
      await first.runtime.idle();
      const lines = await exported(first.runs, "r");
      // Its last commit, which let the lease go for the nap, has left no entry.
      const { revision } = JSON.parse(lines[0] ?? "") as { revision: number };
      expect(lines.filter((line) => line.startsWith(`{"kind":"entry","revision":${revision}`))).toEqual([]);

      const other = home(stage, stage.store);
      const lossy = intercepted(stage.store, async ({ method, commit }, proceed) => {
        const answer = await proceed();
        if (method !== "commit" || commit?.run.revision !== revision) return answer;
        await stage.clock.advance(hourMs);
        await other.runtime.drain();
        await other.runtime.idle();
        throw new DurableError("store_failed", "the answer of this commit was lost");
      });
      const run = await importRun(home(stage, lossy).runs, lines);
      expect(run).toEqual(await other.runs.get("r"));
      expect(run.status).toBe("waiting_for_signal");
      expect(other.sent).toEqual([]);
    }),
  );

  test(
    "is refused where the run has, or had, another history",
    on(async (stage) => {
      const first = home(stage, memoryStore());
      await restingRun(first);
      const lines = await exported(first.runs, "r");
      const here = home(stage, stage.store);
      const refused = async () => {
        const before = await rowsOf(stage.store, stage.tenant, "r");
        expect(await refusalOf(importRun(here.runs, lines))).toMatchObject({ code: "conflict" });
        expect(await rowsOf(stage.store, stage.tenant, "r")).toEqual(before);
      };
      await here.runs.create({ skillId: "office", runId: "r", inputs: { more: "" } });
      await refused();
      await here.runs.delete("r");
      await refused();

      const longer = home(stage, memoryStore());
      await importRun(longer.runs, lines);
      await longer.runs.signal("r", { name: "more" });
      const long = await exported(longer.runs, "r");
      expect(await refusalOf(importRun(longer.runs, lines))).toMatchObject({ code: "conflict" });
      expect(await refusalOf(importRun(first.runs, long))).toMatchObject({ code: "conflict" });
      expect(await exported(first.runs, "r")).toEqual(lines);
    }),
  );

  test(
    "is refused where another run holds one of its claims, and shows nothing",
    on(async (stage) => {
      const first = home(stage, memoryStore());
      await restingRun(first);
      const here = home(stage, stage.store);
      await here.runs.create({ skillId: "office", runId: "holder" });
      await here.runs.start({ skillId: "office", runId: "s", inputs: { more: "" }, idempotencyKey: "key of r" });
      await here.runtime.idle();
      const refusal = await refusalOf(importRun(here.runs, await exported(first.runs, "r")));
      expect(refusal).toMatchObject({ code: "conflict", message: expect.stringContaining('"s"') });
      await expectHidden(here, "r");
    }),
  );

  test(
    "takes its text in chunks of any size, and with empty lines",
    on(async (stage) => {
      const first = home(stage, memoryStore());
      await restingRun(first);
      const lines = await exported(first.runs, "r");
      const text = lines.join("\n \n").trimEnd();
      for (const size of [1, 7, 1_000, text.length]) {
        const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
          text.slice(index * size, (index + 1) * size),
        );
        const other = home(stage, memoryStore());
        await importRun(other.runs, chunks);
        expect(await exported(other.runs, "r")).toEqual(lines);
      }
    }),
  );
});

describe("an import that is checked", () => {
  test(
    "does not take another run's receipts for its own",
    on(async (stage) => {
      const there = home(stage, memoryStore());
      await restingRun(there);
      await restingRun(there, "s");
      const [lines, others] = [await exported(there.runs, "r"), await exported(there.runs, "s")];
      const forged = lines.with(-4, others.at(-4) ?? "");
      expect(JSON.parse(forged.at(-4) ?? "")).toMatchObject({ kind: "claim", claim: "effect" });
      const here = home(stage, stage.store);
      expect(await refusalOf(importRun(here.runs, forged))).toMatchObject({
        code: "invalid_request",
        message: expect.stringContaining('the ledger entry does not belong to run "r"'),
      });
      await expectHidden(here, "r");
    }),
  );

  test(
    "says where in the run what cannot be read stands",
    on(async (stage) => {
      const there = home(stage, memoryStore());
      await restingRun(there);
      const lines = await exported(there.runs, "r");
      const wrong = lines.with(
        0,
        withBody(lines[0], (row) => {
          const waits = [{ kind: "sleep", step_id: "nap", until: -1e300 }];
          return { ...row, record: { ...(row.record as object), waits } };
        }),
      );
      expect(await refusalOf(importRun(home(stage, stage.store).runs, wrong))).toMatchObject({
        code: "invalid_request",
        path: "line 1",
        message: expect.stringContaining("record.waits[0].until"),
      });
    }),
  );

  test(
    "costs no more commits for the commits that left no trace",
    on(async (stage) => {
      const there = home(stage, memoryStore());
      await restingRun(there);
      const lines = await exported(there.runs, "r");
      const far = JSON.parse(lines[0] ?? "").revision + 900_000;
      const gap = lines.with(
        0,
        edited(lines[0], (header) => ({ ...header, revision: far })),
      );
      const counting = countingStore(stage.store);
      const here = home(stage, counting);
      await importRun(here.runs, gap);
      expect(counting.counts.calls.commit).toBe(1);
      expect(await exported(here.runs, "r")).toEqual(gap);
      expect((await here.runs.history("r")).items.length).toBe((await there.runs.history("r")).items.length);
      await here.runs.signal("r", { name: "word", payload: "done" });
      await here.runtime.idle();
      expect(await here.runs.get("r")).toMatchObject({ status: "completed" });
    }),
  );

  test(
    "completes a state that leaves out what is there by default, and what comes after it can be read",
    on(async (stage) => {
      const small = defineSkill({
        id: "small",
        version: "1",
        run: async (step) => {
          const parts = [await step.do("one", async () => 1), await step.do("two", async () => 2)];
          const { payload } = await step.waitForEvent<number>("word", { type: "word" });
          return [...parts, payload];
        },
      });
      const there = stage.runtime({ store: memoryStore(), skills: [small] });
      await there.for(stage.tenant).start({ skillId: "small", runId: "r", inputs: { bulk: "x".repeat(9_000) } });
      await there.idle();
      const lines = await exported(there.for(stage.tenant), "r");
      const bare = lines.with(
        1,
        edited(lines[1], (entry) => {
          const bare = { skill_id: "small", inputs: { bulk: "x".repeat(9_000) }, status: "running" };
          return { ...entry, snapshot: JSON.stringify(bare) };
        }),
      );
      // All the others stand on the first.
      expect(lines.filter((line) => line.includes("_delta_version")).length).toBe(4);
      expect(lines.filter((line) => line.includes('\\"base\\":0,')).length).toBe(1);
      const here = stage.runtime({ skills: [small] });
      const runs = here.for(stage.tenant);
      await importRun(runs, bare);
      await runs.signal("r", { name: "word", payload: 3 });
      await here.idle();
      expect(await runs.get("r")).toMatchObject({ status: "completed", result: [1, 2, 3] });
      for (const { checkpointId } of (await runs.listCheckpoints("r")).items) {
        expect((await runs.loadCheckpoint("r", checkpointId)).state).toMatchObject({ skillId: "small", frame: {} });
      }
    }),
  );

  test(
    "ends by being tried again, however few queries each try has, and reads nothing of what it wrote",
    on(async (stage) => {
      const lines = await longRun(stage);
      const here = home(stage, stage.store);
      let tries = 0;
      for (let isDone = false; !isDone; ) {
        expect(++tries).toBeLessThanOrEqual(3);
        let left = 2;
        const methods: string[] = [];
        const poor = intercepted(stage.store, async ({ method }, proceed) => {
          methods.push(method);
          if (left-- <= 0) throw new DurableError("store_failed", "Too many queries in this invocation.");
          return proceed();
        });
        isDone = await isImported(home(stage, poor), lines);
        expect(methods.slice(0, 2)).toEqual(["getRun", "commit"]);
      }
      expect(tries).toBe(3);
      expect(await exported(here.runs, "r")).toEqual(lines);
    }),
  );

  // What a Worker of a paid plan, and of the free one, may ask of D1 in one invocation; and little more than one commit takes.
  for (const [limit, tries] of [
    [1_000, 1],
    [50, 1],
    [8, 4],
  ] as const) {
    test(
      `of 500 entries ends by try ${tries}, with ${limit} queries a try, each statement of a commit counted`,
      on(async (stage) => {
        const lines = await longRun(stage, "r", { entries: 500, padding: 4_000 });
        for (let tried = 1; !(await isImported(home(stage, limitedStore(stage.store, limit)), lines)); tried++) {
          expect(tried).toBeLessThan(tries);
        }
        expect(await exported(home(stage, stage.store).runs, "r")).toEqual(lines);
      }),
    );
  }

  test(
    "of many entries is one import, made by several callers at once, each of which may be ahead",
    on(async (stage) => {
      const lines = await longRun(stage);
      const homes = [stage.store, await stage.open(), await stage.open()].map((store) => home(stage, store));
      async function* slowly() {
        for (const [index, line] of lines.entries()) {
          if (index % 50 === 0) await new Promise((resolve) => setTimeout(resolve));
          yield line;
        }
      }
      await Promise.all(homes.map(({ runs }, index) => importRun(runs, index === 0 ? slowly() : lines)));
      for (const { runs } of homes) expect(await exported(runs, "r")).toEqual(lines);
      const others = (await longRun(stage, "other")).map((line) => line.replaceAll('"other"', '"r"'));
      expect(await refusalOf(importRun(home(stage, stage.store).runs, others))).toMatchObject({
        code: expect.stringMatching(/conflict|invalid_request/),
      });
    }),
  );

  test(
    "that stopped is not gone on with by another history of as many entries",
    on(async (stage) => {
      const [lines, others] = [await longRun(stage), await longRun(stage)];
      const crash = { atCommit: 2, moment: "before", calls: "reject" } as const;
      await refusalOf(importRun(home(stage, crashingStore(stage.store, crash)).runs, others));
      const here = home(stage, stage.store);
      expect(await refusalOf(importRun(here.runs, lines))).toMatchObject({ code: "conflict" });
      await expectHidden(here, "r");
      await importRun(here.runs, others);
      expect(await exported(here.runs, "r")).toEqual(others);
    }),
  );
});

describe("an import that is cut", () => {
  test(
    "anywhere shows nothing, and may be begun again",
    { timeout: 120_000 },
    on(async (stage) => {
      const first = home(stage, memoryStore());
      await restingRun(first);
      const lines = await exported(first.runs, "r");
      const here = home(stage, stage.store);
      for (let cut = 0; cut < lines.length; cut++) {
        const begun = padded(lines.slice(0, cut));
        await expect(importRun(here.runs, broken(begun))).rejects.toThrow("the connection was lost");
        // A file that was cut ends like any other.
        expect(await refusalOf(importRun(here.runs, begun))).toMatchObject({
          code: "invalid_request",
          path: `line ${cut + 1}`,
        });
        const half = [...begun, (lines[cut] ?? "").slice(0, -20)];
        expect(await refusalOf(importRun(here.runs, half))).toMatchObject({
          code: "invalid_request",
          path: `line ${cut + 1}`,
        });
        await expectHidden(here, "r");
      }
      expect(await refusalOf(here.runs.start({ skillId: "office", runId: "r" }))).toMatchObject({ code: "conflict" });
      await importRun(here.runs, lines);
      expect(await exported(here.runs, "r")).toEqual(lines);
    }),
  );

  test(
    "and given up leaves nothing once its run is deleted, but the id",
    on(async (stage) => {
      const first = home(stage, memoryStore());
      await restingRun(first);
      const lines = await exported(first.runs, "r");
      const here = home(stage, stage.store);
      await expect(importRun(here.runs, broken(padded(lines.slice(0, -2))))).rejects.toThrow("the connection was lost");
      const stored = async () => [
        ...(await stage.store.listEntries(stage.tenant, "r", { limit: 100 })),
        ...(await stage.store.getSnapshots(stage.tenant, "r", 1, 100)),
      ];
      expect((await stored()).length).toBeGreaterThan(2);
      expect(await refusalOf(here.runs.delete("r", { expectedRevision: 3 }))).toMatchObject({
        code: "precondition_failed",
      });
      await here.runs.delete("r");
      expect(await stored()).toEqual([]);
      expect(await refusalOf(here.runs.delete("r"))).toMatchObject({ code: "not_found" });
      expect(await refusalOf(importRun(here.runs, lines))).toMatchObject({ code: "conflict" });
      expect(await refusalOf(here.runs.start({ skillId: "office", runId: "r" }))).toMatchObject({ code: "conflict" });
    }),
  );

  test(
    "or that is refused has written nothing where it was read to its end before",
    on(async (stage) => {
      const first = home(stage, memoryStore());
      await restingRun(first);
      const lines = await exported(first.runs, "r");
      const here = home(stage, stage.store);
      const wrong = [
        ...lines.map((_, cut) => lines.slice(0, cut)),
        ...lines.map((_, gone) => lines.toSpliced(gone, 1)),
        ...lines.map((line, twice) => lines.toSpliced(twice, 0, line)),
      ];
      for (const one of wrong) {
        expect(await refusalOf(importRun(here.runs, one))).toMatchObject({ code: "invalid_request" });
        expect(await stage.store.getRun(stage.tenant, "r")).toBeUndefined();
      }
      await here.runs.start({ skillId: "office", runId: "r" });
    }),
  );

  test.each(["before", "after"] as const)(
    "by a crash %s any of its commits shows nothing, and may be begun again by another",
    { timeout: 120_000 },
    (moment) =>
      on(async (stage) => {
        const lines = await longRun(stage);
        const counting = countingStore(memoryStore());
        await importRun(home(stage, counting).runs, lines);
        const commits = counting.counts.calls.commit;
        expect(commits).toBe(3);
        const tenants = Array.from({ length: commits }, (_, index) => `tenant ${index}`);
        for (const [index, tenant] of tenants.entries()) {
          const crash = { atCommit: index + 1, moment, calls: "reject" } as const;
          const dying = home(stage, crashingStore(stage.store, crash)).runtime.for(tenant);
          const isLast = moment === "after" && index === commits - 1;
          expect(await refusalOf(importRun(dying, lines))).toMatchObject({ code: "store_failed" });
          const next = home(stage, stage.store).runtime.for(tenant);
          if (!isLast) expect(await refusalOf(next.get("r"))).toMatchObject({ code: "not_found" });
          await importRun(next, lines);
          const theirs = await exported(next, "r");
          expect(theirs.slice(1)).toEqual(lines.slice(1));
        }
      })(),
  );

  test(
    "is gone on with by the export of a later moment, but not by that of another run",
    on(async (stage) => {
      const first = home(stage, memoryStore());
      await restingRun(first);
      const early = await exported(first.runs, "r");
      await first.runs.signal("r", { name: "word", payload: "done" });
      await first.runtime.idle();
      const late = await exported(first.runs, "r");
      const here = home(stage, stage.store);
      await expect(importRun(here.runs, broken(padded(early.slice(0, -3))))).rejects.toThrow();

      const other = home(stage, memoryStore(), virtualClock());
      await restingRun(other);
      const others = await exported(other.runs, "r");
      expect(await refusalOf(importRun(here.runs, others))).toMatchObject({ code: "conflict" });
      const withoutFirst = late.toSpliced(1, 1);
      expect(await refusalOf(importRun(here.runs, withoutFirst))).toMatchObject({
        code: expect.stringMatching(/conflict|invalid_request/),
      });
      await expectHidden(here, "r");
      await importRun(here.runs, late);
      expect(await exported(here.runs, "r")).toEqual(late);
    }),
  );

  test(
    "by lost answers, or made by several at once, is one import",
    on(async (stage) => {
      const first = home(stage, memoryStore());
      await restingRun(first);
      const lines = await exported(first.runs, "r");
      const losing = lostAnswerStore(stage.store, ({ nth }) => nth % 2 === 0);
      const homes = [losing, stage.store, await stage.open()].map((store) => home(stage, store));
      await Promise.all(homes.map(({ runs }) => importRun(runs, lines)));
      for (const { runs } of homes) expect(await exported(runs, "r")).toEqual(lines);
    }),
  );
});

/** The body of an entry with a checkpoint, as format 1 has it. */
function firstFormat(checkpoint_id: string, run_id: string): string {
  const record = { checkpoint_id, run_id, step_id: null, kind: "run_started", created_at: "", pending_writes: [] };
  return JSON.stringify({ format: 1, nonce: "n", events: [], checkpoint: record });
}

describe("a line that is wrong", () => {
  type Edit = (lines: readonly string[]) => readonly string[];
  const at =
    (index: number, edit: (line: string | undefined) => string): Edit =>
    (lines) =>
      lines.with(index, edit(lines.at(index)));
  const fields = (index: number, over: Record<string, unknown>): Edit =>
    at(index, (line) => edited(line, (fields) => ({ ...fields, ...over })));
  const body = (index: number, edit: (body: JsonObject) => unknown): Edit => at(index, (line) => withBody(line, edit));
  const record = (over: JsonObject): Edit =>
    body(0, (row) => ({ ...row, record: { ...(row.record as object), ...over } }));
  const run = (over: JsonObject): Edit =>
    body(0, (row) => {
      const { run, ...rest } = row.record as JsonObject;
      return { ...row, record: { ...rest, run: { ...(run as object), ...over } } };
    });
  const snapshot = (index: number, edit: (json: JsonObject) => unknown): Edit =>
    at(index, (line) =>
      edited(line, (one) => ({ ...one, snapshot: JSON.stringify(edit(JSON.parse(String(one.snapshot)))) })),
    );
  const headWithoutState: Edit = (lines) => {
    const head = lines.findLastIndex((line) => line.includes('"snapshot":'));
    return fields(head, { snapshot: undefined })(lines);
  };
  const keyframe = (over: JsonObject): Edit =>
    snapshot(1, ({ delta, ...link }) => {
      const [kind, set, ...rest] = delta as [Json, JsonObject, ...Json[]];
      return { ...link, delta: [kind, { ...set, ...over }, ...rest] };
    });
  const delta = (delta: Json): Edit => snapshot(2, (link) => ({ ...link, delta }));
  const huge = { latency_ms: Number.MAX_VALUE };
  /** In a few bytes each, results and parts of a trace of 27 values. */
  const hundredThousand = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`r${index}`, {}]));
  const levels = (count: number): Json => JSON.parse("[".repeat(count) + "]".repeat(count)) as Json;
  const [invalid, unsupported, large] = ["invalid_request", "unsupported_version", "too_large"];

  test.each<[string, Edit, string, string]>([
    ["text that is no JSON", at(1, () => "{\n"), invalid, "line 2"],
    ["a list", at(1, () => "[]\n"), invalid, "line 2"],
    ["nothing", at(0, () => ""), invalid, "line 1"],
    ["a header of something else", fields(0, { kind: "orca-durable/backup" }), invalid, "line 1"],
    ["a header without a format", fields(0, { format: null }), unsupported, "line 1"],
    ["a header of a newer format", fields(0, { format: 2 }), unsupported, "line 1"],
    ["a header of a run of a newer format", body(0, (row) => ({ ...row, format: 3 })), unsupported, "line 1"],
    ["a header of another run", fields(0, { runId: "other" }), invalid, "line 1"],
    ["a header with an id that is none", fields(0, { runId: "é" }), invalid, "line 1.runId"],
    ["a header without a body", fields(0, { body: null }), invalid, "line 1.body"],
    ["a header with a damaged body", fields(0, { body: '{"format":1,' }), invalid, "line 1"],
    [
      "a header with an unknown status",
      body(0, (row) => ({
        ...row,
        record: {
          ...(row.record as object),
          run: { run_id: "r", skill_id: "office", status: "odd", created_at: "" },
        },
      })),
      invalid,
      "line 1",
    ],
    ["a header of a tombstone", body(0, ({ record: _, ...row }) => row), invalid, "line 1"],
    ["a header of too much", fields(0, { body: "x".repeat(300_000) }), large, "line 1.body"],
    ["a revision that is none", fields(0, { revision: 1.5 }), invalid, "line 1.revision"],
    ["a revision of nothing", fields(0, { revision: 0 }), invalid, "line 1.revision"],
    ["a revision without end", fields(0, { revision: 2 ** 31 }), invalid, "line 1.revision"],
    ["a revision far from the last entry", fields(0, { revision: 2 ** 31 - 1 }), invalid, "line -1"],
    ["a second header", (lines) => lines.toSpliced(1, 0, lines[0] ?? ""), invalid, "line 2"],
    ["an entry of no kind", fields(1, { kind: "entries" }), invalid, "line 2"],
    ["an entry without a revision", fields(1, { revision: null }), invalid, "line 2.revision"],
    ["an entry below the first", fields(1, { revision: 0 }), invalid, "line 2"],
    ["an entry above the last", fields(1, { revision: 10_000 }), invalid, "line 2"],
    ["an entry that is there twice", (lines) => lines.toSpliced(1, 0, lines[1] ?? ""), invalid, "line 3"],
    // Of the two, the later one has no snapshot, which would have to be based on one that is to come.
    ["entries out of order", (lines) => lines.with(4, lines[5] ?? "").with(5, lines[4] ?? ""), invalid, "line 6"],
    ["an entry with a damaged body", fields(1, { body: "x" }), invalid, "line 2"],
    ["an entry of a newer format", body(1, (entry) => ({ ...entry, format: 3 })), unsupported, "line 2"],
    [
      "an entry with an unknown event",
      body(1, (entry) => ({ ...entry, delta: ["o", { events: [{ type: "odd", at: "", payload: {} }] }, {}, []] })),
      invalid,
      "line 2",
    ],
    ["an entry of another checkpoint", fields(1, { checkpointId: "other" }), invalid, "line 2"],
    // In format 2 an entry's checkpoint has its run from the header, and no other.
    [
      "an entry whose checkpoint is of another run",
      at(1, (line) => edited(line, (one) => ({ ...one, body: firstFormat(String(one.checkpointId), "other") }))),
      invalid,
      "line 2",
    ],
    ["a checkpoint without a keyframe", fields(1, { keyframe: null }), invalid, "line 2.keyframe"],
    ["a checkpoint with a keyframe to come", fields(1, { keyframe: 2 }), invalid, "line 2.keyframe"],
    ["a checkpoint with a keyframe that is none", fields(2, { keyframe: 0 }), invalid, "line 3.keyframe"],
    ["a first checkpoint without its state", fields(1, { snapshot: undefined }), invalid, "line 2.snapshot"],
    ["a delta's base without its state", fields(2, { snapshot: undefined }), invalid, "line 3.snapshot"],
    ["a head without its state", headWithoutState, invalid, "line"],
    ["a state of nothing", fields(1, { snapshot: null }), invalid, "line 2.snapshot"],
    ["a snapshot that is no text", fields(1, { snapshot: {} }), invalid, "line 2.snapshot"],
    ["a history without its first entry", (lines) => lines.toSpliced(1, 1), invalid, "line"],
    ["a history without its last entry", (lines) => lines.toSpliced(-5, 1), invalid, "line"],
    ["a claim without a key", fields(-2, { key: null }), invalid, "line -2"],
    ["a claim with an odd kind", fields(-2, { claim: "é" }), invalid, "line -2"],
    ["a claim that is there twice", (lines) => lines.toSpliced(-2, 0, lines.at(-2) ?? ""), invalid, "line -2"],
    ["a claim that lapses some day", fields(-2, { lapsesAt: "some day" }), invalid, "line -2.lapsesAt"],
    ["a claim with a damaged body", fields(-3, { body: "{" }), invalid, "line -3"],
    ["a claim of no known kind", fields(-2, { claim: "key" }), invalid, "line -2"],
    ["a claim of no known kind, before the others", fields(-4, { claim: "a" }), invalid, "line -4"],
    ["a ledger entry under another key", fields(-3, { key: "f".repeat(64) }), invalid, "line -3"],
    ["a ledger entry of another step", body(-4, (claim) => ({ ...claim, step_id: "other" })), invalid, "line -4"],
    ["a ledger entry of a second time", body(-4, (claim) => ({ ...claim, ordinal: 2 })), invalid, "line -4"],
    ["a ledger entry of no status", body(-4, (claim) => ({ ...claim, status: "done" })), invalid, "line -4"],
    ["a ledger entry that lapses", fields(-4, { lapsesAt: 8e15 }), invalid, "line -4"],
    ["a ledger entry without a step", body(-4, ({ step_id: _, ...claim }) => claim), invalid, "line -4"],
    ["an idempotency key for good", fields(-2, { lapsesAt: undefined }), invalid, "line -2"],
    ["an idempotency key for years", fields(-2, { lapsesAt: 8e15 }), invalid, "line -2"],
    ["an idempotency key that is no hash", fields(-2, { key: "key" }), invalid, "line -2"],
    ["an idempotency key of no content", fields(-2, { body: "x" }), invalid, "line -2"],
    ["a time of 16 digits", fields(0, { createdAt: 1_700_000_000_000_000 * 8 }), invalid, "line 1.createdAt"],
    [
      "a time of 16 digits that a Date can hold",
      (lines) => run({ created_at: new Date(10 ** 15).toISOString() })(fields(0, { createdAt: 10 ** 15 })(lines)),
      invalid,
      "line 1.createdAt",
    ],
    ["another time than the run's", fields(0, { createdAt: 1_700_000_000_000 }), invalid, "line 1.createdAt"],
    ["a run of no time", run({ created_at: "yesterday" }), invalid, "line 1.createdAt"],
    ["a run of a skill that is none", run({ skill_id: "é" }), invalid, "line 1.body.record.run.skill_id"],
    [
      "a wait before all time",
      record({ waits: [{ kind: "sleep", step_id: "nap", until: -1e300 }] }),
      invalid,
      "line 1",
    ],
    [
      "a wait behind all time",
      record({ waits: [{ kind: "sleep", step_id: "nap", until: 8.7e15 }] }),
      invalid,
      "line 1",
    ],
    ["a wake-up behind all time", record({ wake_at: 1e300 }), invalid, "line 1"],
    [
      "a decision of no time",
      record({ waits: [{ kind: "approval", step_id: "a", since: 0, reason: "approval", decision: { at: "" } }] }),
      invalid,
      "line 1.body.record.waits[0].decision.at",
    ],
    [
      "a signal of no time",
      record({ inbox: [{ name: "a", payload: 1, received_at: "?" }] }),
      invalid,
      "line 1.body.record.inbox[0].received_at",
    ],
    ["a count that overflows", record({ epoch: Number.MAX_SAFE_INTEGER }), invalid, "line 1.body.record.epoch"],
    ["a count that is none", record({ recoveries: -1 }), invalid, "line 1"],
    ["a count of other checkpoints", record({ checkpoint_count: 3 }), invalid, "line -1"],
    ["a head at another entry", record({ head_revision: 1 }), invalid, "line -1"],
    ["a run that is executed", record({ lease: { executor: "e", ends_at: 8.64e15 } }), "conflict", ""],
    ["a state that is no JSON", fields(1, { snapshot: "{" }), invalid, "line 2.snapshot"],
    ["a state that is no state", fields(1, { snapshot: "[]" }), invalid, "line 2.snapshot"],
    ["a state of a wrong type", keyframe({ iteration: "3" }), invalid, "line 2.snapshot"],
    ["a state of another skill", keyframe({ skill_id: "other" }), invalid, "line 2.snapshot"],
    ["a state of a newer version", keyframe({ state_version: "2.0.0" }), unsupported, "line 2.snapshot"],
    ["a state of too many levels", keyframe({ vars: { a: levels(495) } }), large, "line 2.snapshot"],
    [
      "a delta in place of a state",
      fields(1, { snapshot: '{"_delta_version":1,"base":1,"delta":null}' }),
      invalid,
      "line 2.snapshot",
    ],
    ["a delta over another state", snapshot(2, (link) => ({ ...link, base: 9 })), invalid, "line 3.snapshot"],
    [
      "a delta of a newer format",
      snapshot(2, (link) => ({ ...link, _delta_version: 3 })),
      unsupported,
      "line 3.snapshot",
    ],
    ["results that are none", delta(["r", null, null]), invalid, "line 3.snapshot"],
    ["results of a wrong type", delta(["r", { a: { latency_ms: "3" } }, null]), invalid, "line 3.snapshot"],
    ["results whose times overflow", delta(["r", { a: huge, b: huge }, null]), invalid, "line 3.snapshot"],
    ["results without the rest", delta(["r", {}]), invalid, "line 3.snapshot"],
    ["results that stand for too much", delta(["r", hundredThousand, null]), large, "line 3.snapshot"],
    ["a delta that does not fit", delta(["a", 0, 0, []]), invalid, "line 3.snapshot"],
    ["a delta to a number in words", delta(["o", { iteration: "3" }, {}, []]), invalid, "line 3.snapshot"],
    ["a delta that takes the inputs", delta(["o", {}, {}, ["inputs"]]), invalid, "line 3.snapshot"],
    ["a delta to another skill", delta(["o", { skill_id: "other" }, {}, []]), invalid, "line 3.snapshot"],
    [
      "a delta to a result in words",
      delta(["o", {}, { step_results: ["o", { first: { step_id: "first", latency_ms: "1" } }, {}, []] }, []]),
      invalid,
      "line 3.snapshot",
    ],
    [
      "a delta to a trace in words",
      delta(["o", {}, { trace: ["o", {}, { steps: ["a", 0, 0, ["first"]] }, []] }, []]),
      invalid,
      "line 3.snapshot",
    ],
    [
      "a delta to an odd value",
      delta(["o", {}, { vars: ["o", { a: { $durable: ["date", "yesterday"] } }, {}, []] }, []]),
      invalid,
      "line 3.snapshot",
    ],
    [
      "a delta longer than its state",
      delta(["o", { vars: { a: "x".repeat(50_000) } }, { vars: ["=", {}] }, []]),
      invalid,
      "line 3.snapshot",
    ],
    ["a claim of a newer format", body(-3, (claim) => ({ ...claim, format: 3 })), unsupported, "line -3"],
    ["an entry after the claims", (lines) => lines.toSpliced(-1, 0, lines[1] ?? ""), invalid, "line -2"],
    ["an end too early", (lines) => lines.toSpliced(-2, 1), invalid, "line -1"],
    ["an end that counts wrong", fields(-1, { lines: 3 }), invalid, "line -1"],
    ["unexpected line after the end line", (lines) => [...lines, lines.at(-1) ?? ""], invalid, "line -1"],
  ])("is named: %s", (_what, edit, code, path) =>
    on(async (stage) => {
      const first = home(stage, memoryStore());
      await restingRun(first);
      const here = home(stage, stage.store);
      const wrong = edit(await exported(first.runs, "r"));
      const refusal = await refusalOf(importRun(here.runs, wrong));
      const expected = path.replace(/-\d+/, (index) => String(wrong.length + 1 + Number(index)));
      expect(refusal.code).toBe(code);
      if (path === "") return expectHidden(here, "r");
      if (path === "line") expect(refusal.path).toMatch(/^line \d+/);
      else expect(refusal.path).toBe(expected);
      expect(refusal.message).toContain(refusal.path);
      await expectHidden(here, "r");
    })(),
  );

  test(
    "is named where a snapshot is larger than what is kept here",
    on(async (stage) => {
      const first = home(stage, memoryStore());
      await restingRun(first);
      const { options } = office();
      const small = stage.runtime({ ...options, maxStateBytes: 1_000 }).for(stage.tenant);
      const refusal = await refusalOf(importRun(small, await exported(first.runs, "r")));
      expect(refusal).toMatchObject({ code: "too_large", path: "line 2.snapshot" });
    }),
  );

  test(
    "is named where deltas make a state larger than what is kept here",
    on(async (stage) => {
      const first = home(stage, memoryStore());
      await first.runs.create({ skillId: "office", runId: "r" });
      let vars: Record<string, unknown> = {};
      for (let number = 0; number < 60; number++) {
        vars = { ...vars, [`var ${number}`]: "x".repeat(1_000) };
        await saveCheckpoint(first.runs, "r", { kind: "k", state: { ...initialState("office", {}), vars } });
      }
      const lines = await exported(first.runs, "r");
      expect(lines.filter((line) => line.includes("_delta_version")).length).toBe(61);
      const { options } = office();
      const small = stage.runtime({ ...options, maxStateBytes: 20_000 }).for(stage.tenant);
      expect(await refusalOf(importRun(small, lines))).toMatchObject({ code: "too_large" });
      await importRun(home(stage, stage.store).runs, lines);
    }),
  );
});
