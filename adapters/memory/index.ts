import { given, withMethods } from "../../src/argument.ts";
import { DurableError } from "../../src/errors.ts";
import { utf8Length } from "../../src/json.ts";
import type {
  ClaimRow,
  DuePosition,
  EntryRow,
  RunFilter,
  RunPosition,
  RunRow,
  SnapshotRow,
  Store,
} from "../../src/store.ts";

/**
 * Rows outside any store, by tenant: stores over the same data see each other's commits, like tabs over one database.
 */
export type MemoryData = Map<string, TenantRows>;

/** The rows of one tenant. */
export interface TenantRows {
  readonly runs: Map<string, StoredRun>;
  /** The runs without the tombstones, in list order, so that no page has to sort. */
  readonly listed: StoredRun[];
  readonly claims: Map<string, ClaimRow>;
}

/** A run as it is stored: its row, its entries and its snapshots. */
export interface StoredRun {
  row: RunRow;
  entries: EntryRow[];
  /** The entries that have a checkpoint, by its id. */
  readonly checkpoints: Map<string, EntryRow>;
  snapshots: SnapshotRow[];
}

/**
 * A store whose medium is this process: it lasts as long as its data is referenced, so it is for tests and for runs
 * that may die with their process. All readers share the same rows, so the rows are frozen.
 *
 * @example
 * ```ts
 * import { createRuntime } from "orca-durable";
 * import { memoryStore } from "orca-durable/memory";
 * import { skills } from "./skills.ts";
 *
 * export const runs = createRuntime({ store: memoryStore(), skills }).for("acme");
 * ```
 */
export function memoryStore(options: { readonly data?: MemoryData } = {}): Store {
  const { data = new Map() } = given(options, { data: withMethods("get", "set") });
  let closed = false;

  /**
   * Answers a call in one synchronous step, so that no other call sees half of it; an exception becomes a rejection.
   */
  async function answer<T>(operation: string, tenant: string, give: (rows: TenantRows) => T): Promise<T> {
    if (closed) throw new DurableError("store_failed", `${operation}: this memory store is closed: create another`);
    return give(data.get(tenant) ?? { runs: new Map(), listed: [], claims: new Map() });
  }

  function othersThan(tenants: readonly string[]): readonly StoredRun[] {
    return [...data].flatMap(([tenant, { listed }]) => (tenants.includes(tenant) ? [] : listed));
  }

  return {
    getRun: (tenant, runId) => answer("getRun", tenant, ({ runs }) => runs.get(runId)?.row),

    listRuns: (tenant, { after, offset = 0, limit, order, ...filter }) =>
      answer("listRuns", tenant, ({ listed }) => {
        const fits = ({ row }: StoredRun) => matches(row, filter);
        const [from, step] =
          order === "ascending"
            ? ([after === undefined ? 0 : placeAfter(listed, after), 1] as const)
            : ([(after === undefined ? listed.length : placeOf(listed, after)) - 1, -1] as const);
        const found = page(listed, from, step, offset + limit, fits);
        return found.slice(offset).map(({ row }) => row);
      }),

    countRuns: (tenant, filter) =>
      answer("countRuns", tenant, ({ listed }) => listed.filter(({ row }) => matches(row, filter)).length),

    usage: (tenant) =>
      answer("usage", tenant, ({ runs, listed, claims }) => {
        let bytes = 0;
        for (const { row, entries, snapshots } of runs.values())
          bytes += bytesOf([row]) + bytesOf(entries) + bytesOf(snapshots);
        return { runs: listed.length, bytes: bytes + bytesOf(claims.values()) };
      }),

    dueRuns: ({ now, limit, tenant, exceptTenants = [], after }) =>
      answer("dueRuns", tenant ?? "", ({ listed }) =>
        (tenant === undefined ? othersThan(exceptTenants) : listed)
          .map(({ row }) => row)
          .filter((row): row is DueRow => row.dueAt !== undefined && row.dueAt <= now)
          .filter((row) => after === undefined || compareDue(row, after) > 0)
          .sort(compareDue)
          .slice(0, limit),
      ),

    getEntry: (tenant, runId, checkpointId) =>
      answer("getEntry", tenant, ({ runs }) => runs.get(runId)?.checkpoints.get(checkpointId)),

    listEntries: (tenant, runId, { after = 0, limit, checkpointsOnly = false }) =>
      answer("listEntries", tenant, ({ runs }) => {
        const entries = runs.get(runId)?.entries ?? [];
        const start = firstPlace(entries, ({ revision }) => revision > after);
        return page(entries, start, 1, limit, ({ checkpointId }) => !checkpointsOnly || checkpointId !== undefined);
      }),

    getSnapshots: (tenant, runId, from, to) =>
      answer("getSnapshots", tenant, ({ runs }) => {
        const snapshots = runs.get(runId)?.snapshots ?? [];
        const start = firstPlace(snapshots, ({ revision }) => revision >= from);
        return snapshots.slice(
          start,
          firstPlace(snapshots, ({ revision }) => revision > to),
        );
      }),

    getClaim: (tenant, kind, key) => answer("getClaim", tenant, ({ claims }) => claims.get(claimKey({ kind, key }))),

    listClaims: (tenant, runId, { after, limit }) =>
      answer("listClaims", tenant, ({ claims }) =>
        [...claims]
          .filter(([key, claim]) => claim.runId === runId && (after === undefined || key > claimKey(after)))
          .sort(([a], [b]) => compareText(a, b))
          .slice(0, limit)
          .map(([, claim]) => claim),
      ),

    commit: ({ run, over = run.revision - 1, earlier = [], entry, claims = [], now, erase = false }) =>
      answer("commit", run.tenant, (rows) => {
        const { tenant, runId, revision } = run;
        for (const claim of claims) {
          const found = rows.claims.get(claimKey(claim));
          const isFree = found === undefined || (found.lapsesAt !== undefined && found.lapsesAt <= now);
          if (!isFree && found.runId !== runId) return { kind: "claimed", claim: found };
        }
        const previous = rows.runs.get(runId);
        if (over !== (previous?.row.revision ?? 0)) return { kind: "conflict" };
        const entries = [...earlier, ...(entry === undefined ? [] : [{ ...entry, revision }])];
        const ids = entries.flatMap(({ checkpointId }) => checkpointId ?? []);
        const twice = ids.find((id, index) => ids.indexOf(id) < index || (!erase && previous?.checkpoints.has(id)));
        if (twice !== undefined) {
          throw new DurableError("store_failed", `commit: ${runId} already has a checkpoint ${twice}`);
        }

        // Nothing fails from here on, so nothing must be undone.
        const stored: StoredRun = previous ?? { row: run, entries: [], checkpoints: new Map(), snapshots: [] };
        const wasListed = previous?.row.status !== undefined;
        stored.row = Object.freeze({ ...run });
        if (erase) {
          stored.entries = [];
          stored.checkpoints.clear();
          stored.snapshots = [];
          eraseClaims(rows.claims, runId);
        }
        if (wasListed !== (run.status !== undefined)) {
          const place = placeOf(rows.listed, previous?.row ?? run);
          if (wasListed) rows.listed.splice(place, 1);
          else rows.listed.splice(place, 0, stored);
        }
        for (const claim of claims) rows.claims.set(claimKey(claim), Object.freeze({ ...claim, tenant, runId }));
        for (const { snapshot, ...record } of entries) {
          const row = Object.freeze({ ...record, tenant, runId });
          stored.entries.push(row);
          if (row.checkpointId !== undefined) stored.checkpoints.set(row.checkpointId, row);
          if (snapshot !== undefined) stored.snapshots.push(Object.freeze({ revision: row.revision, body: snapshot }));
        }
        rows.runs.set(runId, stored);
        data.set(tenant, rows);
        return { kind: "committed" };
      }),

    close: async () => {
      closed = true;
    },
  };
}

