import { isId, parseRunId, type RunId } from "../ids.ts";
import type { Held } from "../journal/change.ts";
import { getRun } from "../journal/held.ts";
import { present } from "../json.ts";
import { type DescentKind, descentKind, sourceCheckpointId, sourceRunId } from "../record/lineage.ts";
import type { RunStatus } from "../record/run.ts";
import type { RunPosition, RunRow } from "../store.ts";
import { readableRecord } from "./deletion.ts";
import { positionOf, type Runs } from "./runs.ts";
import { scopeOf } from "./scope.ts";

/** A run in a family. */
export type LineageNode = RelatedRun | MissingRun;

/** A run in a lineage, with its relation to the others. */
export interface RelatedRun {
  readonly runId: RunId;
  readonly isMissing: false;
  readonly sourceRunId?: string;
  /** The checkpoint of the source from which it began. */
  readonly checkpointId?: string;
  readonly kind?: DescentKind;
  readonly skillId: string;
  readonly status: RunStatus;
  readonly createdAt: string;
}

/** A run that others name as their source, and that never existed, was deleted, or cannot be read. */
export interface MissingRun {
  readonly runId: string;
  readonly isMissing: true;
}

/** The ancestors and the descendants of a run. */
export interface Lineage {
  readonly run: RelatedRun;
  /** The nearest first. It ends with the first that is missing. */
  readonly ancestors: readonly LineageNode[];
  /** Parents before children. */
  readonly descendants: readonly RelatedRun[];
  /** True if there are more runs than the search covered. */
  readonly isMore: boolean;
}

const maxNodes = 500;
const pageSize = 100;

/**
 * The runs from which this one descends, and those that descend from it: at most 500 beside itself, and fewer if the
 * platform allows no more queries.
 *
 * @throws `not_found`.
 * @example
 * ```ts
 * import { readLineage, type Runs } from "orca-durable";
 *
 * export async function relatives(runs: Runs, runId: string) {
 *   const { ancestors, descendants } = await readLineage(runs, runId);
 *   return [...ancestors, ...descendants].map((relative) => relative.runId);
 * }
 * ```
 */
export async function readLineage(runs: Runs, runId: string): Promise<Lineage> {
  const scope = scopeOf(runs);
  const { host, tenant } = scope;
  const own = parseRunId(runId);
  const held = await getRun(scope, own);
  // Metadata comes from callers too, and may form a circle.
  const seen = new Set<string>([own]);
  let isMore = false;
  const mayRead = () => {
    isMore ||= seen.size > maxNodes || host.isSpent?.() === true;
    return !isMore;
  };

  const ancestors: LineageNode[] = [];
  for (let id = sourceRunId(held.record.run); id !== undefined && !seen.has(id) && mayRead(); ) {
    seen.add(id);
    const row: RunRow | undefined = isId(id) ? await host.store.getRun(tenant, id) : undefined;
    const record = row && readableRecord(row);
    ancestors.push(record === undefined ? { runId: id, isMissing: true } : related({ record }));
    id = record && sourceRunId(record.run);
  }

  const descendants: RelatedRun[] = [];
  const parents: RunId[] = [own];
  for (const parent of parents) {
    for (let after: RunPosition | undefined; mayRead(); ) {
      const query = { sourceRunId: parent, limit: pageSize, order: "ascending", ...present({ after }) } as const;
      const rows = await host.store.listRuns(tenant, query);
      for (const row of rows) {
        // A row that cannot be read is left out: neither its source nor its content is known.
        const record = readableRecord(row);
        if (record === undefined || seen.has(row.runId)) continue;
        if (!mayRead()) break;
        seen.add(row.runId);
        const node = related({ record });
        descendants.push(node);
        parents.push(node.runId);
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < pageSize) break;
      after = positionOf(last);
    }
  }
  return { run: related(held), ancestors, descendants, isMore };
}

function related({ record: { run } }: Pick<Held, "record">): RelatedRun {
  const { runId, skillId, status, createdAt } = run;
  return {
    runId,
    isMissing: false,
    ...present({ sourceRunId: sourceRunId(run), checkpointId: sourceCheckpointId(run), kind: descentKind(run) }),
    skillId,
    status,
    createdAt,
  };
}
