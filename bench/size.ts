import { doors } from "../scripts/doors.ts";
import { appWith, bundleSize, coreWith } from "../scripts/size.ts";
import type { Bench } from "./bench.ts";
import type { Cell } from "./table.ts";

/** The minimum that an app must import from a peer to run something durably. */
const peers: readonly (readonly [name: string, file: string])[] = [
  ["LangGraph: StateGraph, MemorySaver", "bench/imports/langgraph-memory.ts"],
  ["LangGraph: StateGraph, CloudflareD1Saver", "bench/imports/langgraph-d1.ts"],
  ["OpenWorkflow: client and worker, without a backend", "bench/imports/openworkflow.ts"],
  ["devalue: stringify, parse", "bench/imports/devalue.ts"],
  ["idb: openDB", "bench/imports/idb.ts"],
];

/** The doors that hold types, with at most a constant beside them: they weigh next to nothing. */
const ofTypes: ReadonlySet<string> = new Set(["./types", "./store"]);

export const size: Bench = {
  id: "f",
  title: "What an import weighs, minified and gzipped",
  async measure() {
    const rows: Record<string, Cell>[] = [];
    for (const [door, file] of doors()) {
      if (ofTypes.has(door)) continue;
      rows.push({ import: door.replace(/^\./, "orca-durable"), bytes: await bundleSize([file]) });
    }
    for (const adapter of ["memory", "indexeddb", "d1"]) {
      rows.push({ import: `orca-durable with ${adapter}`, bytes: await coreWith(`./${adapter}`) });
      for (const [form, skills] of [
        ["code", "code-first skills"],
        ["graph", "graphs"],
      ] as const) {
        rows.push({
          import: `what an app of ${skills} needs of that, with ${adapter}`,
          bytes: await appWith(`./${adapter}`, form),
        });
      }
    }
    for (const [name, file] of peers) rows.push({ import: name, bytes: await bundleSize([file]) });
    for (const { import: name, bytes } of rows) {
      if (!(Number(bytes) > 100)) throw new Error(`${name} weighs ${bytes} bytes.`);
    }
    return {
      columns: [
        { key: "import", title: "import" },
        { key: "bytes", title: "min+gzip", unit: "bytes" },
      ],
      rows,
      notes: [
        "Each is bundled by rolldown for browsers, with everything that it exports and the packages that it needs. For other systems, only the named exports are bundled; for an app, what defines and runs a skill.",
      ],
    };
  },
};
