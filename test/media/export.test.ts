import { describe, expect, test } from "vitest";
import { harness } from "#medium";
import { memoryStore } from "../../adapters/memory/index.ts";
import type { JsonObject } from "../../src/codec/index.ts";
import { intercepted } from "../../src/conformance/faults.ts";
import { saveCheckpoint } from "../../src/index.ts";
import type { SnapshotRow } from "../../src/store.ts";
import { exportRun, importRun } from "../../src/transfer.ts";
import { exported } from "../support/lines.ts";
import { expectHidden, home, hourMs, restingLines, restingRun } from "../support/office.ts";
import { leaseMs, onStage, refusalOf, until } from "../support/stage.ts";
import { rowsOf } from "../support/stored.ts";

// That an export is the whole run, over the stores of one medium.
const on = onStage(harness);

describe("an export", () => {
  test(
    "is the same after an import into another medium, and from there into this one",
    on(async (stage) => {
      const { lines } = await restingLines(stage);
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
    "of a history that takes several megabytes is read in pages, and the run can be imported",
    on(async (stage) => {
      const { runs, store, tenant, runtime } = stage;
      await runs.create({ skillId: "chain", runId: "r" });
      const { state } = await runs.loadCheckpoint("r", (await runs.get("r")).checkpointHead ?? "");
      for (let number = 0; number < 25; number++) {
        const pendingWrites = [`${number}`.padEnd(200_000, "w")];
        await saveCheckpoint(runs, "r", { kind: "saved", pendingWrites, state });
      }
      let reads = 0;
      const watching = intercepted(store, async (call, proceed) => {
        if (call.method === "listEntries") reads++;
        return proceed();
      });
      const lines = await exported(runtime({ store: watching, executor: "exporter" }).for(tenant), "r");
      expect(lines.length).toBe(1 + 26 + 1);
      // Two pages, before the first line and again.
      expect(reads).toBeGreaterThanOrEqual(4);
      const other = home(stage, memoryStore());
      await importRun(other.runs, lines);
      expect(await exported(other.runs, "r")).toEqual(lines);
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
