import type { Entry, Snapshot } from "../../src/codec/bodies.ts";
import type { ExecutionState } from "../../src/index.ts";
import type { Json } from "../../src/json.ts";
import type { RunRecord } from "../../src/record/run.ts";
import type { Commit, NewClaim, RunRow, Store } from "../../src/store.ts";
import type { Subject } from "./subject.ts";
import { isNameOf, unversioned } from "./versions.ts";
import type { Process, World } from "./world.ts";

export type Record_ = RunRecord<Json>;
export type State = ExecutionState<Json>;

/** A commit that the medium accepted, as the medium itself knows it. */
export interface Accepted {
  readonly runKey: string;
  readonly tenant: string;
  readonly runId: string;
  readonly revision: number;
  /** Its place among all that the medium accepted. */
  readonly order: number;
  /** The true time. */
  readonly at: number;
  /** The time at which it was decided, by the clock of its process. */
  readonly decidedAt: number;
  readonly process: Process;
  /** The executor that the process is known by in leases. */
  readonly executor: string | undefined;
  readonly operation: number | undefined;
  /** True if `stop()` had resolved when it was sent. One that was sent before may still arrive. */
  readonly isStopped: boolean;
  readonly row: RunRow;
  /** As it was sent. An import brings several entries at once, and each of them is in a life like one commit. */
  readonly commit: Commit;
  /** The revision of the row that it was written over, 0 where there was none. */
  readonly over: number;
  readonly before: Accepted | undefined;
  /** Absent on a tombstone, and where an import is under way. */
  readonly record: Record_ | undefined;
  /** True for a part of an import that has not come to its end: its run is in no list. */
  readonly isHidden: boolean;
  /** True for the commit that ends an import: its run is there, and goes on from here. */
  readonly isArrival: boolean;
  /** The gates that are open, under the names that they are stored by; everything else is under those of the first version. */
  readonly gates: readonly string[];
  readonly entry: Entry | undefined;
  /** The state at this commit: its own where it wrote a checkpoint, else that of the one before. */
  readonly state: State | undefined;
  readonly claims: readonly NewClaim[];
  /**
   * Which continuous line of the run's life this is. Another begins where the head goes back: at a resume from an older
   * checkpoint or after a failure, and where a state is saved from outside.
   */
  readonly line: number;
}

/** Who sent a commit to the medium. */
export type Sender = Pick<Accepted, "process" | "operation" | "isStopped">;

/** One run's life, in order. */
export interface Life {
  readonly key: string;
  readonly tenant: string;
  readonly runId: string;
  readonly commits: Accepted[];
}

/** What really happened on the medium, whatever callers were answered. */
export class History {
  readonly lives = new Map<string, Life>();
  readonly executors = new Map<Process, string>();
  /** The ledger entries that are in force, by tenant and key. */
  readonly effects = new Map<string, LedgerEntry>();
  /** The operations that are imports. */
  readonly imports = new Set<number>();
  /** The operations that save a state that does not say its version, with that version. */
  readonly unnamed = new Map<number, string | undefined>();
  accepted = 0;
  /** How many places there are in the order of everything that was accepted. */
  order = 0;
  readonly #subject: Subject;
  readonly #world: World;
  readonly #store: Store;
  readonly #hasVersions: boolean;

  /** `hasVersions` is true if skills have two, so that steps have two names. */
  constructor(world: World, subject: Subject, store: Store, hasVersions: boolean) {
    this.#world = world;
    this.#hasVersions = hasVersions;
    this.#subject = subject;
    this.#store = store;
  }

  /** True if an operation saves a state as one of a version that it is not of, because the run has another one by now. */
  isMistaken(operation: number | undefined, runKey: string): boolean {
    if (operation === undefined || !this.unnamed.has(operation)) return false;
    return this.unnamed.get(operation) !== this.last(runKey)?.record?.run.skillVersion;
  }

  last(runKey: string): Accepted | undefined {
    return this.lives.get(runKey)?.commits.at(-1);
  }

  /** Reads what a commit has written, as any reader would. */
  async accept(commit: Commit, sender: Sender): Promise<Accepted> {
    const { run, earlier = [], entry } = commit;
    const over = this.last(keyOf(run))?.revision ?? 0;
    for (const one of earlier) await this.#enter({ commit, over, revision: one.revision, written: one }, sender);
    this.accepted++;
    return this.#enter({ commit, over, revision: run.revision, written: entry }, sender);
  }

