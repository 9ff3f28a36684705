import { memoryStore } from "../adapters/memory/index.ts";
import type { Bench, Scale } from "./bench.ts";
import { type LoadCosts, loadCosts, longRun, takeIn } from "./programs/load.ts";
import { spreadOf } from "./spread.ts";
import type { Cell } from "./table.ts";

const sizes: Readonly<Record<Scale, readonly number[]>> = { full: [100, 1_000, 10_000], short: [10] };
const rounds: Readonly<Record<Scale, number>> = { full: 5, short: 1 };

export const load: Bench = {
  id: "c",
  title: "Loading the head of a run and executing its next step, by the number of kilobyte steps before it",
  async measure(media, scale) {
    const page = await media.page();
    const worker = await media.worker();
    const rows: Record<string, Cell>[] = [];
    for (const steps of sizes[scale]) {
      const lines = await longRun(memoryStore(), steps);
      const memory = memoryStore();
      const args = { lines, rounds: rounds[scale] };
      const costs: Record<string, LoadCosts> = {
        memory: await loadCosts(memory, await takeIn(memory, lines), rounds[scale]),
        IndexedDB: await page("loadCosts", args),
        D1: await worker("loadCosts", args),
      };
      for (const [medium, { load, step, bareMs }] of Object.entries(costs)) {
        if (load.bytesRead < steps * 1_024) throw new Error(`${medium}: the load read ${load.bytesRead} bytes.`);
        const [ours, bare] = [spreadOf(step.ms), spreadOf(bareMs)];
        rows.push({
          steps,
          medium,
          loadCalls: load.calls,
          loadBytes: load.bytesRead,
          loadMs: spreadOf(load.ms),
          stepCalls: step.calls,
          stepBytes: step.bytesRead,
          stepMs: ours,
          bareMs: bare,
          times: ours.median / bare.median,
        });
      }
    }
    return {
      columns: [
        { key: "steps", title: "steps", unit: "count" },
        { key: "medium", title: "medium" },
        { key: "loadCalls", title: "load: calls", unit: "count" },
        { key: "loadBytes", title: "read", unit: "bytes" },
        { key: "loadMs", title: "time", unit: "ms" },
        { key: "stepCalls", title: "step: calls", unit: "count" },
        { key: "stepBytes", title: "read", unit: "bytes" },
        { key: "stepMs", title: "time", unit: "ms" },
        { key: "bareMs", title: "bare", unit: "ms" },
        { key: "times", title: "step, of bare", unit: "times" },
      ],
      rows,
      notes: [
        "A load is `loadCheckpoint` of the head by a new runtime. A step is the time from a signal to the waiting run, sent by a new runtime, to the call of the next step's handler: the body is executed from its beginning, and every recorded step answers.",
        "Calls are calls of the store; for a step they are all calls until the run waits again. Bytes are the bytes of snapshots.",
        "“bare” is the time of reading the snapshots that the step reads by the same calls of the store, and of `JSON.parse` of each body: nothing is applied, checked or executed.",
      ],
    };
  },
};