function bytesOf(rows: Iterable<{ readonly body: string }>): number {
  let bytes = 0;
  for (const { body } of rows) bytes += utf8Length(body);
  return bytes;
}

type DueRow = RunRow & DuePosition;

function compareDue(a: DuePosition, b: DuePosition): number {
  return a.dueAt - b.dueAt || compareText(a.runId, b.runId) || compareText(a.tenant, b.tenant);
}

function eraseClaims(claims: Map<string, ClaimRow>, runId: string): void {
  for (const [key, claim] of claims) {
    if (claim.runId !== runId) continue;
    if (claim.lapsesAt === undefined) claims.delete(key);
    else claims.set(key, Object.freeze({ ...claim, body: "" }));
  }
}

/** U+0000 cannot occur in an id, so no two pairs share a key; it sorts before every id, so keys sort as the pairs do. */
function claimKey({ kind, key }: Pick<ClaimRow, "kind" | "key">): string {
  return `${kind}\u0000${key}`;
}

/** The items from a place on, forwards or backwards, as many as fit. */
function page<T>(
  items: readonly T[],
  from: number,
  step: 1 | -1,
  limit: number,
  fits: (item: T) => boolean,
): readonly T[] {
  const found: T[] = [];
  for (let place = from; found.length < limit; place += step) {
    const item = items[place];
    if (item === undefined) break;
    if (fits(item)) found.push(item);
  }
  return found;
}

/** The index of the first item that is past something; all items after it are past it too. */
function firstPlace<T>(items: readonly T[], isPast: (item: T) => boolean): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isPast(items[middle] as T)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The place in the list of a run of that position, present or not. */
function placeOf(listed: readonly StoredRun[], position: RunPosition): number {
  return firstPlace(listed, ({ row }) => comparePositions(row, position) >= 0);
}

function placeAfter(listed: readonly StoredRun[], position: RunPosition): number {
  return firstPlace(listed, ({ row }) => comparePositions(row, position) > 0);
}

function comparePositions(a: RunPosition, b: RunPosition): number {
  return a.createdAt - b.createdAt || compareText(a.runId, b.runId);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function matches(row: RunRow, { status, skillId, sourceRunId }: RunFilter): boolean {
  return (
    (status === undefined || row.status === status) &&
    (skillId === undefined || row.skillId === skillId) &&
    (sourceRunId === undefined || row.sourceRunId === sourceRunId)
  );
}
