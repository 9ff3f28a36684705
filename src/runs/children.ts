import { effectsOf } from "../engine/ledger.ts";
import { parseRunId, type RunId } from "../ids.ts";
import { getRun } from "../journal/held.ts";
import { present } from "../json.ts";
import type { RunStatus } from "../record/run.ts";
import { readableRecord } from "./deletion.ts";
import { type Runs, scopeOf } from "./runs.ts";
import type { Scope } from "./scope.ts";

/** A run that a step of another one has started. */
export interface ChildRun {
  readonly runId: RunId;
  /** The step of the parent. */
  readonly stepId: string;
  /** True if it goes on when its parent is canceled. */
  readonly isDetached: boolean;
  /** True if it was deleted, cannot be read, or was canceled before it began. Then the rest is unknown. */
  readonly isMissing: boolean;
  readonly skillId?: string;
  readonly status?: RunStatus;
  readonly createdAt?: string;
}

/** The children of a run. */
export interface Children {
  readonly children: readonly ChildRun[];
  /** True if there are more than were read. */
  readonly isMore: boolean;
}

const mostChildren = 500;

/**
 * The runs that the steps of this run have started, by their ids: at most 500, and fewer if the platform allows no more
 * queries. A replay or fork has only the children that it started itself.
 *
 * @throws `not_found`.
 * @example
 * ```ts
 * import type { Runs } from "orca-durable";
 * import { readChildren } from "orca-durable/steps";
 *
 * export async function openChildren(runs: Runs, runId: string) {
 *   const { children } = await readChildren(runs, runId);
 *   return children.filter(({ status }) => status === "running").map((child) => child.runId);
 * }
 * ```
 */
export async function readChildren(runs: Runs, runId: string): Promise<Children> {
  const scope = scopeOf(runs);
  const { host, tenant } = scope;
  const id = parseRunId(runId);
  const { record } = await getRun(scope, id);
  const children: ChildRun[] = [];
  if (record.toldEpoch === undefined) return { children, isMore: false };
  for await (const { childRunId, stepId, isDetached } of childEffects(scope, id)) {
    if (children.length >= mostChildren || (children.length > 0 && host.isSpent?.())) return { children, isMore: true };
    const row = await host.store.getRun(tenant, childRunId);
    const run = row && readableRecord(row)?.run;
    children.push({
      runId: childRunId,
      stepId,
      isDetached,
      isMissing: run === undefined,
      ...present({ skillId: run?.skillId, status: run?.status, createdAt: run?.createdAt }),
    });
  }
  return { children, isMore: false };
}

/** The ledger's entries about the children of a run. */
export async function* childEffects(scope: Scope, runId: RunId): AsyncGenerator<ChildEffect, void, undefined> {
  for await (const { childRunId, stepId, uses } of effectsOf(scope, runId)) {
    if (childRunId !== undefined)
      yield { childRunId: parseRunId(childRunId), stepId, isDetached: uses === detachedUses };
  }
}

interface ChildEffect {
  readonly childRunId: RunId;
  readonly stepId: string;
  readonly isDetached: boolean;
}

/** The name of the start of a child in the ledger, and that of one which the cancellation of its parent does not reach. */
export const childUses = "step.run";
export const detachedUses = "step.run detached";
