import { type StoreNames, unwrap } from "idb";
import { aFunction, given } from "../../src/argument.ts";
import { aText, oneOf, utf8Length } from "../../src/json.ts";
import type { ClaimRow, EntryRow, RunFilter, RunRow, Store } from "../../src/store.ts";
import { connect, type IndexedDbStoreOptions } from "./connection.ts";
import {
  all,
  type DueKey,
  type IdOrAll,
  type ListKey,
  migrations,
  type Schema,
  type StoredEntry,
  type StoredRun,
  stores,
} from "./schema.ts";

export type { IndexedDbStoreOptions } from "./connection.ts";
export { persistStorage, type Room, storageRoom } from "./room.ts";

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
  const kinds = { name: aText, durability: oneOf(["strict", "relaxed"]), onOutdated: aFunction, onDataLoss: aFunction };
  const { transact, close } = connect<Schema>(migrations, given(options, kinds));

  return {
    getRun: (tenant, runId) =>
      transact("getRun", ["runs"], "readonly", async (tx) => (await tx.objectStore("runs").get([tenant, runId]))?.row),

    listRuns: (tenant, { after, offset, limit, order, ...filter }) =>
      transact("listRuns", ["places", "runs"], "readonly", async (tx) => {
        const first = listed(tenant, filter);
        const last = [...first, behindAll];
        const place = after && [...first, after.createdAt, after.runId];
        const isForward = order === "ascending";
        const range = isForward
          ? IDBKeyRange.bound(place ?? first, last, !!place)
          : IDBKeyRange.bound(first, place ?? last, false, !!place);
        const places = tx
          .objectStore("places")
          .index("listed")
          .openKeyCursor(range, isForward ? "next" : "prev");
        return rowsAt(tx.objectStore("runs"), places, { offset, limit });
      }),

    countRuns: (tenant, filter) =>
      transact("countRuns", ["places"], "readonly", (tx) =>
        tx
          .objectStore("places")
          .index("listed")
          .count(within(listed(tenant, filter))),
      ),

    usage: (tenant) =>
      transact("usage", stores, "readonly", async (tx) => {
        const range = within([tenant]);
        const bodies = (["runs", "entries", "snapshots", "claims"] as const).map((name) =>
          bytesOf(tx.objectStore(name).openCursor(range)),
        );
        const places = tx.objectStore("places").index("listed");
        const [runs, ...bytes] = await Promise.all([places.count(within(listed(tenant, {}))), ...bodies]);
        return { runs, bytes: bytes.reduce((sum, some) => sum + some, 0) };
      }),

    dueRuns: ({ now, limit, tenant = all, exceptTenants = [], after }) =>
      transact("dueRuns", ["places", "runs"], "readonly", async (tx) => {
        // Not an empty range but an error, in IndexedDB.
        if (after !== undefined && after.dueAt > now) return [];
        const first = after === undefined ? [tenant] : [tenant, after.dueAt, after.runId, after.tenant];
        const range = IDBKeyRange.bound(first, [tenant, now, behindAll], true);
        const keep = ([tenant]: RunKey) => !exceptTenants.includes(tenant);
        const places = tx.objectStore("places").index("due").openKeyCursor(range);
        return rowsAt(tx.objectStore("runs"), places, { limit, keep });
      }),

    getEntry: (tenant, runId, checkpointId) =>
      transact("getEntry", ["entries"], "readonly", async (tx) => {
        const stored = await tx.objectStore("entries").index("checkpoint").get([tenant, runId, checkpointId]);
        return stored && entryOf(stored);
      }),

    listEntries: (tenant, runId, { after = 0, limit, checkpointsOnly = false }) =>
      transact("listEntries", ["entries"], "readonly", async (tx) => {
        const range = IDBKeyRange.bound([tenant, runId, after], [tenant, runId, behindAll], true);
        const keep = (entry: StoredEntry) => !checkpointsOnly || entry.checkpointId !== undefined;
        const found = await page(tx.objectStore("entries").openCursor(range), "value", { keep, limit });
        return found.map(entryOf);
      }),

    getSnapshots: (tenant, runId, from, to) =>
      transact("getSnapshots", ["entries", "snapshots"], "readonly", async (tx) => {
        // Not an empty range but an error, in IndexedDB.
        if (from > to) return [];
        const range = IDBKeyRange.bound([tenant, runId, from], [tenant, runId, to]);
        const [entries, large] = await Promise.all([
          tx.objectStore("entries").getAll(range),
          tx.objectStore("snapshots").getAll(range),
        ]);
        return [
          ...entries.flatMap(({ revision, snapshot }) => (snapshot === undefined ? [] : { revision, body: snapshot })),
          ...large.map(({ revision, body }) => ({ revision, body })),
        ].sort((one, other) => one.revision - other.revision);
      }),

    getClaim: (tenant, kind, key) =>
      transact("getClaim", ["claims"], "readonly", (tx) => tx.objectStore("claims").get([tenant, kind, key])),

    listClaims: (tenant, runId, { after, limit }) =>
      transact("listClaims", ["claims"], "readonly", (tx) => {
        const first = after === undefined ? [tenant, runId] : [tenant, runId, after.kind, after.key];
        const range = IDBKeyRange.bound(first, [tenant, runId, behindAll], true);
        return page(tx.objectStore("claims").index("owner").openCursor(range), "value", { limit });
      }),

    commit({ run, over = run.revision - 1, earlier = [], entry, claims = [], now, erase = false }) {
      const { tenant, runId, revision } = run;
      const entries = entry === undefined ? earlier : [...earlier, { ...entry, revision }];
      return transact("commit", stores, "readwrite", async (tx, undo) => {
        // The writes have no promise each, which takes the time of one more request: of one that fails, the transaction learns.
        const into = (name: StoreNames<Schema>) => unwrap(tx.objectStore(name));
        const put = <Name extends StoreNames<Schema>>(name: Name, row: Schema[Name]["value"]) => into(name).put(row);
        const key: [string, string] = [tenant, runId];
        const heldClaims = tx.objectStore("claims");

        const reading = Promise.all([
          tx.objectStore("runs").get(key),
          Promise.all(claims.map(({ kind, key }) => heldClaims.get([tenant, kind, key]))),
          erase ? heldClaims.index("owner").getAll(within(key)) : [],
        ]);
        // Awaited below, unless a write throws.
        reading.catch(() => {});
        const owned = erase ? (await reading)[2] : [];
        // Before the reads are answered, which takes a sixth off the time of a commit. Requests are answered in their
        // order: the reads are known, and a rejected commit undone, before the first write is answered.
        for (const one of owned) {
          if (one.lapsesAt === undefined) into("claims").delete([tenant, one.kind, one.key]);
          else put("claims", { ...one, body: "" });
        }
        if (erase) for (const name of ["entries", "snapshots"] as const) into(name).delete(within(key));
        put("runs", { row: run });
        for (const one of claims) put("claims", { ...one, tenant, runId });
        // A checkpoint id that the run already has fails by its index, and the transaction with it.
        for (const one of entries) {
          const { snapshot: body = "", ...record } = one;
          const isLarge = body.length > mostInEntry;
          put("entries", { ...(isLarge ? record : one), tenant, runId });
          if (isLarge) put("snapshots", { tenant, runId, revision: one.revision, body });
        }

        const [previous, found] = await reading;
        const claim = found.find((one) => one && one.runId !== runId && isInForce(one, now));
        if (claim !== undefined) return undo({ kind: "claimed", claim });
        if (over !== (previous?.row.revision ?? 0)) return undo({ kind: "conflict" });
        if (placed.some((name) => previous?.row[name] !== run[name])) {
          const keys = listKeys(run);
          if (keys.length > 0) put("places", { tenant, runId, listKeys: keys, dueKeys: dueKeys(run) });
          else into("places").delete(key);
        }
        // Without `tx.commit()`, which would save a turn: after it Firefox keeps the other writes of one that fails.
        return { kind: "committed" };
      });
    },

    close: async () => close(),
  };
}

