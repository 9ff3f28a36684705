import { utf8Length } from "../../src/json.ts";
import type { ClaimRow, EntryRow, RunFilter, RunRow, Store } from "../../src/store.ts";
import { connect } from "./connection.ts";
import {
  all,
  type DueKey,
  type IdOrAll,
  type ListKey,
  migrations,
  type Place,
  type Schema,
  type StoredRun,
  type StoredSnapshot,
} from "./schema.ts";

export { persistStorage, type Room, storageRoom } from "./room.ts";

export interface IndexedDbStoreOptions {
  /**
   * The database; an origin can have several. Stores on the same database see each other's commits, also across tabs.
   */
  readonly name?: string;
  /**
   * `strict` resolves a commit once the browser has flushed it to the disk. `relaxed` resolves when the operating
   * system has it: faster, but a power cut may lose acknowledged commits. It is the default of browsers.
   */
  readonly durability?: "strict" | "relaxed";
  /**
   * Called once a newer version of the page has upgraded the database: from then on each call rejects with
   * `store_outdated`, until the page is reloaded.
   */
  readonly onOutdated?: () => void;
}

/**
 * A store on IndexedDB. The first call opens the database.
 *
 * Calls reject with `store_blocked` while another tab holds an older version open, with `store_outdated` once a newer
 * version of the page has upgraded the database, with `quota_exceeded` if the browser allows no more storage, and with
 * `unsupported` if the page may have no database, as in a sandboxed frame.
 *
 * @example
 * ```ts
 * import { createRuntime } from "orca-durable";
 * import { indexedDbStore } from "orca-durable/indexeddb";
 * import { skills } from "./skills.ts";
 *
 * export const runtime = createRuntime({ store: indexedDbStore(), skills });
 * ```
 */
