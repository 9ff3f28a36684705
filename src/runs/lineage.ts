import { isId, parseRunId, type RunId } from "../ids.ts";
import { getRun } from "../journal/held.ts";
import { type Json, present } from "../json.ts";
import { type DescentKind, descentKind, sourceCheckpointId, sourceRunId } from "../record/lineage.ts";
import type { RunRecord, RunStatus } from "../record/run.ts";
import type { RunPosition } from "../store.ts";
import { childEffects } from "./children.ts";
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
  /** The run that started this one as its child, and the step of it that did. */
  readonly parentRunId?: RunId;
  readonly parentStepId?: string;
  readonly skillId: string;
  readonly status: RunStatus;
  readonly createdAt: string;
}

/** A run that others name as their source or parent, and that never existed, was deleted, or cannot be read. */
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
 * The runs from which this one descends, and those that descend from it, as replays, forks or child runs: at most 500
 * beside itself, and fewer if the platform allows no more queries.
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

  const find = async (id: string) => readableRecord(isId(id) ? await host.store.getRun(tenant, id) : undefined);
  const ancestors: LineageNode[] = [];
  for (let id = origin(held.record); id !== undefined && !seen.has(id) && mayRead(); ) {
    seen.add(id);
    const record: RunRecord<Json> | undefined = await find(id);
    ancestors.push(record === undefined ? { runId: id, isMissing: true } : related(record));
    id = record && origin(record);
  }

  const descendants: RelatedRun[] = [];
  const known: RunRecord<Json>[] = [held.record];
  const add = (record: RunRecord<Json> | undefined) => {
    // A row that cannot be read is left out: neither its source nor its content is known.
    if (record === undefined || seen.has(record.run.runId) || !mayRead()) return;
    seen.add(record.run.runId);
    descendants.push(related(record));
    known.push(record);
  };
  for (const { run, toldEpoch } of known) {
    for await (const { childRunId } of toldEpoch === undefined ? [] : childEffects(scope, run.runId)) {
      if (!mayRead()) break;
      add(await find(childRunId));
    }
    for (let after: RunPosition | undefined; mayRead(); ) {
      const query = { sourceRunId: run.runId, limit: pageSize, order: "ascending", ...present({ after }) } as const;
      const rows = await host.store.listRuns(tenant, query);
      for (const row of rows) add(readableRecord(row));
      const last = rows.at(-1);
      if (last === undefined || rows.length < pageSize) break;
      after = positionOf(last);
    }
  }
  return { run: related(held.record), ancestors, descendants, isMore };
}

/** The run from which this one descends, or that started it. */
function origin({ run }: RunRecord<Json>): string | undefined {
  return sourceRunId(run) ?? run.parentRunId;
}

function related({ run }: RunRecord<Json>): RelatedRun {
  const { runId, parentRunId, parentStepId, skillId, status, createdAt } = run;
  return {
    runId,
    isMissing: false,
    ...present({
      sourceRunId: sourceRunId(run),
      checkpointId: sourceCheckpointId(run),
      kind: descentKind(run),
      parentRunId,
      parentStepId,
    }),
    skillId,
    status,
    createdAt,
  };
}
