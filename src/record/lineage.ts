import { type CheckpointId, isId, type RunId, type TenantId } from "../ids.ts";
import { getOwn, type Json, present } from "../json.ts";
import type { Run, RunRecord } from "./run.ts";
import type { Fields } from "./state.ts";

/** The data with which a run is born. Inputs are in its first checkpoint's state. */
export interface Birth {
  readonly runId: RunId;
  readonly tenantId: TenantId;
  readonly skillId: string;
  readonly skillVersion?: string;
  readonly traceId?: string;
  readonly threadId?: string;
  readonly sessionId?: string;
  readonly environment?: string;
  readonly metadata: Fields<Json>;
  readonly createdAt: string;
}

/** A pending run without history. */
export function newRecord(birth: Birth): RunRecord<Json> {
  const run: Run<Json> = { ...birth, status: "pending", versions: {}, result: null };
  return {
    run,
    epoch: 0,
    waits: [],
    inbox: [],
    confirmed: [],
    recoveries: 0,
    unservedCount: 0,
    checkpointCount: 0,
    entryRevision: 0,
    headRevision: 0,
  };
}

/** How a run descends from another. */
export type DescentKind = "replay" | "fork";

/** The word for each kind of descent on the wire and in metadata. */
export const descentMode = { replay: "checkpoint_replay", fork: "checkpoint_fork" } as const;

/**
 * A pending run that descends from a checkpoint of another. It has the source's trace id, metadata and confirmed
 * capabilities, and its own identity: no lease, inbox, waits or keys of the source.
 */
export function descendant(
  kind: DescentKind,
  source: RunRecord<Json>,
  checkpointId: CheckpointId,
  runId: RunId,
  createdAt: string,
): RunRecord<Json> {
  const { run } = source;
  const { replay_mode: _, fork_mode: __, ...inherited } = run.metadata;
  const metadata: Fields<Json> = {
    ...inherited,
    source_run_id: run.runId,
    source_checkpoint_id: checkpointId,
    [`${kind}_mode`]: descentMode[kind],
  };
  const born = newRecord({ runId, tenantId: run.tenantId as TenantId, skillId: run.skillId, metadata, createdAt });
  const { skillVersion, traceId, threadId, sessionId, environment, policySnapshotId, versions } = run;
  return {
    ...born,
    confirmed: source.confirmed,
    ...present({ ledgerNames: source.ledgerNames }),
    // A migration may have changed the inputs of steps, as an edit does.
    ...((source.isEdited === true || source.formerVersions !== undefined) && { isEdited: true }),
    run: {
      ...born.run,
      versions,
      ...present({ skillVersion, traceId, threadId, sessionId, environment, policySnapshotId }),
    },
  };
}

/** The run from which this one descends. */
export function sourceRunId(run: Run<unknown>): string | undefined {
  return textOf(run, "source_run_id");
}

/**
 * The source in the row of a run, by which lists find it. Metadata may contain anything; only an id may be in a row.
 */
export function listedSource(run: Run<unknown>): string | undefined {
  const source = sourceRunId(run);
  return isId(source) ? source : undefined;
}

/** The checkpoint of its source from which this run began. */
export function sourceCheckpointId(run: Run<unknown>): string | undefined {
  return textOf(run, "source_checkpoint_id");
}

/** How this run descends from its source. */
export function descentKind(run: Run<unknown>): DescentKind | undefined {
  if (textOf(run, "replay_mode") === descentMode.replay) return "replay";
  return textOf(run, "fork_mode") === descentMode.fork ? "fork" : undefined;
}

function textOf({ metadata }: Run<unknown>, name: string): string | undefined {
  const value = getOwn(metadata, name);
  return typeof value === "string" ? value : undefined;
}
