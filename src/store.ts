/**
 * The Store contract: what a medium must do so that runs on it are durable.
 *
 * A store holds rows and enforces one rule, the revision fence. It is strictly consistent: a read that begins
 * after a `commit` resolved sees that commit, from every handle on the same medium. It knows nothing of leases,
 * steps or statuses: bodies are opaque strings that it keeps to the byte and never parses.
 *
 * Keys. The tenant is a part of every key, not a filter: rows of another tenant do not exist for a call. Ids
 * (tenant, run, checkpoint, skill, claim kind and key) are printable ASCII of 1 to 200 characters, so that every medium
 * sorts them alike (by code unit). The core checks them; a store may rely on it. Bodies are text
 * without lone surrogates and without U+0000, as JSON text is.
 *
 * Time. Every time is an integer of milliseconds since 1970 and arrives as an argument; a store never reads a clock.
 *
 * Failure. Expected outcomes are values ({@link CommitOutcome}). A rejected promise means that the medium failed; the
 * outcome of a commit that rejects is unknown, and the caller finds it out by reading.
 */
export interface Store {
  /** The run's row, a tombstone too. */
  getRun(tenant: string, runId: string): Promise<RunRow | undefined>;

  /**
   * Rows that match every field of the filter that is present, by (createdAt, runId), in `order`. Tombstones are left
   * out. `after` is exclusive and need not exist; `offset` rows are skipped after that.
   */
  listRuns(tenant: string, query: RunQuery): Promise<readonly RunRow[]>;

  /** The number of rows that `listRuns` would return without `after`, `offset` and `limit`. */
  countRuns(tenant: string, filter: RunFilter): Promise<number>;

  /**
   * What the tenant has on the medium. A store may read every row for it; a runtime calls it only if a quota is set.
   */
  usage(tenant: string): Promise<StoreUsage>;

  /**
   * Rows with `dueAt <= now`, ascending by (dueAt, runId, tenant): of one tenant, or of all without `exceptTenants`. `after`
   * is exclusive and need not exist.
   */
  dueRuns(query: DueQuery): Promise<readonly RunRow[]>;

  /** The entry of that checkpoint. */
  getEntry(tenant: string, runId: string, checkpointId: string): Promise<EntryRow | undefined>;

  /** The run's entries, ascending by revision, `after` exclusive. Reads no snapshot. */
  listEntries(tenant: string, runId: string, query: EntryQuery): Promise<readonly EntryRow[]>;

  /** The run's snapshots with `from <= revision <= to`, ascending by revision. */
  getSnapshots(tenant: string, runId: string, from: number, to: number): Promise<readonly SnapshotRow[]>;

  /** The claim on that key. A lapsed claim is returned too, until it is replaced. */
  getClaim(tenant: string, kind: string, key: string): Promise<ClaimRow | undefined>;

  /** The claims that the run owns, ascending by (kind, key), `after` exclusive. */
  listClaims(tenant: string, runId: string, query: ClaimQuery): Promise<readonly ClaimRow[]>;

  /**
   * The one write. It puts the run's row, its claims, at most one entry of the row's revision, and entries of revisions
   * in between, each with its snapshot: all of them, or none.
   *
   * - The fence: a row at revision n is accepted only over a row at revision `over`, and over 0 only if there is no
   * row. If the commit does not name `over`, it is n - 1. Otherwise the outcome is `conflict`, whatever else is wrong
   * with the commit, and nothing is written. Of commits that race, one wins.
   * - `createdAt` of a row is fixed at its birth; later commits carry the same.
   * - An entry gets the row's revision. Earlier entries bring their own, which lie between `over` and the row's. A
   * checkpoint id that the run already has is a caller's fault: the promise rejects and nothing is written.
   * - A claim is free if it is absent or its `lapsesAt <= now`; only its owner can replace a claim in force. If another
   * run holds one, the outcome is `claimed` with the first such claim in the order of the commit, and nothing is
   * written. `claimed` wins over `conflict`.
   * - `erase` first removes the run's entries, snapshots and lasting claims, and empties the bodies of its lapsing
   * claims, whose key and owner stay until they lapse. The row that comes with it is the tombstone.
   * - It resolves only when the write is durable on the medium.
   */
  commit(commit: Commit): Promise<CommitOutcome>;

  /** Releases the medium. Later calls reject with `store_failed`. Closing twice is allowed. */
  close(): Promise<void>;
}