/** The characters of a snapshot that is kept in the record of its entry. */
const mostInEntry = 16_384;

function entryOf({ snapshot: _, ...entry }: StoredEntry): EntryRow {
  return entry;
}

/** IndexedDB sorts an array after every number and string, so no key with the same beginning comes after it. */
const behindAll: IDBValidKey[] = [];

function within(beginning: IDBValidKey[]): IDBKeyRange {
  return IDBKeyRange.bound(beginning, [...beginning, behindAll]);
}

/** What the keys of a list begin with. */
function listed(tenant: string, { status, skillId, sourceRunId }: RunFilter): IDBValidKey[] {
  return [tenant, status ?? all, skillId ?? all, sourceRunId ?? all];
}

/** One key for each filter that the run passes, so that a page of any filter is one range. */
function listKeys({ tenant, runId, createdAt, status, skillId, sourceRunId }: RunRow): ListKey[] {
  if (status === undefined) return [];
  const both = (id: string | undefined): IdOrAll[] => (id === undefined ? [all] : [all, id]);
  return both(status).flatMap((a) =>
    both(skillId).flatMap((b) => both(sourceRunId).map((c): ListKey => [tenant, a, b, c, createdAt, runId])),
  );
}

function dueKeys({ tenant, runId, dueAt }: RunRow): DueKey[] {
  if (dueAt === undefined) return [];
  return [
    [all, dueAt, runId, tenant],
    [tenant, dueAt, runId, tenant],
  ];
}