export function indexedDbStore(options: IndexedDbStoreOptions = {}): Store {
  const { name = "orca-durable", durability = "strict", onOutdated } = options;
  const { transact, close } = connect<Schema>(name, migrations, durability, onOutdated);

  return {
    getRun: (tenant, runId) =>
      transact("getRun", ["runs"], "readonly", async (tx) => (await tx.objectStore("runs").get([tenant, runId]))?.row),

    listRuns: (tenant, { after, offset, limit, order, ...filter }) =>
      transact("listRuns", ["places", "runs"], "readonly", async (tx) => {
        const [first, last] = listRange(tenant, filter);
        const place = after === undefined ? undefined : [...first, after.createdAt, after.runId];
        const isForward = order === "ascending";
        const found = await page<Place>(tx.objectStore("places").index("listed"), {
          range: isForward
            ? IDBKeyRange.bound(place ?? first, last, place !== undefined)
            : IDBKeyRange.bound(first, place ?? last, false, place !== undefined),
          direction: isForward ? "next" : "prev",
          offset,
          limit,
        });
        return rowsAt(tx.objectStore("runs"), found);
      }),

    countRuns: (tenant, filter) =>
      transact("countRuns", ["places"], "readonly", (tx) =>
        tx
          .objectStore("places")
          .index("listed")
          .count(IDBKeyRange.bound(...listRange(tenant, filter))),
      ),

    usage: (tenant) =>
      transact("usage", ["places", "runs", "entries", "snapshots", "claims"], "readonly", async (tx) => {
        const range = within([tenant]);
        const [runs, ...bytes] = await Promise.all([
          tx
            .objectStore("places")
            .index("listed")
            .count(IDBKeyRange.bound(...listRange(tenant, {}))),
          bytesOf<StoredRun>(tx.objectStore("runs"), range, ({ row }) => row.body),
          bytesOf<EntryRow>(tx.objectStore("entries"), range, ({ body }) => body),
          bytesOf<StoredSnapshot>(tx.objectStore("snapshots"), range, ({ body }) => body),
          bytesOf<ClaimRow>(tx.objectStore("claims"), range, ({ body }) => body),
        ]);
        return { runs, bytes: bytes.reduce((sum, some) => sum + some, 0) };
      }),

    dueRuns: ({ now, limit, tenant = all, exceptTenants = [], after }) =>
      transact("dueRuns", ["places", "runs"], "readonly", async (tx) => {
        // Not an empty range but an error, in IndexedDB.
        if (after !== undefined && after.dueAt > now) return [];
        const first = after === undefined ? [tenant] : [tenant, after.dueAt, after.runId, after.tenant];
        const range = IDBKeyRange.bound(first, [tenant, now, behindAll], true);
        const keep = (place: Place) => !exceptTenants.includes(place.tenant);
        return rowsAt(
          tx.objectStore("runs"),
          await page<Place>(tx.objectStore("places").index("due"), { range, limit, keep }),
        );
      }),

    getEntry: (tenant, runId, checkpointId) =>
      transact("getEntry", ["entries"], "readonly", (tx) =>
        tx.objectStore("entries").index("checkpoint").get([tenant, runId, checkpointId]),
      ),

    listEntries: (tenant, runId, { after = 0, limit, checkpointsOnly = false }) =>
      transact("listEntries", ["entries"], "readonly", (tx) =>
        page<EntryRow>(tx.objectStore("entries"), {
          range: IDBKeyRange.bound([tenant, runId, after], [tenant, runId, behindAll], true),
          keep: (entry) => !checkpointsOnly || entry.checkpointId !== undefined,
          limit,
        }),
      ),

    getSnapshots: (tenant, runId, from, to) =>
      transact("getSnapshots", ["snapshots"], "readonly", async (tx) => {
        // Not an empty range but an error, in IndexedDB.
        if (from > to) return [];
        const range = IDBKeyRange.bound([tenant, runId, from], [tenant, runId, to]);
        const found = await tx.objectStore("snapshots").getAll(range);
        return found.map(({ revision, body }) => ({ revision, body }));
      }),

    getClaim: (tenant, kind, key) =>
      transact("getClaim", ["claims"], "readonly", (tx) => tx.objectStore("claims").get([tenant, kind, key])),

    listClaims: (tenant, runId, { after, limit }) =>
      transact("listClaims", ["claims"], "readonly", (tx) => {
        const first = after === undefined ? [tenant, runId] : [tenant, runId, after.kind, after.key];
        const range = IDBKeyRange.bound(first, [tenant, runId, behindAll], true);
        return page<ClaimRow>(tx.objectStore("claims").index("owner"), { range, limit });
      }),

    commit: ({ run, over = run.revision - 1, earlier = [], entry, claims = [], now, erase = false }) =>
      transact("commit", ["runs", "places", "entries", "snapshots", "claims"], "readwrite", async (tx, undo) => {
        const [runs, places, entries] = [tx.objectStore("runs"), tx.objectStore("places"), tx.objectStore("entries")];
        const [snapshots, claimed] = [tx.objectStore("snapshots"), tx.objectStore("claims")];
        const { tenant, runId } = run;

        const reading = Promise.all([
          runs.get([tenant, runId]),
          Promise.all(claims.map(({ kind, key }) => claimed.get([tenant, kind, key]))),
          erase ? claimed.index("owner").getAll(within([tenant, runId])) : [],
        ]);
        const owned = erase ? (await reading)[2] : [];
        const writes: (() => Promise<unknown>)[] = owned.map((one) => () => {
          if (one.lapsesAt === undefined) return claimed.delete([tenant, one.kind, one.key]);
          return claimed.put({ ...one, body: "" });
        });
        if (erase) {
          writes.push(() => entries.delete(within([tenant, runId])));
          writes.push(() => snapshots.delete(within([tenant, runId])));
        }
        writes.push(() => runs.put({ row: run }));
        writes.push(...claims.map((one) => () => claimed.put({ ...one, tenant, runId })));
        for (const one of [...earlier, ...(entry === undefined ? [] : [{ ...entry, revision: run.revision }])]) {
          const { snapshot, ...record } = one;
          const { revision } = record;
          // `add`, not `put`: a checkpoint id that the run already has fails, and the transaction with it.
          writes.push(() => entries.add({ ...record, tenant, runId }));
          if (snapshot !== undefined) writes.push(() => snapshots.add({ tenant, runId, revision, body: snapshot }));
        }
        // Before the reads are answered, which takes a sixth off the time of a commit. Requests are answered in their
        // order: the reads are known, and a rejected commit undone, before the first write is answered. Each write is
        // async because it may also throw, as Chromium does for a value that is too large for it.
        const writing = Promise.all(writes.map(async (write) => write()));
        // Awaited below, unless the commit is rejected: then they abort with the transaction.
        writing.catch(() => undefined);

        const [previous, found] = await reading;
        const claim = found.find((one) => one !== undefined && one.runId !== runId && isInForce(one, now));
        if (claim !== undefined) return undo({ kind: "claimed", claim });
        if (over !== (previous?.row.revision ?? 0)) return undo({ kind: "conflict" });
        const placing = async () => {
          if (previous !== undefined && !hasMoved(previous.row, run)) return;
          const place = { tenant, runId, listKeys: listKeys(run), dueKeys: dueKeys(run) };
          await (place.listKeys.length > 0 ? places.put(place) : places.delete([tenant, runId]));
        };
        // Together: the first one that fails has the reason; all others only report the abort.
        await Promise.all([writing, placing()]);
        return { kind: "committed" };
      }),

    close: async () => close(),
  };
}

