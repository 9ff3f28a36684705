import { describe, expect, test } from "vitest";
import { harness } from "#medium";
import { memoryStore } from "../../adapters/memory/index.ts";
import { initialState, type Json, type JsonObject } from "../../src/codec/index.ts";
import { countingStore, crashingStore, intercepted } from "../../src/conformance/faults.ts";
import { DurableError, defineSkill, saveCheckpoint } from "../../src/index.ts";
import { importRun } from "../../src/transfer.ts";
import { edited, exported, withBody } from "../support/lines.ts";
import { expectHidden, home, isImported, longRun, office, restingLines, restingRun } from "../support/office.ts";
import { limitedStore } from "../support/queries.ts";
import { onStage, refusalOf } from "../support/stage.ts";

// That nothing is imported that cannot be read or is no part of its run.
const on = onStage(harness);

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
      const { lines } = await restingLines(stage);
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
      const { first: there, lines } = await restingLines(stage);
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
      const bare = lines
        .with(
          1,
          edited(lines[1], (entry) => {
            const bare = { skill_id: "small", inputs: { bulk: "x".repeat(9_000) }, status: "running" };
            return { ...entry, snapshot: JSON.stringify(bare) };
          }),
        )
        // Versions that wrote such states did not know the size of a head.
        .with(
          0,
          withBody(lines[0], (row) => {
            const { head_size: _, ...record } = row.record as JsonObject;
            return { ...row, record };
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
    ["another size of the head", record({ head_size: [1_000, 100, 500] }), invalid, "line -1"],
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
      const { lines } = await restingLines(stage);
      const here = home(stage, stage.store);
      const wrong = edit(lines);
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
      const { lines } = await restingLines(stage);
      const { options } = office();
      const small = stage.runtime({ ...options, maxStateBytes: 1_000 }).for(stage.tenant);
      const refusal = await refusalOf(importRun(small, lines));
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