  async #enter({ commit, over, revision, written }: Part, sender: Sender): Promise<Accepted> {
    const { process, operation, isStopped } = sender;
    const row = commit.run;
    const { tenant, runId } = row;
    const runKey = keyOf(row);
    const before = this.last(runKey);
    const isImported = operation !== undefined && this.imports.has(operation);
    const read = <T>(what: string, work: () => T): T | undefined => {
      try {
        return work();
      } catch (error) {
        this.#world.violate("stored-is-readable", `${what} of ${runKey} at ${revision}: ${String(error)}`);
        return undefined;
      }
    };
    const same = <T>(value: T): T => (this.#hasVersions ? unversioned(value) : value);
    const body = read("the row", () => this.#subject.readRunBody(row.body, `run "${runId}"`));
    const isWhole = revision === row.revision;
    const stored = isWhole ? body?.record : undefined;
    const record = same(stored);
    const entryRow = written && { ...written, tenant, runId, revision };
    const entry = same(entryRow && read("the entry", () => this.#subject.readEntry(entryRow)));
    let state = before?.state;
    if (written?.snapshot !== undefined) {
      const rows = await this.#store.getSnapshots(tenant, runId, written.keyframe ?? revision, revision);
      const saved = read("the state", (): Snapshot => this.#subject.readSnapshot(rows, runKey))?.state;
      state = same(saved);
      if (saved !== undefined && this.#hasVersions) this.#judgeNames(runKey, saved.skillVersion, namesIn(saved));
    }
    if (stored !== undefined && this.#hasVersions) {
      this.#judgeNames(
        runKey,
        stored.run.skillVersion,
        stored.waits.map(({ stepId }) => stepId),
      );
    }
    const accepted: Accepted = {
      runKey,
      tenant,
      runId,
      revision,
      order: ++this.order,
      at: this.#world.now,
      decidedAt: commit.now,
      process,
      executor: this.executors.get(process),
      isStopped,
      operation,
      row,
      commit,
      over,
      before,
      record,
      isHidden: !isWhole || body?.isImport === true,
      isArrival: isImported && record !== undefined,
      gates: (stored?.waits ?? []).flatMap((wait) =>
        wait.kind === "approval" && wait.decision === undefined ? [wait.stepId] : [],
      ),
      entry,
      state,
      claims: same(isWhole ? (commit.claims ?? []) : []),
      line: isImported ? 1 : lineOf(before, record, entry),
    };
    const life = this.lives.get(runKey) ?? { key: runKey, tenant, runId, commits: [] };
    this.lives.set(runKey, life);
    life.commits.push(accepted);
    return accepted;
  }

  /** What is stored under a version of a skill has the names of that version, so that nothing of it is lost. */
  #judgeNames(runKey: string, version: string | undefined, ids: readonly string[]): void {
    const strange = ids.find((id) => isNameOf("2", id) !== (version === "2"));
    if (version === undefined || strange === undefined) return;
    this.#world.violate("names-follow-versions", `${runKey} has "${strange}" under version ${version} of its skill`);
  }
}

/** The names of steps in a state, wherever they are. */
function namesIn({ stepResults, trace, events, currentStep, extensions }: State): readonly string[] {
  const logs = ["orca-durable/asks", "orca-durable/turns"].flatMap((key) => extensions[key] ?? []);
  const ids = [...Object.values(stepResults), ...trace.steps, ...events].flatMap(({ stepId }) => stepId ?? []);
  const all = [...Object.keys(stepResults), ...ids, currentStep ?? "", ...(logs as string[][][]).flat(2)];
  return all.filter((id) => id !== "");
}

/** An entry of a commit, and where it stands. */
interface Part {
  readonly commit: Commit;
  readonly over: number;
  readonly revision: number;
  readonly written: Commit["entry"];
}

/** An entry of the ledger, as its claim says it. */
export interface LedgerEntry {
  readonly stepId: string;
  readonly requestHash: string;
  readonly ordinal: number;
  readonly status: string;
  readonly uses: string;
  /** The run that the step has started as a child. */
  readonly childRunId: string | undefined;
}

export function ledgerEntry(claim: NewClaim): LedgerEntry | undefined {
  if (claim.kind !== "effect" || claim.body === "") return undefined;
  const { step_id, request_hash, ordinal, status, uses, child_run_id } = JSON.parse(claim.body) as Record<
    string,
    unknown
  >;
  return {
    stepId: String(step_id),
    requestHash: String(request_hash),
    ordinal: Number(ordinal),
    status: String(status),
    uses: String(uses),
    childRunId: typeof child_run_id === "string" ? child_run_id : undefined,
  };
}

export function keyOf({ tenant, runId }: Pick<RunRow, "tenant" | "runId">): string {
  return `${tenant}/${runId}`;
}

/** The types of the events of a commit, in order. */
export function eventTypes(commit: Accepted): readonly string[] {
  return commit.entry?.events.map(({ type }) => type) ?? [];
}

function lineOf(before: Accepted | undefined, record: Record_ | undefined, entry: Entry | undefined): number {
  if (before === undefined) return 1;
  const kind = entry?.checkpoint?.kind;
  if (kind === undefined || record === undefined) return before.line;
  if (kind === "run_resumed") {
    if (isMigration(entry)) return before.line;
    const from = record.run.resumeFromCheckpointId;
    const isFromHead = from === before.record?.run.checkpointHead && before.record?.run.status !== "failed";
    return isFromHead ? before.line : before.line + 1;
  }
  return passKinds.has(kind) ? before.line : before.line + 1;
}

/** True for a checkpoint of the head's state under another version of the skill, which goes back to nothing. */
export function isMigration(entry: Entry | undefined): boolean {
  return entry?.checkpoint?.kind === "run_resumed" && !entry.events.some(({ type }) => type === "run.resumed");
}

/** The checkpoints that only a pass writes. */
export const passKinds: ReadonlySet<string> = new Set([
  "run_started",
  "step_started",
  "step_completed",
  "run_waiting_for_human",
  "waiting_for_signal",
  "run_finished",
  "run_failed",
]);
