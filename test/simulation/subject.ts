import type * as memory from "../../adapters/memory/index.ts";
import type * as entry from "../../src/codec/entry.ts";
import type * as codec from "../../src/codec/index.ts";
import type * as row from "../../src/codec/run.ts";
import type * as snapshot from "../../src/codec/snapshot.ts";
import type * as core from "../../src/index.ts";
import type * as steps from "../../src/skills/code/workflow-step.ts";

/** The implementation that is tried: the package's own, or a copy with a planted bug. */
export interface Subject {
  readonly core: typeof core;
  readonly codec: typeof codec;
  readonly memoryStore: (typeof memory)["memoryStore"];
  /** What reads stored bodies, so that the history of the medium can be judged. */
  readonly readEntry: (typeof entry)["readEntry"];
  readonly readRunBody: (typeof row)["readRunBody"];
  readonly readSnapshot: (typeof snapshot)["readSnapshot"];
  /** The run behind the steps of a body, which is not told its tenant. */
  readonly codeRuns: (typeof steps)["codeRuns"];
}

/** Loads an implementation from the folder that holds its `src` and its `adapters`. */
export async function loadSubject(folder: URL = new URL("../../", import.meta.url)): Promise<Subject> {
  const load = <T>(path: string): Promise<T> => import(/* @vite-ignore */ new URL(path, folder).href) as Promise<T>;
  const { memoryStore } = await load<typeof memory>("adapters/memory/index.ts");
  const { readEntry } = await load<typeof entry>("src/codec/entry.ts");
  const { readRunBody } = await load<typeof row>("src/codec/run.ts");
  const { readSnapshot } = await load<typeof snapshot>("src/codec/snapshot.ts");
  const { codeRuns } = await load<typeof steps>("src/skills/code/workflow-step.ts");
  return {
    codeRuns,
    core: await load<typeof core>("src/index.ts"),
    codec: await load<typeof codec>("src/codec/index.ts"),
    memoryStore,
    readEntry,
    readRunBody,
    readSnapshot,
  };
}
