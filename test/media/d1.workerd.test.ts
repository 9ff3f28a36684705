import { env } from "cloudflare:workers";
import type { D1Database, D1DatabaseSession, D1Meta, D1PreparedStatement } from "@cloudflare/workers-types";
import { describe, expect, test } from "vitest";
import { d1Store } from "../../adapters/d1/index.ts";
import { intercepted } from "../../src/conformance/faults.ts";
import { createRuntime, defineSkill } from "../../src/index.ts";
import { outputs } from "../../src/steps.ts";
import type { ClaimRow, Commit, RunFilter, RunRow } from "../../src/store.ts";

function run(tenant: string, revision: number, over: Partial<RunRow> = {}): RunRow {
  const fixed = { tenant, runId: "run", createdAt: 1, status: "running", skillId: "skill", sourceRunId: "source" };
  return { ...fixed, revision, dueAt: 1_000, body: `body ${revision}`, ...over };
}

function step(tenant: string, revision: number, over: Partial<RunRow> = {}): Commit {
  const entry = { body: "record", checkpointId: `c${revision}`, keyframe: revision, snapshot: "state".repeat(2_000) };
  return { run: run(tenant, revision, over), ...replacing(tenant, revision), entry, now: 1 };
}

/** The row below that of the revision. */
function replacing(tenant: string, revision: number): Pick<Commit, "before"> {
  return revision === 1 ? {} : { before: run(tenant, revision - 1) };
}

/** A D1 that keeps what was bound to its statements and what they cost. */
function watched(db: Pick<D1Database, "prepare" | "batch">) {
  const bound: { readonly sql: string; readonly values: readonly unknown[] }[] = [];
  const cost = { read: 0, written: 0 };
  const originals = new WeakMap<D1PreparedStatement, D1PreparedStatement>();
  const add = ({ rows_read, rows_written }: D1Meta) => {
    cost.read += rows_read;
    cost.written += rows_written;
  };
  const watch = (statement: D1PreparedStatement): D1PreparedStatement => {
    const outer: Pick<D1PreparedStatement, "all"> = {
      all: async <T>() => {
        const result = await statement.all<T>();
        add(result.meta);
        return result;
      },
    };
    originals.set(outer as D1PreparedStatement, statement);
    return outer as D1PreparedStatement;
  };
  const session: D1DatabaseSession = {
    prepare: (sql) => {
      const bind = (...values: unknown[]) => {
        bound.push({ sql, values });
        return watch(db.prepare(sql).bind(...values));
      };
      return { bind } as D1PreparedStatement;
    },
    batch: async <T>(statements: D1PreparedStatement[]) => {
      const results = await db.batch<T>(statements.map((statement) => originals.get(statement) ?? statement));
      for (const { meta } of results) add(meta);
      return results;
    },
    getBookmark: () => null,
  };
  const costOf = async (work: () => Promise<unknown>) => {
    const before = { ...cost };
    await work();
    return { read: cost.read - before.read, written: cost.written - before.written };
  };
  return { store: d1Store(session), bound, costOf };
}

async function countParts(tenant: string): Promise<number | null> {
  const sql = `SELECT count(*) AS count FROM runs JOIN snapshot_parts ON id >> 31 = +number WHERE tenant = ?`;
  return env.DB.prepare(sql).bind(tenant).first<number>("count");
}

/** The bytes of the database file. */
async function sizeOfFile(): Promise<number> {
  return (await env.DB.prepare("SELECT 1").run()).meta.size_after;
}