/** The row of a run. */
export interface RunRow {
  readonly tenant: string;
  readonly runId: string;
  /** 1 at birth, one more at each commit. The order within a run is its revision, never a clock. */
  readonly revision: number;
  readonly createdAt: number;
  /** Absent on a tombstone: the id stays taken, and no list, count or due query returns the row. */
  readonly status?: string;
  readonly skillId?: string;
  readonly sourceRunId?: string;
  /** When an executor should look at the run next. */
  readonly dueAt?: number;
  /** At most {@link maxRowBytes} bytes, like the bodies of entries and claims. */
  readonly body: string;
}

/** One commit of the history: events, and a checkpoint if it has an id. */
export interface EntryRow {
  readonly tenant: string;
  readonly runId: string;
  readonly revision: number;
  readonly checkpointId?: string;
  /**
   * The revision of the snapshot from which this checkpoint's state is built; its own revision if it holds a whole
   * state.
   */
  readonly keyframe?: number;
  readonly body: string;
}

/** One snapshot, or one delta of a state. */
export interface SnapshotRow {
  readonly revision: number;
  /** Of any length up to the limit that the store declares; a store splits what its medium cannot hold in one row. */
  readonly body: string;
}

/** The row of a claim. */
export interface ClaimRow {
  readonly tenant: string;
  readonly kind: string;
  readonly key: string;
  /** The owner. */
  readonly runId: string;
  /** Absent on a lasting claim. */
  readonly lapsesAt?: number;
  readonly body: string;
}

/** A claim of the committed run: tenant and owner are the row's. */
export type NewClaim = Omit<ClaimRow, "tenant" | "runId">;

/** The history entry of a commit. */
export interface NewEntry {
  readonly body: string;
  readonly checkpointId?: string;
  readonly keyframe?: number;
  readonly snapshot?: string;
}

/** An entry of a revision before that of the committed row, as an import brings them. */
export interface EarlierEntry extends NewEntry {
  readonly revision: number;
}

/** One write: a run's row, at most one entry, and claims. */
export interface Commit {
  readonly run: RunRow;
  /** The revision of the row that is replaced, below that of the row; 0 for none. Default `run.revision - 1`. */
  readonly over?: number;
  /**
   * The row at revision `over`, if the caller has it. A store may leave alone what is the same in both rows; the fence decides as
   * it does without.
   */
  readonly before?: RunRow;
  /** Ascending by revision, all above `over` and below the row's. Never with `erase`. */
  readonly earlier?: readonly EarlierEntry[];
  readonly entry?: NewEntry;
  readonly claims?: readonly NewClaim[];
  readonly now: number;
  readonly erase?: true;
}

/** What a commit did: `committed`, `conflict` or `claimed`. */
export type CommitOutcome =
  | { readonly kind: "committed" }
  | { readonly kind: "conflict" }
  | { readonly kind: "claimed"; readonly claim: ClaimRow };

/** What a tenant has on the medium. */
export interface StoreUsage {
  /** Runs without tombstones. */
  readonly runs: number;
  /** Bytes of UTF-8 of all bodies: rows (tombstones too), entries, snapshots, and claims (lapsed ones too). */
  readonly bytes: number;
}

/** A filter of runs. */
export interface RunFilter {
  readonly status?: string;
  readonly skillId?: string;
  readonly sourceRunId?: string;
}

/** A place in a list of runs. */
export interface RunPosition {
  readonly createdAt: number;
  readonly runId: string;
}

/** A filter and a place in the list of runs. */
export interface RunQuery extends RunFilter {
  readonly after?: RunPosition;
  readonly offset?: number;
  readonly limit: number;
  readonly order: "ascending" | "descending";
}

/** A place among due runs. */
export interface DuePosition {
  readonly dueAt: number;
  readonly runId: string;
  readonly tenant: string;
}

/** A place in the list of due runs. */
export interface DueQuery {
  readonly now: number;
  readonly limit: number;
  readonly tenant?: string;
  /**
   * Tenants whose rows are left out, so that a tenant with many due runs does not hide the others. Not together with
   * `tenant`.
   */
  readonly exceptTenants?: readonly string[];
  readonly after?: DuePosition;
}

/** A place in the entries of a run. */
export interface EntryQuery {
  readonly after?: number;
  readonly limit: number;
  readonly checkpointsOnly?: boolean;
}

/** A place in the claims of a run. */
export interface ClaimQuery {
  readonly after?: { readonly kind: string; readonly key: string };
  readonly limit: number;
}

/** The most claims in one commit. The core keeps to it. */
export const maxClaims = 10_000;

/** The largest revision of an entry. The core keeps to it. */
export const maxRevision = 2 ** 31 - 1;

/** The most bytes of UTF-8 in the body of a run's row, of an entry and of a claim. The core keeps to it. */
export const maxRowBytes = 256 * 1024;
