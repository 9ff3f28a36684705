import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The doors of the package with their source files. package.json says which files of dist/ are behind them. */
const sources: Readonly<Record<string, string>> = {
  ".": "src/index.ts",
  "./types": "src/types.ts",
  "./steps": "src/steps.ts",
  "./transfer": "src/transfer.ts",
  "./watch": "src/watch.ts",
  "./schedules": "worker/schedules/index.ts",
  "./schedules/http": "worker/schedules/http/index.ts",
  "./store": "src/store.ts",
  "./codec": "src/codec/index.ts",
  "./telemetry": "src/telemetry/index.ts",
  "./memory": "adapters/memory/index.ts",
  "./indexeddb": "adapters/indexeddb/index.ts",
  "./node-sqlite": "adapters/node-sqlite/index.ts",
  "./durable-object": "adapters/durable-object/index.ts",
  "./d1": "adapters/d1/index.ts",
  "./d1/migrations": "adapters/d1/migrations.ts",
  "./worker": "worker/http/index.ts",
  "./reference": "worker/http/reference.ts",
  "./client": "worker/client/index.ts",
  "./react": "worker/react/index.ts",
  "./react/output": "worker/react/output.ts",
  "./cloudflare": "worker/cloudflare/index.ts",
  "./service-worker": "worker/browser/service-worker.ts",
  "./page": "worker/browser/page.ts",
  "./inspector": "worker/inspector/element.ts",
  "./inspector/page": "worker/inspector/page.ts",
  "./conformance": "src/conformance/index.ts",
  "./testing": "src/testing/index.ts",
};

/** Each door of package.json with its source file, such as `./d1` and `adapters/d1/index.ts`. */
export function doors(): ReadonlyMap<string, string> {
  const file = fileURLToPath(new URL("../package.json", import.meta.url));
  const { exports } = JSON.parse(readFileSync(file, "utf8")) as { exports: Record<string, unknown> };
  const names = Object.keys(exports).filter((door) => door !== "./package.json");
  for (const name of new Set([...names, ...Object.keys(sources)])) {
    if (!names.includes(name)) throw new Error(`scripts/doors.ts has ${name}, which package.json does not export.`);
  }
  return new Map(
    names.map((name) => {
      const source = sources[name];
      if (source === undefined) throw new Error(`scripts/doors.ts has no source file for ${name}.`);
      return [name, source];
    }),
  );
}

/** The files of a door in dist/, without their endings: `index` for `.`, `inspector/page` for `./inspector/page`. */
export function outputOf(door: string): string {
  return door === "." ? "index" : door.slice(2);
}
