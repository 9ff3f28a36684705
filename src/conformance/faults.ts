import { aFunction, aStore, expectKind, given, type Kinds } from "../argument.ts";
import { DurableError } from "../errors.ts";
import { aNumber, oneOf } from "../json.ts";
import type { Commit, CommitOutcome, Store } from "../store.ts";

// Stores over any other store that fail or count, to test what is built on the contract.

/** The name of a store's method. */
export type StoreMethod = Exclude<keyof Store, "close">;

/** One call of a store. */
export interface StoreCall {
  readonly method: StoreMethod;
  /** Which call of this method it is on this store, from 1. */
  readonly nth: number;
  /** The argument of a `commit`. */
  readonly commit?: Commit;
}

/** Whether a fault strikes a call. */
export type StrikesWhen = (call: StoreCall) => boolean;

/**
 * A store that makes a commit and then rejects, so that its answer is lost. `when` is called for commits only.
 *
 * @example
 * ```ts
 * import { memoryStore } from "orca-durable/memory";
 * import { lostAnswerStore } from "orca-durable/testing";
 *
 * // The first commit is written, and its answer is lost.
 * export const store = lostAnswerStore(memoryStore(), ({ nth }) => nth === 1);
 * ```
 */
export function lostAnswerStore(store: Store, when: StrikesWhen): Store {
  expectKind(when, aFunction, "when");
  return intercepted(store, async (call, proceed) => {
    const answer = await proceed();
    if (call.method === "commit" && when(call)) throw failed("The answer of this commit was lost.");
    return answer;
  });
}

/**
 * A store whose calls reject before they do anything. `when` is called for reads too.
 *
 * @example
 * ```ts
 * import { memoryStore } from "orca-durable/memory";
 * import { failingStore } from "orca-durable/testing";
 *
 * // Every second call of each method fails.
 * export const store = failingStore(memoryStore(), ({ nth }) => nth % 2 === 0);
 * ```
 */
export function failingStore(store: Store, when: StrikesWhen): Store {
  expectKind(when, aFunction, "when");
  return intercepted(store, async (call, proceed) => {
    if (when(call)) throw failed(`The medium failed on this ${call.method}.`);
    return proceed();
  });
}

/** The commit at which a store stops, and when. */
export interface Crash {
  /** The number of the commit at which it happens, from 1; commits that conflict count. */
  readonly atCommit: number;
  /** Whether that commit is still written. */
  readonly moment: "before" | "after";
  /** Whether that call and every call without an answer reject or never settle. */
  readonly calls: "reject" | "hang";
}

const crashKinds: Kinds<Crash> = {
  atCommit: aNumber("a number of at least 1", (value) => value >= 1),
  moment: oneOf(["before", "after"]),
  calls: oneOf(["reject", "hang"]),
};

/**
 * A store that stops for ever at one commit, as a killed process does. `close` still closes the store underneath.
 *
 * @example
 * ```ts
 * import { createRuntime } from "orca-durable";
 * import { memoryStore } from "orca-durable/memory";
 * import { crashingStore } from "orca-durable/testing";
 * import { skills } from "./skills.ts";
 *
 * // A process that dies after its third commit is written, and before it hears of it.
 * const store = crashingStore(memoryStore(), { atCommit: 3, moment: "after", calls: "hang" });
 * export const runtime = createRuntime({ store, skills });
 * ```
 */
export function crashingStore(store: Store, crash: Crash): Store & { readonly crashed: boolean } {
  const { atCommit, moment, calls } = given(crash, crashKinds, "crash");
  let crashed = false;
  const lost = () => (calls === "hang" ? new Promise<never>(() => undefined) : Promise.reject(failed("Crashed.")));
  const crashing = intercepted(store, async (call, proceed) => {
    const strikes = call.method === "commit" && call.nth === atCommit;
    if (strikes && moment === "before") crashed = true;
    if (crashed) return lost();
    const answer = proceed();
    await answer.catch(() => undefined);
    if (strikes) crashed = true;
    return crashed ? lost() : answer;
  });
  return Object.defineProperty(crashing, "crashed", { get: () => crashed }) as Store & { readonly crashed: boolean };
}