/** IndexedDB sorts an array after every number and string, so no key with the same beginning comes after it. */
const behindAll: IDBValidKey[] = [];

function within(beginning: IDBValidKey[]): IDBKeyRange {
  return IDBKeyRange.bound(beginning, [...beginning, behindAll]);
}

function listRange(tenant: string, { status, skillId, sourceRunId }: RunFilter): [IDBValidKey[], IDBValidKey[]] {
  const first = [tenant, status ?? all, skillId ?? all, sourceRunId ?? all];
  return [first, [...first, behindAll]];
}

/** One key for each filter that the run passes, so that a page of any filter is one range. */
function listKeys({ tenant, runId, createdAt, status, skillId, sourceRunId }: RunRow): ListKey[] {
  if (status === undefined) return [];
  const both = (id: string | undefined): IdOrAll[] => (id === undefined ? [all] : [all, id]);
  return both(status).flatMap((a) =>
    both(skillId).flatMap((b) => both(sourceRunId).map((c): ListKey => [tenant, a, b, c, createdAt, runId])),
  );
}

function dueKeys({ tenant, runId, status, dueAt }: RunRow): DueKey[] {
  if (status === undefined || dueAt === undefined) return [];
  return [
    [all, dueAt, runId, tenant],
    [tenant, dueAt, runId, tenant],
  ];
}

/** True if the run has another place in lists than before, or is in other lists. */
function hasMoved(before: RunRow, after: RunRow): boolean {
  return (["status", "skillId", "sourceRunId", "dueAt"] as const).some((field) => before[field] !== after[field]);
}

/** The rows of runs, in the order of their places. */
async function rowsAt(
  runs: { get(key: [string, string]): Promise<StoredRun | undefined> },
  places: readonly Place[],
): Promise<RunRow[]> {
  const found = await Promise.all(places.map(({ tenant, runId }) => runs.get([tenant, runId])));
  return found.flatMap((stored) => stored?.row ?? []);
}

function isInForce({ lapsesAt }: ClaimRow, now: number): boolean {
  return lapsesAt === undefined || lapsesAt > now;
}

interface Page<Value> {
  readonly range: IDBKeyRange;
  readonly limit: number;
  readonly direction?: "next" | "prev";
  readonly offset?: number | undefined;
  readonly keep?: (value: Value) => boolean;
}

interface Cursor<Value> {
  readonly value: Value;
  continue(): Promise<Cursor<Value> | null>;
  advance(count: number): Promise<Cursor<Value> | null>;
}

interface Walkable<Value> {
  openCursor(range: IDBKeyRange, direction: "next" | "prev"): Promise<Cursor<Value> | null>;
}

/**
 * The UTF-8 bytes of the bodies in a range. One body is held at a time, so that a tenant's whole store is not in memory
 * at once.
 */
async function bytesOf<Value>(
  source: Walkable<Value>,
  range: IDBKeyRange,
  bodyOf: (value: Value) => string,
): Promise<number> {
  let bytes = 0;
  let cursor = await source.openCursor(range, "next");
  for (; cursor !== null; cursor = await cursor.continue()) bytes += utf8Length(bodyOf(cursor.value));
  return bytes;
}

/** The largest step of a cursor. No database has this many records. */
const mostAdvanced = 2 ** 32 - 1;

async function page<Value>(
  source: Walkable<Value>,
  { range, limit, direction = "next", offset = 0, keep = () => true }: Page<Value>,
): Promise<Value[]> {
  const found: Value[] = [];
  let cursor = limit > 0 ? await source.openCursor(range, direction) : null;
  if (cursor !== null && offset > 0) cursor = await cursor.advance(Math.min(offset, mostAdvanced));
  while (cursor !== null) {
    if (keep(cursor.value)) found.push(cursor.value);
    cursor = found.length < limit ? await cursor.continue() : null;
  }
  return found;
}
