import { aRunId, given, type Kinds } from "../argument.ts";
import { claimKind, detachedUses, effectsOf } from "../engine/ledger.ts";
import { invalidRequest } from "../errors.ts";
import { parseRunId, type RunId } from "../ids.ts";
import { getRun } from "../journal/held.ts";
import { present } from "../json.ts";
import type { RunStatus } from "../record/run.ts";
import type { ClaimQuery, NewClaim } from "../store.ts";
import { readableRecord } from "./deletion.ts";
import { aPageSize, type Page } from "./page.ts";
import type { Runs } from "./runs.ts";
import { type Scope, scopeOf } from "./scope.ts";

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

/** Which children of a run are read. */
export interface ChildQuery {
  /** The `next` of a page: the id of its last child. */
  readonly after?: string;
  /** From 1 to 500, by default 100. */
  readonly limit?: number;
}

const kinds: Kinds<ChildQuery> = { after: aRunId, limit: aPageSize };

/**
 * The runs that the steps of this run have started, by their ids. A page has fewer than `limit` if the platform allows no
 * more queries. A replay or fork has only the children that it started itself.
 *
 * @throws `not_found`; `invalid_request` if `after` is not the id of a child.
 * @example
 * ```ts
 * import type { Runs } from "orca-durable";
 * import { readChildren } from "orca-durable/steps";
 *
 * export async function openChildren(runs: Runs, runId: string) {
 *   const { items } = await readChildren(runs, runId);
 *   return items.filter(({ status }) => status === "running").map((child) => child.runId);
 * }
 * ```
 */
export async function readChildren(runs: Runs, runId: string, query: ChildQuery = {}): Promise<Page<ChildRun, RunId>> {
  const { after, limit = 100 } = given(query, kinds, "query");
  const scope = scopeOf(runs);
  const { host, tenant } = scope;
  const id = parseRunId(runId);
  const { record } = await getRun(scope, id);
  const from = after === undefined ? undefined : afterChild(after);
  const items: ChildRun[] = [];
  if (record.toldEpoch === undefined) return { items };
  for await (const { childRunId, stepId, isDetached } of childEffects(scope, id, from)) {
    const last = items.at(-1);
    if (last !== undefined && (items.length === limit || host.isSpent?.())) return { items, next: last.runId };
    const run = readableRecord(await host.store.getRun(tenant, childRunId))?.run;
    items.push({
      runId: childRunId,
      stepId,
      isDetached,
      isMissing: run === undefined,
      ...present({ skillId: run?.skillId, status: run?.status, createdAt: run?.createdAt }),
    });
  }
  return { items };
}

/**
 * The id of the child whose start that claim of its parent notes. It is the same for each attempt to start this child, and
 * different for every other.
 */
export function childIdOf({ key }: Pick<NewClaim, "key">): RunId {
  return parseRunId(`child_${key.slice(0, 32)}`);
}

/**
 * The place behind the claim of that child. A key continues with digits, which are before every letter from "g" on.
 *
 * @throws `invalid_request` if it is not the id of a child.
 */
function afterChild(runId: string): ClaimQuery["after"] {
  const [, key] = /^child_([\da-f]{32})$/.exec(runId) ?? [];
  if (key === undefined) throw invalidRequest("after", "expected the id of a child, the `next` of an earlier page");
  return { kind: claimKind, key: `${key}g` };
}

/** The ledger's entries about the children of a run, by the ids of the children. */
export async function* childEffects(
  scope: Scope,
  runId: RunId,
  after?: ClaimQuery["after"],
): AsyncGenerator<ChildEffect, void, undefined> {
  for await (const { childRunId, stepId, uses } of effectsOf(scope, runId, after)) {
    if (childRunId !== undefined)
      yield { childRunId: parseRunId(childRunId), stepId, isDetached: uses === detachedUses };
  }
}

interface ChildEffect {
  readonly childRunId: RunId;
  readonly stepId: string;
  readonly isDetached: boolean;
}