describe("the rows that D1 bills", () => {
  test("a step writes three rows and reads four, late in a long run too", async () => {
    const { store, costOf } = watched(env.DB);
    await store.commit(step("steps", 1));
    for (let revision = 2; revision < 100; revision += 1) {
      expect(await costOf(() => store.commit(step("steps", revision)))).toEqual({ read: 4, written: 3 });
    }
  });

  test("a step that moves the due time writes one more, and one that moves the status too another", async () => {
    const { store, costOf } = watched(env.DB);
    await store.commit(step("due", 1));
    expect(await costOf(() => store.commit(step("due", 2, { dueAt: 2_000 })))).toEqual({ read: 4, written: 4 });
    const waiting = { ...step("due", 3, { status: "waiting" }), before: run("due", 2, { dueAt: 2_000 }) };
    expect(await costOf(() => store.commit(waiting))).toEqual({ read: 4, written: 5 });
    const counts = [{ status: "running" }, { status: "waiting" }].map((filter) => store.countRuns("due", filter));
    expect(await Promise.all(counts)).toEqual([0, 1]);
  });

  test("a heartbeat, a row with another due time and no entry, writes two", async () => {
    const { store, costOf } = watched(env.DB);
    await store.commit(step("heartbeat", 1));
    const heartbeat = { run: run("heartbeat", 2, { dueAt: 2_000 }), ...replacing("heartbeat", 2), now: 1 };
    expect(await costOf(() => store.commit(heartbeat))).toEqual({ read: 2, written: 2 });
  });

  test("a flush of the output of a step writes at most two rows, three where the lease is renewed", async () => {
    const { store, costOf } = watched(env.DB);
    const flushes: { read: number; written: number; isRenewal: boolean }[] = [];
    let dueAt: number | undefined;
    const measured = intercepted(store, async ({ commit }, proceed) => {
      if (commit === undefined) return proceed();
      let answer = proceed;
      const cost = await costOf(() => {
        const answered = proceed();
        answer = () => answered;
        return answered;
      });
      if (commit.entry?.body.includes('"step.output"') === true) {
        flushes.push({ ...cost, isRenewal: commit.run.dueAt !== dueAt });
      }
      dueAt = commit.run.dueAt;
      return answer();
    });
    const teller = defineSkill({
      id: "teller",
      version: "1",
      uses: [outputs],
      run: (step) =>
        step.do("tell", async ({ output }) => {
          for (let number = 1; number <= 30; number++) {
            await output.write("x".repeat(1_000));
            await output.flush();
          }
        }),
    });
    const runtime = createRuntime({ serves: false, store: measured, skills: [teller] });
    await runtime.for("flushed").start({ skillId: "teller", runId: "run" });
    await runtime.idle();
    expect(flushes).toHaveLength(30);
    for (const { read, written, isRenewal } of flushes) {
      expect(written).toBeLessThanOrEqual(isRenewal ? 3 : 2);
      expect(read).toBeLessThanOrEqual(4);
    }
    await runtime.stop();
  });

  test("a step that is executed writes at most three rows, four where the lease is renewed, and reads at most four", async () => {
    const { store, costOf } = watched(env.DB);
    const steps: { read: number; written: number; isRenewal: boolean }[] = [];
    const leaseMs = 10_000;
    let dueAt: number | undefined;
    const measured = intercepted(store, async ({ commit }, proceed) => {
      if (commit === undefined) return proceed();
      let answer = proceed;
      const cost = await costOf(() => {
        const answered = proceed();
        answer = () => answered;
        return answered;
      });
      if (commit.entry?.body.includes('"step_completed"') === true) {
        steps.push({ ...cost, isRenewal: commit.run.dueAt !== dueAt });
      }
      dueAt = commit.run.dueAt;
      return answer();
    });
    const growing = defineSkill({
      id: "growing",
      version: "1",
      run: async (step) => {
        for (let number = 1; number <= 60; number++) await step.do(`step ${number}`, async () => "x".repeat(1_000));
      },
    });
    let now = 1_800_000_000_000;
    const sleep = (_: number, signal?: AbortSignal) =>
      new Promise<void>((resolve) => {
        if (signal === undefined || signal.aborted) setTimeout(resolve, 0);
        else signal.addEventListener("abort", () => resolve());
      });
    // So much time passes at each look at the clock that the lease is renewed every few steps.
    const clock = { now: () => (now += 100), sleep };
    const runtime = createRuntime({ serves: false, store: measured, skills: [growing], clock, leaseMs });
    const runs = runtime.for("executed");
    await runs.start({ skillId: "growing", runId: "run" });
    await runtime.idle();
    expect((await runs.get("run")).status).toBe("completed");
    await runtime.stop();
    expect(steps.length).toBe(60);
    const [renewals, others] = [steps.filter((one) => one.isRenewal), steps.filter((one) => !one.isRenewal)];
    expect(renewals.length).toBeGreaterThan(3);
    expect(others.length).toBeGreaterThan(20);
    expect(Math.max(...others.map(({ written }) => written))).toBeLessThanOrEqual(3);
    expect(Math.max(...renewals.map(({ written }) => written))).toBeLessThanOrEqual(4);
    expect(Math.max(...steps.map(({ read }) => read))).toBeLessThanOrEqual(4);
    expect(Math.min(...steps.map(({ written }) => written))).toBeGreaterThan(0);
  });

  test("a birth writes its row with its key and its checkpoint, an index row for each list and the due runs, and a large snapshot", async () => {
    const { store, costOf } = watched(env.DB);
    const small = { body: "record", checkpointId: "c1", keyframe: 1, snapshot: "state" };
    const born = (runId: string, over: Partial<RunRow>) => run("birth", 1, { runId, ...over });
    const { sourceRunId: _, ...unsourced } = born("alone", {});
    expect((await costOf(() => store.commit({ run: unsourced, entry: small, now: 1 }))).written).toBe(6);
    expect((await costOf(() => store.commit({ run: born("fork", {}), entry: small, now: 1 }))).written).toBe(7);
    const large = { ...small, snapshot: "state".repeat(2_000) };
    expect((await costOf(() => store.commit({ run: born("large", {}), entry: large, now: 1 }))).written).toBe(8);
    for (const [runId, { snapshot }] of [
      ["alone", small],
      ["fork", small],
      ["large", large],
    ] as const) {
      const entry = { tenant: "birth", runId, revision: 1, checkpointId: "c1", keyframe: 1, body: "record" };
      expect(await store.getEntry("birth", runId, "c1")).toEqual(entry);
      expect(await store.listEntries("birth", runId, { limit: 9 })).toEqual([entry]);
      expect(await store.listEntries("birth", runId, { after: 1, limit: 9 })).toEqual([]);
      expect(await store.getSnapshots("birth", runId, 1, 1)).toEqual([{ revision: 1, body: snapshot }]);
      expect(await store.getSnapshots("birth", runId, 2, 9)).toEqual([]);
    }
  });

  test("a start, a fork and a resume write six rows, and a fork of a state of kilobytes seven", async () => {
    const { store, costOf } = watched(env.DB);
    const skill = defineSkill<{ text: string }>({
      id: "billed",
      version: "1",
      run: async (step, { text }) => {
        await step.do("one", async () => text);
        await step.waitForEvent("wait", { type: "go" });
      },
    });
    const runtime = createRuntime({ serves: false, store, skills: [skill] });
    const clerk = createRuntime({ serves: false, store, skills: [skill], executes: false }).for("billed");
    const start = async (runId: string, text: string) =>
      (await costOf(() => clerk.start({ skillId: "billed", runId, inputs: { text } }))).written;
    expect(await start("small", "x")).toBeLessThanOrEqual(6);
    expect(await start("large", "x".repeat(10_000))).toBeLessThanOrEqual(7);
    for (const [runId, text, most] of [
      ["a", "x", 6],
      ["b", "x".repeat(10_000), 7],
    ] as const) {
      await runtime.for("billed").start({ skillId: "billed", runId, inputs: { text } });
      await runtime.idle();
      const fork = `fork of ${runId}`;
      const forking = await costOf(() => clerk.fork(runId, { newRunId: fork }));
      expect(forking.written).toBeLessThanOrEqual(most);
      expect((await costOf(() => clerk.resume(fork))).written).toBeLessThanOrEqual(6);
      expect((await costOf(() => clerk.cancel(fork))).written).toBeLessThanOrEqual(4);
    }
    await runtime.stop();
  });

  test("a run's row takes little more room than its texts, where a table without rowid would give it a page besides", async () => {
    const store = d1Store(env.DB);
    const [before, count] = [await sizeOfFile(), 500];
    for (let index = 0; index < count; index++) {
      await store.commit({ run: run("roomy", 1, { runId: `run ${index}`, body: "x".repeat(1_200) }), now: 1 });
    }
    const bytes = (await sizeOfFile()) - before;
    expect(bytes / count).toBeGreaterThan(1_200);
    expect(bytes / count).toBeLessThan(2_400);
  });

  test.each([
    ["two share a page", 650, 1_200, 2_200],
    ["three share a page", 150, 1_080, 1_550],
    ["ten share a page", 150, 100, 420],
  ])("the file takes little more than the texts of entries: %s", async (name, record, state, most) => {
    const store = d1Store(env.DB);
    const entry = { body: "x".repeat(record), snapshot: "y".repeat(state), keyframe: 1 };
    await store.commit({ run: run(name, 1), entry: { ...entry, checkpointId: "c1" }, now: 1 });
    const [size, count] = [await sizeOfFile(), 400];
    for (let revision = 2; revision <= count + 1; revision++) {
      const checkpoint = { ...entry, checkpointId: `chk_${crypto.randomUUID()}` };
      await store.commit({ run: run(name, revision), ...replacing(name, revision), entry: checkpoint, now: 1 });
    }
    const bytes = (await sizeOfFile()) - size;
    expect(bytes / count).toBeGreaterThan(record + state);
    expect(bytes / count).toBeLessThan(most);
  });

  test.each([400, 1_600])(
    "the file of a run of %i steps of a kilobyte is at most 2.2 times what they returned",
    async (steps) => {
      const growing = defineSkill({
        id: "growing",
        version: "1",
        run: async (step) => {
          for (let number = 1; number <= steps; number++)
            await step.do(`step ${number}`, async () => "x".repeat(1_024));
        },
      });
      const runtime = createRuntime({ serves: false, store: d1Store(env.DB), skills: [growing] });
      const size = await sizeOfFile();
      const runId = `run of ${steps}`;
      await runtime.for("file").start({ skillId: "growing", runId });
      await runtime.idle();
      expect((await runtime.for("file").get(runId)).status).toBe("completed");
      await runtime.stop();
      const times = ((await sizeOfFile()) - size) / (steps * 1_024);
      expect(times).toBeLessThanOrEqual(2.2);
    },
  );

  test("a due query reads no run that is not due", async () => {
    const { store, costOf } = watched(env.DB);
    const rows = Array.from({ length: 50 }, (_, index) => run("mostly idle", 1, { runId: `run ${index}` }));
    for (const row of rows) await store.commit({ run: { ...row, dueAt: 1_000_000 }, now: 1 });
    await store.commit({ run: run("mostly idle", 1, { dueAt: -1 }), now: 1 });
    const { read } = await costOf(() => store.dueRuns({ tenant: "mostly idle", now: 0, limit: 10 }));
    expect(read).toBeLessThanOrEqual(3);
  });

  test("a page of a history reads as many entries as it gives", async () => {
    const { store, costOf } = watched(env.DB);
    for (let revision = 1; revision <= 40; revision += 1) await store.commit(step("history", revision));
    const { read } = await costOf(() => store.listEntries("history", "run", { after: 20, limit: 10 }));
    expect(read).toBeLessThanOrEqual(11);
  });
});