/** What the place of a run in lists is made of; all else of it is fixed at its birth. */
const placed = ["status", "skillId", "sourceRunId", "dueAt"] as const;

/** The rows of a page of places, whose keys are those of the runs. Their records are not read: one less for each run. */
async function rowsAt<Cursor extends Walk<Cursor> & { readonly primaryKey: RunKey }>(
  runs: { get(key: RunKey): Promise<StoredRun | undefined> },
  places: Promise<Cursor | null>,
  options: Page<RunKey>,
): Promise<RunRow[]> {
  const found = await Promise.all((await page(places, "primaryKey", options)).map((key) => runs.get(key)));
  return found.flatMap((stored) => stored?.row ?? []);
}

function isInForce({ lapsesAt }: ClaimRow, now: number): boolean {
  return lapsesAt === undefined || lapsesAt > now;
}

type RunKey = Schema["runs"]["key"];

interface Page<Row> {
  readonly limit: number;
  readonly offset?: number | undefined;
  readonly keep?: (row: Row) => boolean;
}

interface Walk<Cursor> {
  continue(): Promise<Cursor | null>;
  advance(count: number): Promise<Cursor | null>;
}

/**
 * The UTF-8 bytes of the bodies in a range. One body is held at a time, so that a tenant's whole store is not in memory
 * at once.
 */
async function bytesOf<Cursor extends Walk<Cursor> & { readonly value: Stored }>(
  opening: Promise<Cursor | null>,
): Promise<number> {
  let bytes = 0;
  const keep = ({ row, body = row?.body ?? "", snapshot = "" }: Stored) => {
    bytes += utf8Length(body + snapshot);
    return false;
  };
  await page(opening, "value", { limit: 1, keep });
  return bytes;
}

/** What the records of any object store have in common. */
interface Stored {
  readonly row?: { readonly body: string };
  readonly body?: string;
  readonly snapshot?: string;
}

/** The largest step of a cursor. No database has this many records. */
const mostAdvanced = 2 ** 32 - 1;

/** One member of each cursor: the record, or its key. */
async function page<Cursor extends Walk<Cursor>, Name extends keyof Cursor>(
  opening: Promise<Cursor | null>,
  name: Name,
  { limit, offset = 0, keep = () => true }: Page<Cursor[Name]>,
): Promise<Cursor[Name][]> {
  const found: Cursor[Name][] = [];
  let cursor = await opening;
  if (cursor && offset > 0) cursor = await cursor.advance(Math.min(offset, mostAdvanced));
  while (cursor && limit > 0) {
    const row: Cursor[Name] = cursor[name];
    if (keep(row)) found.push(row);
    cursor = found.length < limit ? await cursor.continue() : null;
  }
  return found;
}
