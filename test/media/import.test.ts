import { describe, expect, test } from "vitest";
import { harness } from "#medium";
import { memoryStore } from "../../adapters/memory/index.ts";
import { countingStore, crashingStore, intercepted, lostAnswerStore } from "../../src/conformance/faults.ts";
import { DurableError } from "../../src/index.ts";
import { importRun } from "../../src/transfer.ts";
import { virtualClock } from "../support/clock.ts";
import { broken, edited, exported, padded } from "../support/lines.ts";
import { expectHidden, home, hourMs, longRun, restingLines, restingRun } from "../support/office.ts";
import { onStage, refusalOf } from "../support/stage.ts";
import { rowsOf } from "../support/stored.ts";

// That an import is the run, also where it was cut off, over the stores of one medium and stores in memory.
const on = onStage(harness);

describe("an import", () => {
  test(
    "brings a run that goes on where it was, with its effects, its timers and its signals",
    on(async (stage) => {
      const { first, lines } = await restingLines(stage);
      const here = home(stage, stage.store);
      const run = await importRun(here.runs, lines);
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
      const { first, lines } = await restingLines(stage);
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
      const { lines } = await restingLines(stage);
      const here = home(stage, stage.store);
      await here.runs.create({ skillId: "office", runId: "holder" });
      await here.runs.start({ skillId: "office", runId: "s", inputs: { more: "" }, idempotencyKey: "key of r" });
      await here.runtime.idle();
      const refusal = await refusalOf(importRun(here.runs, lines));
      expect(refusal).toMatchObject({ code: "conflict", message: expect.stringContaining('"s"') });
      await expectHidden(here, "r");
    }),
  );

  test(
    "takes its text in chunks of any size, and with empty lines",
    on(async (stage) => {
      const { lines } = await restingLines(stage);
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

describe("an import that is cut", () => {
  test(
    "anywhere shows nothing, and may be begun again",
    on(async (stage) => {
      const { lines } = await restingLines(stage);
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
      const { lines } = await restingLines(stage);
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
      const { lines } = await restingLines(stage);
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
      const { first, lines: early } = await restingLines(stage);
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
      const { lines } = await restingLines(stage);
      const losing = lostAnswerStore(stage.store, ({ nth }) => nth % 2 === 0);
      const homes = [losing, stage.store, await stage.open()].map((store) => home(stage, store));
      await Promise.all(homes.map(({ runs }) => importRun(runs, lines)));
      for (const { runs } of homes) expect(await exported(runs, "r")).toEqual(lines);
    }),
  );
});