describe("each read", () => {
  test("is by an index, without a scan and a sort", async () => {
    const { store, bound } = watched(env.DB);
    const filters: readonly RunFilter[] = [
      {},
      { status: "running" },
      { skillId: "skill" },
      { sourceRunId: "source" },
      { status: "running", skillId: "skill", sourceRunId: "source" },
    ];
    await store.commit(step("plans", 1));
    bound.length = 0;
    for (const filter of filters) {
      await store.countRuns("plans", filter);
      for (const after of [undefined, { createdAt: 1, runId: "run" }]) {
        for (const order of ["ascending", "descending"] as const) {
          await store.listRuns("plans", { ...filter, order, limit: 2, ...(after && { after }) });
        }
      }
    }
    const place = { dueAt: 1, runId: "run", tenant: "plans" };
    await store.dueRuns({ now: 1, limit: 1, tenant: "plans", after: place });
    await store.dueRuns({ now: 1, limit: 1, exceptTenants: ["plans"] });
    await store.usage("plans");
    await store.getRun("plans", "run");
    await store.getEntry("plans", "run", "c1");
    for (const after of [0, 1]) {
      for (const checkpointsOnly of [true, false]) {
        await store.listEntries("plans", "run", { after, limit: 2, checkpointsOnly });
      }
    }
    for (const from of [1, 2]) await store.getSnapshots("plans", "run", from, 4);
    await store.getClaim("plans", "k", "a");
    await store.listClaims("plans", "run", { limit: 1 });
    await store.commit({ ...step("plans", 2), erase: true });
    for (const { sql, values } of bound) {
      const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .bind(...values)
        .all<{ detail: string }>();
      const plan = results.map(({ detail }) => detail);
      // The rows of an answer, and the list of a bound value.
      const scans = plan.filter((detail) => /^SCAN (?!CONSTANT ROW|\(subquery|json_each)/.test(detail));
      expect({ sql, scans }).toEqual({ sql, scans: [] });
      expect({ sql, sorts: plan.filter((detail) => detail.includes("TEMP B-TREE")) }).toEqual({ sql, sorts: [] });
    }
    expect(bound.length).toBeGreaterThan(30);
  });
});

describe("entries", () => {
  test("of one run are never those of its neighbors, at the ends of their revisions too", async () => {
    const store = d1Store(env.DB);
    const last = 2 ** 31 - 1;
    const runIds = ["before", "between", "after"];
    const entry = { body: "record", checkpointId: "c", snapshot: "state" };
    for (const runId of runIds) {
      await store.commit({ run: run("ends", 1, { runId }), entry: { ...entry, checkpointId: "first" }, now: 1 });
      await store.commit({ run: run("ends", last, { runId }), over: 1, entry, now: 1 });
    }
    for (const runId of runIds) {
      const revisions = (await store.listEntries("ends", runId, { limit: 9 })).map(({ revision }) => revision);
      expect(revisions).toEqual([1, last]);
      const widest = await store.getSnapshots("ends", runId, -(2 ** 40), Number.MAX_SAFE_INTEGER);
      expect(widest.map(({ revision }) => revision)).toEqual([1, last]);
      expect(await store.listEntries("ends", runId, { after: Number.MAX_SAFE_INTEGER, limit: 9 })).toEqual([]);
      expect((await store.listEntries("ends", runId, { after: -5, limit: 9 })).length).toBe(2);
      expect((await store.getEntry("ends", runId, "c"))?.revision).toBe(last);
    }
    // Its id would be one of the next run.
    const beyond = run("ends", last + 1, { runId: "before" });
    await expect(store.commit({ run: beyond, entry, now: 1 })).rejects.toMatchObject({ code: "too_large" });
    await store.commit({ run: run("ends", last + 1, { runId: "between" }), erase: true, now: 1 });
    for (const [index, runId] of runIds.entries()) {
      expect((await store.listEntries("ends", runId, { limit: 9 })).length).toBe(index === 1 ? 0 : 2);
    }
  });

  test("have one checkpoint of an id, the first of a run too", async () => {
    const store = d1Store(env.DB);
    const entry = { body: "record", checkpointId: "c1", keyframe: 1, snapshot: "state" };
    for (const [runId, body] of [
      ["small", "record"],
      ["large", "record".repeat(1_000)],
    ] as const) {
      await store.commit({ run: run("ids", 1, { runId }), entry: { ...entry, body }, now: 1 });
      const again = store.commit({ run: run("ids", 2, { runId }), entry, now: 1 });
      await expect(again).rejects.toMatchObject({ code: "store_failed" });
      expect((await store.getRun("ids", runId))?.revision).toBe(1);
      expect((await store.getEntry("ids", runId, "c1"))?.body).toBe(body);
    }
  });
});

describe("a page of 100,000 runs reads as many rows as one of 1,000", () => {
  const insert = `INSERT INTO runs (tenant, run_id, revision, created_at, status, skill_id, source_run_id, due_at, body)
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)
    SELECT ?1, 'run ' || i, 1, i / 3, CASE WHEN i % 10 = 0 THEN 'running' ELSE 'completed' END,
      'skill ' || i % 7, 'source ' || i % 100, NULL, '' FROM n`;
  const filters: readonly RunFilter[] = [
    {},
    { status: "running" },
    { status: "completed" },
    { skillId: "skill 3" },
    { sourceRunId: "source 42" },
  ];

  test("first or later, ascending or descending, for each filter", async () => {
    const { store, costOf } = watched(env.DB);
    await env.DB.prepare(insert).bind("few", 1_000).run();
    await env.DB.prepare(insert).bind("many", 100_000).run();
    for (const filter of filters) {
      for (const order of ["ascending", "descending"] as const) {
        for (const after of [undefined, { createdAt: 100, runId: "run 300" }]) {
          const query = { ...filter, order, limit: 3, ...(after && { after }) };
          const few = await costOf(() => store.listRuns("few", query));
          const many = await costOf(() => store.listRuns("many", query));
          expect(many, JSON.stringify(query)).toEqual(few);
          expect(many.read).toBeLessThanOrEqual(2 * query.limit + 1);
        }
      }
    }
  });
});

describe("the limits of D1", () => {
  const fiveMegabytes = "state \u{1f600} é € ".repeat(300_000);
  const bytes = (text: string) => new TextEncoder().encode(text).length;

  test("a snapshot of five megabytes is split over rows within the limits, and comes back", async () => {
    const { store, bound } = watched(env.DB);
    const checkpoint = { ...step("big", 1).entry, body: "b".repeat(256 * 1024), snapshot: fiveMegabytes };
    await store.commit({ run: run("big", 1), entry: checkpoint, now: 1 });
    expect(bytes(fiveMegabytes)).toBeGreaterThan(5_000_000);
    expect(await store.getSnapshots("big", "run", 1, 1)).toEqual([{ revision: 1, body: fiveMegabytes }]);
    expect(await countParts("big")).toBe(2);
    for (const { sql, values } of bound) {
      const texts = values.filter((value) => typeof value === "string");
      expect(texts.map(bytes).reduce((sum, each) => sum + each, 0)).toBeLessThan(2_000_000);
      expect(values.length).toBeLessThanOrEqual(100);
      expect(bytes(sql)).toBeLessThan(100_000);
    }
  });

  test("of a commit that is refused no part of the snapshot stays", async () => {
    const store = d1Store(env.DB);
    await store.commit(step("refused", 1));
    const parts = await countParts("refused");
    const big = { ...step("refused", 2).entry, body: "record", snapshot: fiveMegabytes };
    expect(await store.commit({ run: run("refused", 3), entry: big, now: 1 })).toEqual({ kind: "conflict" });
    const repeated = { run: run("refused", 2), entry: { ...big, checkpointId: "c1" }, now: 1 };
    await expect(store.commit(repeated)).rejects.toMatchObject({ code: "store_failed" });
    expect(await countParts("refused")).toBe(parts);
    expect(await store.getRun("refused", "run")).toEqual(run("refused", 1));
  });

  test("a body that fits no row is too large before anything is written", async () => {
    const { store, bound } = watched(env.DB);
    const body = "€".repeat(670_000);
    const commits: readonly Commit[] = [
      { run: run("large", 1, { body }), now: 1 },
      { run: run("large", 1), entry: { body }, now: 1 },
      { run: run("large", 1), claims: [{ kind: "k", key: "a", body }], now: 1 },
    ];
    for (const commit of commits) await expect(store.commit(commit)).rejects.toMatchObject({ code: "too_large" });
    expect(bound).toEqual([]);
  });
});

describe("what the database says", () => {
  test("a fault that is no outcome rejects with what was tried and why it failed", async () => {
    const lost = new Error("D1_ERROR: Network connection lost.");
    const session: D1DatabaseSession = {
      prepare: (sql) => env.DB.prepare(sql),
      batch: () => Promise.reject(lost),
      getBookmark: () => null,
    };
    const fault = d1Store(session).commit(step("lost", 1));
    await expect(fault).rejects.toMatchObject({ code: "store_failed", cause: lost });
    await expect(fault).rejects.toThrow("commit failed on D1: D1_ERROR: Network connection lost.");
  });

  test("a claim whose owner is erased between the refusal and the look at it is free after all", async () => {
    const store = d1Store(env.DB);
    const claims = [{ kind: "k", key: "a", body: "claim" }];
    await store.commit({ run: run("released", 1, { runId: "owner" }), claims, now: 1 });
    const racing: typeof env.DB.batch = async (statements) => {
      try {
        return await env.DB.batch(statements);
      } finally {
        const tombstone = { tenant: "released", runId: "owner", revision: 2, createdAt: 1, body: "" };
        await store.commit({ run: tombstone, erase: true, now: 1 });
      }
    };
    const session: D1DatabaseSession = {
      prepare: (sql) => env.DB.prepare(sql),
      batch: racing,
      getBookmark: () => null,
    };
    const outcome = await d1Store(session).commit({ run: run("released", 1, { runId: "next" }), claims, now: 1 });
    expect(outcome).toEqual({ kind: "committed" });
    expect((await store.getClaim("released", "k", "a"))?.runId).toBe("next");
  });

  test("many claims are written by a few statements, and the first that is held is named", async () => {
    const statements: number[] = [];
    const { store, costOf } = watched({
      prepare: (sql) => env.DB.prepare(sql),
      batch: async <T>(batch: D1PreparedStatement[]) => {
        statements.push(batch.length);
        return env.DB.batch<T>(batch);
      },
    });
    const claims = Array.from({ length: 3_000 }, (_, index) => ({
      kind: "k",
      key: `${index}`.padStart(4, "0"),
      ...(index % 2 === 0 ? { lapsesAt: 10 } : {}),
      body: `é "${index}" \\ `,
    }));
    expect(await store.commit({ run: run("claims", 1), claims, now: 1 })).toEqual({ kind: "committed" });
    expect(statements).toEqual([5]);
    const kept: ClaimRow[] = [];
    for (let after: ClaimRow | undefined; ; ) {
      const page = await store.listClaims("claims", "run", { limit: 1_000, ...(after && { after }) });
      kept.push(...page);
      after = page.at(-1);
      if (page.length < 1_000) break;
    }
    expect(kept).toEqual(claims.map((claim) => ({ tenant: "claims", runId: "run", ...claim })));
    const other = run("claims", 1, { runId: "other" });
    const wanted = claims.toReversed();
    const { read } = await costOf(async () => {
      expect(await store.commit({ run: other, claims: wanted, now: 1 })).toEqual({
        kind: "claimed",
        claim: kept.at(-1),
      });
      // Those that have lapsed by then are free, and the others are not.
      expect(await store.commit({ run: other, claims: wanted, now: 10 })).toMatchObject({ claim: { key: "2999" } });
    });
    // Each wanted claim is looked up by its key: with a scan of the claims for each, this would be millions.
    expect(read).toBeLessThan(10 * claims.length);
    expect(read).toBeGreaterThan(claims.length);
    const free = wanted.filter(({ lapsesAt }) => lapsesAt !== undefined);
    expect(await store.commit({ run: other, claims: free, now: 10 })).toEqual({ kind: "committed" });
    expect((await store.getClaim("claims", "k", "0000"))?.runId).toBe("other");
  });

  test("many earlier entries are written by a few statements, each as it would be alone", async () => {
    const statements: number[] = [];
    const session: D1DatabaseSession = {
      prepare: (sql) => env.DB.prepare(sql),
      batch: async <T>(batch: D1PreparedStatement[]) => {
        statements.push(batch.length);
        return env.DB.batch<T>(batch);
      },
      getBookmark: () => null,
    };
    const store = d1Store(session);
    // The last small one is behind a large one, which is a statement with parts of its own.
    const earlier = Array.from({ length: 300 }, (_, index) => ({
      revision: 2 * index + 1,
      body: `é "${index}" \\ \u2028`,
      ...(index % 3 === 0 ? {} : { checkpointId: `${index}`, keyframe: index % 3 === 1 ? 2 * index + 1 : 1 }),
      ...(index % 3 === 1 ? { snapshot: index === 298 ? "é".repeat(1_500_000) : `[${index}]` } : {}),
    }));
    const entry = { body: "last", checkpointId: "last", keyframe: 600, snapshot: "state" };
    const commit: Commit = { run: run("earlier", 600), over: 0, earlier, entry, now: 1 };
    expect(await store.commit(commit)).toEqual({ kind: "committed" });
    expect(statements).toEqual([6]);
    const all = [...earlier, { revision: 600, ...entry }];
    expect(await store.listEntries("earlier", "run", { limit: 1_000 })).toEqual(
      all.map(({ snapshot, ...rest }) => ({ tenant: "earlier", runId: "run", ...rest })),
    );
    expect(await store.getSnapshots("earlier", "run", 1, 600)).toEqual(
      all.flatMap(({ revision, snapshot }) => (snapshot === undefined ? [] : [{ revision, body: snapshot }])),
    );
    const more = [601, 602].map((revision) => ({ revision, body: "", checkpointId: `c${revision % 2}` }));
    const taken = more.map((one) => ({ ...one, checkpointId: "1" }));
    await expect(store.commit({ run: run("earlier", 603), over: 600, earlier: taken, now: 1 })).rejects.toThrow();
    expect(await store.commit({ run: run("earlier", 603), over: 599, earlier: more, now: 1 })).toMatchObject({
      kind: "conflict",
    });
    expect(await store.listEntries("earlier", "run", { after: 600, limit: 10 })).toEqual([]);
    // The first entry of a newborn is in the row of the run, and its checkpoint id is taken too.
    await store.commit(step("firstborn", 1));
    const second = [2, 3].map((revision) => ({ revision, body: "", checkpointId: `c${revision - 1}` }));
    await expect(store.commit({ run: run("firstborn", 4), over: 1, earlier: second, now: 1 })).rejects.toThrow();
  });

  test("numbers come back as the integers they were, to the edge of what is exact", async () => {
    const store = d1Store(env.DB);
    const times = { createdAt: Number.MAX_SAFE_INTEGER, dueAt: -Number.MAX_SAFE_INTEGER };
    await store.commit({ run: run("numbers", 1, times), now: 1 });
    expect(await store.getRun("numbers", "run")).toEqual(run("numbers", 1, times));
    const kept = await env.DB.prepare("SELECT typeof(created_at) AS type FROM runs WHERE tenant = 'numbers'").first();
    expect(kept).toEqual({ type: "integer" });
  });

  test("a session of the database is a store as well", async () => {
    const store = d1Store(env.DB.withSession("first-primary"));
    expect(await store.commit(step("session", 1))).toEqual({ kind: "committed" });
    expect(await store.commit(step("session", 1))).toEqual({ kind: "conflict" });
    expect((await store.getEntry("session", "run", "c1"))?.revision).toBe(1);
  });
});
