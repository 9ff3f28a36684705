import type * as memory from "../../adapters/memory/index.ts";
import type * as bodies from "../../src/codec/bodies.ts";
import type * as codec from "../../src/codec/index.ts";
import type * as core from "../../src/index.ts";
import type * as steps from "../../src/skills/code/workflow-step.ts";
import type { approvals, childRuns, maps, outputsWith, rollbacks } from "../../src/steps.ts";
import type * as transfer from "../../src/transfer.ts";
import type { watchRuns } from "../../src/watch.ts";

/** The implementation that is tried: the package's own, or a copy with a planted bug. */
export interface Subject {
  readonly core: typeof core & typeof transfer;
  readonly codec: typeof codec;
  readonly memoryStore: (typeof memory)["memoryStore"];
  readonly maps: typeof maps;
  readonly outputsWith: typeof outputsWith;
  readonly rollbacks: typeof rollbacks;
  readonly childRuns: typeof childRuns;
  readonly approvals: typeof approvals;
  readonly watchRuns: typeof watchRuns;
  /** What reads stored bodies, so that the history of the medium can be judged. */
  readonly readEntry: (typeof bodies)["readEntry"];
  readonly readRunBody: (typeof bodies)["readRunBody"];
  readonly readSnapshot: (typeof bodies)["readSnapshot"];
  /** The run behind the steps of a body, which does not know its tenant. */
  readonly codeRuns: (typeof steps)["codeRuns"];
}

/** Loads an implementation from the folder that holds its `src` and its `adapters`. */
export async function loadSubject(folder: URL = new URL("../../", import.meta.url)): Promise<Subject> {
  const load = <T>(path: string): Promise<T> => import(/* @vite-ignore */ new URL(path, folder).href) as Promise<T>;
  const { memoryStore } = await load<typeof memory>("adapters/memory/index.ts");
  const { readEntry, readRunBody, readSnapshot } = await load<typeof bodies>("src/codec/bodies.ts");
  const { codeRuns } = await load<typeof steps>("src/skills/code/workflow-step.ts");
  return {
    codeRuns,
    ...(await load<Pick<Subject, "maps" | "outputsWith" | "rollbacks" | "childRuns" | "approvals">>("src/steps.ts")),
    ...(await load<Pick<Subject, "watchRuns">>("src/watch.ts")),
    core: { ...(await load<typeof core>("src/index.ts")), ...(await load<typeof transfer>("src/transfer.ts")) },
    codec: await load<typeof codec>("src/codec/index.ts"),
    memoryStore,
    readEntry,
    readRunBody,
    readSnapshot,
  };
}