/** The calls and rows that a store counted. */
export interface StoreCounts {
  readonly calls: { [Method in StoreMethod]: number };
  /** Of commits that were committed: rows of runs, entries, snapshots and claims. */
  rowsWritten: number;
  rowsRead: number;
  /** In UTF-8, of commits that were committed. */
  snapshotBytesWritten: number;
  /** In UTF-8. */
  snapshotBytesRead: number;
}

/**
 * A store that counts its calls and rows, starting at 0.
 *
 * @example
 * ```ts
 * import { memoryStore } from "orca-durable/memory";
 * import { countingStore } from "orca-durable/testing";
 *
 * const store = countingStore(memoryStore());
 * await store.getRun("acme", "run_1");
 * console.log(store.counts.calls.getRun); // 1
 * ```
 */
export function countingStore(store: Store): Store & { readonly counts: StoreCounts } {
  const counts: StoreCounts = {
    calls: {
      ...{ getRun: 0, listRuns: 0, countRuns: 0, usage: 0, dueRuns: 0, getEntry: 0, listEntries: 0 },
      ...{ getSnapshots: 0, getClaim: 0, listClaims: 0, commit: 0 },
    },
    rowsWritten: 0,
    rowsRead: 0,
    snapshotBytesWritten: 0,
    snapshotBytesRead: 0,
  };
  const counting = intercepted(store, async ({ method, commit }, proceed) => {
    counts.calls[method] += 1;
    const answer = await proceed();
    if (commit !== undefined) {
      if ((answer as CommitOutcome).kind !== "committed") return answer;
      const { earlier = [], entry, claims = [] } = commit;
      counts.rowsWritten += 1 + claims.length;
      for (const { snapshot } of [...earlier, ...(entry === undefined ? [] : [entry])]) {
        counts.rowsWritten += snapshot === undefined ? 1 : 2;
        counts.snapshotBytesWritten += byteLength(snapshot ?? "");
      }
      return answer;
    }
    if (Array.isArray(answer)) counts.rowsRead += answer.length;
    else if (typeof answer === "object") counts.rowsRead += 1;
    if (method !== "getSnapshots") return answer;
    for (const { body } of answer as Awaited<ReturnType<Store["getSnapshots"]>>) {
      counts.snapshotBytesRead += byteLength(body);
    }
    return answer;
  });
  return Object.assign(counting, { counts });
}

/** The store with something around each of its calls. `close` goes through untouched. */
export function intercepted(
  store: Store,
  around: <T>(call: StoreCall, proceed: () => Promise<T>) => Promise<T>,
): Store {
  expectKind(store, aStore, "store");
  const made = new Map<StoreMethod, number>();
  const call = <T>(method: StoreMethod, proceed: () => Promise<T>, commit?: Commit): Promise<T> => {
    const nth = (made.get(method) ?? 0) + 1;
    made.set(method, nth);
    return around({ method, nth, ...(commit && { commit }) }, proceed);
  };
  return {
    getRun: (...args) => call("getRun", () => store.getRun(...args)),
    listRuns: (...args) => call("listRuns", () => store.listRuns(...args)),
    countRuns: (...args) => call("countRuns", () => store.countRuns(...args)),
    usage: (...args) => call("usage", () => store.usage(...args)),
    dueRuns: (...args) => call("dueRuns", () => store.dueRuns(...args)),
    getEntry: (...args) => call("getEntry", () => store.getEntry(...args)),
    listEntries: (...args) => call("listEntries", () => store.listEntries(...args)),
    getSnapshots: (...args) => call("getSnapshots", () => store.getSnapshots(...args)),
    getClaim: (...args) => call("getClaim", () => store.getClaim(...args)),
    listClaims: (...args) => call("listClaims", () => store.listClaims(...args)),
    commit: (commit) => call("commit", () => store.commit(commit), commit),
    close: () => store.close(),
  };
}

function failed(message: string): DurableError {
  return new DurableError("store_failed", message);
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
