import { statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { MemorySaver } from "@langchain/langgraph";
import { SqliteSaver } from "@langchain/langgraph-checkpoint-sqlite";
import { memoryStore } from "../adapters/memory/index.ts";
import { nodeSqliteStore } from "../adapters/node-sqlite/index.ts";
import type { Bench, Scale } from "./bench.ts";
import type { Media } from "./media.ts";
import { type Channel, growLangGraph, memorySaverBytes, saverBytes } from "./peers/langgraph.ts";
import { growOpenWorkflow, openWorkflowStepLimit } from "./peers/openworkflow.ts";
import { type Grown, growDurable } from "./programs/growing.ts";
import { interleaved, spreadOf } from "./spread.ts";
import type { Cell } from "./table.ts";

type Grow = (steps: number) => Promise<Grown>;

/** The number of steps, and of rounds. */
const sizes: Readonly<Record<Scale, readonly (readonly [steps: number, rounds: number])[]>> = {
  full: [
    [100, 5],
    [400, 3],
    // One round: LangGraph writes more than a gigabyte on each medium, which takes minutes.
    [1_600, 1],
  ],
  short: [[10, 1]],
};

const durable = "orca-durable";

export const growing: Bench = {
  id: "a",
  title: "A run that grows by a kilobyte at each step: what it stores, and the time of a step",
  async measure(media, scale) {
    const rows: Record<string, Cell>[] = [];
    const failures: string[] = [];
    /** In a long run a peer may fail, and the table says so. Our own part may not fail, and in a short run no part may. */
    const attempt = async (name: string, medium: string, steps: number, grow: Grow): Promise<Grown | undefined> => {
      try {
        return await grow(steps);
      } catch (error) {
        if (name === durable || scale === "short") throw error;
        const [reason] = String(error instanceof Error ? error.message : error).split("\n");
        failures.push(`A run of ${steps} steps by ${name} on ${medium} was not measured, because: ${reason}`);
        return undefined;
      }
    };
    for (const [steps, rounds] of sizes[scale]) {
      for (const [medium, grows] of Object.entries(await sidesOf(media))) {
        const able = Object.entries(grows).filter(([name]) => name !== openWorkflow || steps <= openWorkflowStepLimit);
        const grown = await interleaved(
          rounds,
          Object.fromEntries(able.map(([name, grow]) => [name, () => attempt(name, medium, steps, grow)])),
        );
        const ours = spreadOf(grown[durable]?.flatMap((one) => one?.stepMs ?? []) ?? []);
        for (const name of Object.keys(grows)) {
          const results = grown[name]?.filter((one) => one !== undefined) ?? [];
          rows.push({ steps, medium, name, ...cellsOf(results, steps, ours.median) });
        }
      }
    }
    return {
      columns: [
        { key: "steps", title: "steps", unit: "count" },
        { key: "medium", title: "medium" },
        { key: "name", title: "by" },
        { key: "bytes", title: "stored", unit: "bytes" },
        { key: "timesPayload", title: "of the results", unit: "times" },
        { key: "timesFile", title: "file, of the results", unit: "times" },
        { key: "states", title: "states", unit: "bytes" },
        { key: "timesState", title: "of the final state", unit: "times" },
        { key: "history", title: "history", unit: "bytes" },
        { key: "row", title: "row", unit: "bytes" },
        { key: "stepMs", title: "a step", unit: "ms" },
        { key: "timesOurs", title: "of ours", unit: "times" },
      ],
      rows,
      notes: [
        "“stored” is the bytes of all bodies in UTF-8 or binary, without keys and indexes. “of the results” is “stored” divided by the bytes that the steps returned.",
        "“file, of the results” is what the file of the database grew by, with keys, indexes and what its pages leave empty, divided by the same bytes. On D1 only ours is measured, since LangGraph's runs are deleted there and the next one takes their pages.",
        "For other systems, “states” are their checkpoints, and “history” is their other writes (LangGraph) or their recorded attempts (OpenWorkflow).",
        "“a step” is the time from the call of the first handler to the call of the last, divided by the number of steps in between. A handler is called once the step before it is stored.",
        `OpenWorkflow takes at most ${openWorkflowStepLimit} steps in a run, so it has none of 1,600.`,
        ...failures,
      ],
    };
  },
};

const openWorkflow = "OpenWorkflow";

async function sidesOf(media: Media): Promise<Readonly<Record<string, Readonly<Record<string, Grow>>>>> {
  const folder = await media.folder();
  let files = 0;
  const file = () => join(folder, `${++files}.db`);
  const worker = await media.worker();
  return {
    memory: {
      [durable]: (steps) => growDurable(memoryStore(), steps),
      "LangGraph MemorySaver": (steps) => growInMemory(steps, "whole"),
      "LangGraph MemorySaver, DeltaChannel": (steps) => growInMemory(steps, "delta"),
    },
    SQLite: {
      [durable]: async (steps) => {
        const path = file();
        const store = nodeSqliteStore(path);
        const grown = await growDurable(store, steps);
        await store.close();
        return { ...grown, fileBytes: statSync(path).size };
      },
      "LangGraph SqliteSaver": (steps) => growOnSqlite(file(), steps, "whole"),
      "LangGraph SqliteSaver, DeltaChannel": (steps) => growOnSqlite(file(), steps, "delta"),
      [openWorkflow]: async (steps) => {
        const path = file();
        return { ...(await growOpenWorkflow(path, steps)), fileBytes: statSync(path).size };
      },
    },
    D1: {
      [durable]: (steps) => worker("growDurable", { steps }),
      "LangGraph CloudflareD1Saver": (steps) => worker("growLangGraph", { steps, channel: "whole" }),
      "LangGraph CloudflareD1Saver, DeltaChannel": (steps) => worker("growLangGraph", { steps, channel: "delta" }),
    },
  };
}

async function growInMemory(steps: number, channel: Channel): Promise<Grown> {
  const saver = new MemorySaver();
  const stepMs = await growLangGraph(saver, "thread", steps, channel);
  return { stepMs, bytes: memorySaverBytes(saver) };
}

async function growOnSqlite(path: string, steps: number, channel: Channel): Promise<Grown> {
  const saver = SqliteSaver.fromConnString(path);
  // The default of the driver is NORMAL, which may lose the last checkpoints in a power failure; the others use FULL.
  saver.db.pragma("synchronous = FULL");
  const stepMs = await growLangGraph(saver, "thread", steps, channel);
  saver.db.close();
  const db = new DatabaseSync(path);
  const bytes = db.prepare(saverBytes).get("thread");
  db.close();
  return {
    stepMs,
    bytes: { checkpoints: Number(bytes?.checkpoints), writes: Number(bytes?.writes) },
    fileBytes: statSync(path).size,
  };
}

function cellsOf(results: readonly Grown[], steps: number, ours: number): Record<string, Cell> {
  const stepMs = spreadOf(results.map((one) => one.stepMs));
  const last = results.at(-1);
  if (last === undefined) return {};
  const { snapshots, history, row, checkpoints, writes, attempts, runs } = last.bytes;
  const bytes = Object.values(last.bytes).reduce((sum, each) => sum + each, 0);
  if (!(bytes >= steps * 1_024)) throw new Error(`Only ${bytes} bytes are stored of ${steps} steps.`);
  const states = snapshots ?? checkpoints ?? null;
  const state = "stateBytes" in last ? Number(last.stateBytes) : undefined;
  return {
    bytes,
    timesPayload: bytes / (steps * 1_024),
    timesFile: last.fileBytes === undefined ? null : last.fileBytes / (steps * 1_024),
    states,
    timesState: state === undefined || states === null ? null : states / state,
    history: history ?? writes ?? attempts ?? null,
    row: row ?? runs ?? null,
    stepMs,
    timesOurs: stepMs.median / ours,
  };
}
