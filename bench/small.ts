import { join } from "node:path";
import { MemorySaver } from "@langchain/langgraph";
import { memoryStore } from "../adapters/memory/index.ts";
import type { Bench, Scale } from "./bench.ts";
import { growLangGraph, memorySaverBytes } from "./peers/langgraph.ts";
import { growOpenWorkflow } from "./peers/openworkflow.ts";
import { type GrowingOptions, type Grown, growDurable } from "./programs/growing.ts";
import { interleaved, spreadOf } from "./spread.ts";
import type { Cell } from "./table.ts";

const effort: Readonly<Record<Scale, { readonly steps: number; readonly rounds: number }>> = {
  full: { steps: 400, rounds: 5 },
  short: { steps: 10, rounds: 1 },
};

const options: GrowingOptions = { result: (number) => `${number}`.padEnd(10, "x") };

/** What is stored of a step beside its result. */
export const small: Bench = {
  id: "i",
  title: "A run of 400 steps that return 10 bytes each: what is stored of one, and its time",
  async measure(media, scale) {
    const { steps, rounds } = effort[scale];
    const folder = await media.folder();
    const grown = await interleaved<string, Grown>(rounds, {
      "orca-durable, memory": () => growDurable(memoryStore(), steps, options),
      "LangGraph MemorySaver": async () => {
        const saver = new MemorySaver();
        const stepMs = await growLangGraph(saver, "thread", steps, "whole", options);
        return { stepMs, bytes: memorySaverBytes(saver) };
      },
      "LangGraph MemorySaver, DeltaChannel": async () => {
        const saver = new MemorySaver();
        const stepMs = await growLangGraph(saver, "thread", steps, "delta", options);
        return { stepMs, bytes: memorySaverBytes(saver) };
      },
      "OpenWorkflow, SQLite": (round) => growOpenWorkflow(join(folder, `${round}.db`), steps, options),
    });
    const rows = Object.entries(grown).map(([name, results]): Record<string, Cell> => {
      const bytes = Object.values(results.at(-1)?.bytes ?? {}).reduce((sum, each) => sum + each, 0);
      return { name, bytes: Math.round(bytes / steps), stepMs: spreadOf(results.map((one) => one.stepMs)) };
    });
    return {
      columns: [
        { key: "name", title: "by" },
        { key: "bytes", title: "stored, of a step", unit: "bytes" },
        { key: "stepMs", title: "a step", unit: "ms" },
      ],
      rows,
      notes: [
        `“stored” is the bytes of all bodies, as in (a), divided by ${steps} steps: states, history, and the row of the run.`,
      ],
    };
  },
};
