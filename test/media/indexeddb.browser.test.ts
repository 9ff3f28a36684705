import { type IDBPDatabase, openDB } from "idb";
import { afterEach, describe, expect, test, vi } from "vitest";
import { connect } from "../../adapters/indexeddb/connection.ts";
import { type IndexedDbStoreOptions, indexedDbStore } from "../../adapters/indexeddb/index.ts";
import { migrations, type Schema } from "../../adapters/indexeddb/schema.ts";
import { createRuntime, defineSkill } from "../../src/index.ts";
import type { Commit, RunRow, Store } from "../../src/store.ts";
import { needsDriver, overrideQuota } from "../support/engines/driven.ts";
import { clearStoragePath } from "../support/engines/site-paths.ts";

const run: RunRow = { tenant: "t", runId: "r", revision: 1, createdAt: 1, status: "running", dueAt: 1, body: "born" };
const birth: Commit = { run, entry: { body: "record", checkpointId: "c", keyframe: 1, snapshot: "state" }, now: 1 };

let number = 0;
const stores: Store[] = [];

/** The name of a database that no other test uses. */
function freshName(): string {
  number += 1;
  return `adapter ${number} ${Date.now()}`;
}

function openStore(name: string, options: Omit<IndexedDbStoreOptions, "name"> = {}): Store {
  const store = indexedDbStore({ name, ...options });
  stores.push(store);
  return store;
}

/** The same database in a later version, as a newer page would open it. */
function openNewer(name: string): Promise<unknown> {
  const newer = connect<Schema>([...migrations, async () => undefined], { name });
  return newer.transact("open", ["runs"], "readonly", async () => undefined).finally(() => newer.close());
}

/** The connections that are opened from now on, to lose them with. */
function openedConnections(): readonly IDBDatabase[] {
  const opened: IDBDatabase[] = [];
  const original = IDBFactory.prototype.open;
  vi.spyOn(IDBFactory.prototype, "open").mockImplementation(function (this: IDBFactory, name, version) {
    const request = original.call(this, name, version);
    request.addEventListener("success", () => opened.push(request.result));
    return request;
  });
  return opened;
}

/** As when a user clears the site's data in the browser: all connections are closed. */
async function deleteDatabases(): Promise<void> {
  await (await fetch(clearStoragePath, { method: "POST" })).text();
}

afterEach(async () => {
  vi.restoreAllMocks();
  for (const store of stores.splice(0)) await store.close();
});

describe("durability", () => {
  function durabilities(): string[] {
    const seen: string[] = [];
    const original = IDBDatabase.prototype.transaction;
    vi.spyOn(IDBDatabase.prototype, "transaction").mockImplementation(function (this: IDBDatabase, ...given) {
      const transaction = original.apply(this, given);
      if (transaction.mode === "readwrite") seen.push(transaction.durability);
      return transaction;
    });
    return seen;
  }

  test("a commit is strict by default", async () => {
    const seen = durabilities();
    await openStore(freshName()).commit(birth);
    await openStore(freshName(), { durability: "relaxed" }).commit(birth);
    expect(seen).toEqual(["strict", "relaxed"]);
  });

  test("a commit resolves after its transaction is complete, not after its requests", async () => {
    const events: string[] = [];
    const original = IDBDatabase.prototype.transaction;
    vi.spyOn(IDBDatabase.prototype, "transaction").mockImplementation(function (this: IDBDatabase, ...given) {
      const transaction = original.apply(this, given);
      transaction.addEventListener("complete", () => events.push("complete"));
      return transaction;
    });
    await openStore(freshName()).commit(birth);
    events.push("resolved");
    expect(events).toEqual(["complete", "resolved"]);
  });
});

describe("other tabs", () => {
  test("while one holds an older version open every call says so, and the next one after that works", async () => {
    const name = freshName();
    const older = await openDB(name, 1, { upgrade: (db) => void db.createObjectStore("runs") });
    const newer = connect<Schema>([async () => undefined, async () => undefined], { name });
    const read = () => newer.transact("getRun", ["runs"], "readonly", async () => "read");
    await expect(read()).rejects.toMatchObject({ code: "store_blocked" });
    await expect(read()).rejects.toMatchObject({ code: "store_blocked" });
    older.close();
    await expect.poll(() => read().catch(() => "blocked")).toBe("read");
    newer.close();
  });

  test("one that upgrades is not blocked, and what was open then asks to reload", async () => {
    const name = freshName();
    const store = openStore(name);
    await store.commit(birth);
    await openNewer(name);
    await expect(store.getRun("t", "r")).rejects.toMatchObject({
      code: "store_outdated",
      hint: "reload this page",
    });
  });

  test("an upgrade is reported once, as soon as the store is made and without another call", async () => {
    const name = freshName();
    const onOutdated = vi.fn();
    const store = openStore(name, { onOutdated });
    await store.commit(birth);
    expect(onOutdated).not.toHaveBeenCalled();
    await openNewer(name);
    await expect.poll(() => onOutdated.mock.calls.length).toBe(1);
    await expect(store.commit({ run: { ...run, revision: 2 }, now: 1 })).rejects.toMatchObject({
      code: "store_outdated",
    });
    await expect(store.getRun("t", "r")).rejects.toMatchObject({ code: "store_outdated" });
    expect(onOutdated).toHaveBeenCalledTimes(1);
  });

  test("of an upgrade that is taken back, and of a deletion, it is not", async () => {
    const name = freshName();
    const onOutdated = vi.fn();
    const store = openStore(name, { onOutdated });
    await store.commit(birth);
    const broken = async () => {
      throw new Error("the migration is broken");
    };
    const newer = connect<Schema>([...migrations, broken], { name });
    await newer.transact("open", ["runs"], "readonly", async () => undefined).catch(() => undefined);
    newer.close();
    expect(await store.getRun("t", "r")).toEqual(run);
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.deleteDatabase(name);
      request.onsuccess = () => resolve();
      request.onblocked = () => reject(new Error("blocked"));
    });
    // Nor is the database made again by that.
    expect((await indexedDB.databases()).filter((one) => one.name === name)).toEqual([]);
    expect(await store.getRun("t", "r")).toBeUndefined();
    expect(onOutdated).not.toHaveBeenCalled();
  });

  test("one that deletes the database is not blocked, and the next call makes it anew", async () => {
    const name = freshName();
    const store = openStore(name);
    await store.commit(birth);
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.deleteDatabase(name);
      request.onsuccess = () => resolve();
      request.onblocked = () => reject(new Error("blocked"));
    });
    expect(await store.getRun("t", "r")).toBeUndefined();
    expect(await store.commit(birth)).toEqual({ kind: "committed" });
  });

  test("a commit under way is finished before the connection is given up", async () => {
    const name = freshName();
    const store = openStore(name);
    await store.getRun("t", "r");
    const committing = store.commit(birth);
    await openNewer(name);
    expect(await committing).toEqual({ kind: "committed" });
  });
});

describe("a lost connection", () => {
  test("without an event yet is opened again by the call that finds out", async () => {
    const opened = openedConnections();
    const store = openStore(freshName());
    await store.commit(birth);
    opened[0]?.close();
    expect(await store.getRun("t", "r")).toEqual(run);
    expect(opened.length).toBe(2);
  });

  test("with its close event is opened again by the next call", async () => {
    const opened = openedConnections();
    const store = openStore(freshName());
    await store.commit(birth);
    opened[0]?.dispatchEvent(new Event("close"));
    expect(await Promise.all([store.getRun("t", "r"), store.countRuns("t", {})])).toEqual([run, 1]);
    expect(opened.length).toBe(2);
  });

  test("on which everything fails is not used again", async () => {
    const opened = openedConnections();
    const store = openStore(freshName());
    await store.commit(birth);
    const spy = vi.spyOn(IDBObjectStore.prototype, "get").mockImplementationOnce(() => {
      throw new DOMException(
        "Connection to Indexed Database server lost. Refresh the page to try again",
        "UnknownError",
      );
    });
    await expect(store.getRun("t", "r")).rejects.toMatchObject({
      code: "store_failed",
      message: expect.stringContaining("getRun failed on IndexedDB: UnknownError"),
    });
    spy.mockRestore();
    expect(await store.getRun("t", "r")).toEqual(run);
    expect(opened.length).toBe(2);
  });

  test("that the browser takes away is opened again", async () => {
    const opened = openedConnections();
    const store = openStore(freshName());
    await store.commit(birth);
    await deleteDatabases();
    expect(await store.commit(birth)).toEqual({ kind: "committed" });
    expect(await store.getRun("t", "r")).toEqual(run);
    expect(opened.length).toBe(2);
  });
});

/** Kills the connection in the nth transaction that writes: before it is written, or when only the answer is missing. */
function killedAt(nth: number, moment: "before" | "after"): { isKilled: boolean } {
  const state = { isKilled: false };
  let writes = 0;
  const original = IDBDatabase.prototype.transaction;
  vi.spyOn(IDBDatabase.prototype, "transaction").mockImplementation(function (this: IDBDatabase, ...given) {
    const transaction = original.apply(this, given);
    if (transaction.mode !== "readwrite" || ++writes !== nth) return transaction;
    state.isKilled = true;
    this.close();
    if (moment === "before") queueMicrotask(() => transaction.abort());
    transaction.addEventListener("complete", (event) => {
      event.stopImmediatePropagation();
      transaction.dispatchEvent(new Event("abort"));
    });
    return transaction;
  });
  return state;
}

describe.each(["before", "after"] as const)("a connection that is killed %s a commit was written", (moment) => {
  test("is opened again, and the commit is made once", async () => {
    const executed = async () => {
      const opened = openedConnections();
      const store = openStore(freshName());
      const calls: string[] = [];
      const skill = defineSkill({
        id: "three",
        version: "1",
        run: async (step) => {
          for (const name of ["one", "two", "three"]) await step.do(name, async () => calls.push(name));
          return "done";
        },
      });
      const runtime = createRuntime({ serves: false, store, skills: [skill] });
      const runs = runtime.for("t");
      await runs.start({ skillId: "three", runId: "r" });
      await runtime.idle();
      const { status, result } = await runs.get("r");
      const kinds = (await runs.listCheckpoints("r")).items.map(({ kind, stepId }) => `${kind} ${stepId}`);
      const revisions = (await runs.history("r")).items.map(({ revision }) => revision);
      await runtime.stop();
      return { seen: { status, result, kinds, revisions, calls }, connections: opened.length };
    };
    const expected = await executed();
    expect(expected.seen).toMatchObject({ status: "completed", result: "done", calls: ["one", "two", "three"] });
    expect(expected.connections).toBe(1);
    for (let nth = 1; ; nth++) {
      vi.restoreAllMocks();
      const kill = killedAt(nth, moment);
      const { seen, connections } = await executed();
      expect(seen, `commit ${nth}`).toEqual(expected.seen);
      if (!kill.isKilled) {
        expect(nth).toBeGreaterThan(4);
        break;
      }
      expect(connections, `commit ${nth}`).toBe(2);
    }
  });
});

// Firefox's turn is in test/system/engines.test.ts, where it starts with little room; WebKit has no such setting.
const quotaReason = "only the protocol of Chromium's developer tools sets the quota of a page that is open";

describe("room", () => {
  needsDriver(quotaReason);
  afterEach(() => overrideQuota());

  test("that runs out in an upgrade is a quota_exceeded too, and the upgrade is taken back", async () => {
    await overrideQuota(2_000_000);
    await deleteDatabases();
    const name = freshName();
    await openStore(name).commit(birth);
    // Random, or compression would make it fit.
    const text = Array.from({ length: 200_000 }, () => Math.random()).join();
    const large = async (db: IDBPDatabase<Schema>) => {
      await (db as unknown as IDBPDatabase).createObjectStore("large").put(text, "text");
    };
    const newer = connect<Schema>([...migrations, large], { name });
    const failure = await newer
      .transact("getRun", ["runs"], "readonly", async () => "read")
      .catch((error) => error.code);
    newer.close();
    expect(failure).toBe("quota_exceeded");
    await overrideQuota();
    expect(await openStore(name).getRun("t", "r")).toEqual(run);
  });

  test("that has run out is a quota_exceeded with the estimate, and nothing is written", async () => {
    await overrideQuota(2_000_000);
    // Chromium remembers for a while how much room there was; not of a site whose data it just deleted.
    await deleteDatabases();
    const store = openStore(freshName());
    await store.commit(birth);
    const next = { ...run, revision: 2, status: "waiting" };
    // Random, or compression would make it fit.
    const snapshot = Array.from({ length: 200_000 }, () => Math.random()).join();
    const claims = [{ kind: "k", key: "a", body: "claim" }];
    const fault = store.commit({ run: next, entry: { body: "record", snapshot }, claims, now: 1 });
    await expect(fault).rejects.toMatchObject({
      code: "quota_exceeded",
      details: { quota: expect.any(Number), usage: expect.any(Number) },
    });
    await overrideQuota();
    expect(await store.getRun("t", "r")).toEqual(run);
    expect(await store.getClaim("t", "k", "a")).toBeUndefined();
    expect((await store.listEntries("t", "r", { limit: 9 })).length).toBe(1);
    expect(await store.commit({ run: next, now: 1 })).toEqual({ kind: "committed" });
  });
});

describe("room for a run", () => {
  needsDriver(quotaReason);
  afterEach(() => overrideQuota());

  // Random, or compression would make it fit.
  const large = (numbers = 200_000) => Array.from({ length: numbers }, () => Math.random()).join();
  const outOfRoom = {
    code: "quota_exceeded",
    details: { usage: expect.any(Number), quota: expect.any(Number) },
    hint: expect.stringContaining("persistStorage"),
  };

  /** A tenant's runs on a site that has room for little, of a skill whose step returns much where it is wished. */
  async function cramped(quota = 2_000_000) {
    await overrideQuota(quota);
    // Chromium remembers for a while how much room there was; not of a site whose data it just deleted.
    await deleteDatabases();
    const errors: unknown[] = [];
    const skill = defineSkill({
      id: "big",
      version: "1",
      run: async (step, inputs: { isLarge?: boolean; text?: string }) => {
        const text = await step.do("make", async () => (inputs.isLarge ? large() : "small"));
        return (
          (await step.waitForEvent<string>("more", { type: "more", timeout: "1 day" })).payload.length + text.length
        );
      },
    });
    const options = { store: openStore(freshName()), skills: [skill], leaseMs: 500, holdMs: 1 };
    const runtime = createRuntime({ serves: false, ...options, onError: (error) => errors.push(error) });
    return { runtime, runs: runtime.for("t"), errors };
  }

  test("that is missing at its start is a quota_exceeded, and there is no run", async () => {
    const { runtime, runs } = await cramped();
    const start = { skillId: "big", runId: "r", inputs: { text: large() } };
    await expect(runs.start(start)).rejects.toMatchObject(outOfRoom);
    await expect(runs.create({ ...start, runId: "s" })).rejects.toMatchObject(outOfRoom);
    await expect(runs.get("r")).rejects.toMatchObject({ code: "not_found" });
    await overrideQuota();
    expect((await runs.start(start)).run.status).toBe("running");
    await runtime.stop();
  });

  test("if a step's result does not fit, `onError` is called, and the run continues once there is room", async () => {
    const { runtime, runs, errors } = await cramped();
    await runs.start({ skillId: "big", runId: "r", inputs: { isLarge: true } });
    await expect.poll(() => errors).toContainEqual(expect.objectContaining(outOfRoom));
    expect(await runs.get("r")).toMatchObject({ status: "running" });
    await overrideQuota();
    const taken = async () => {
      await runtime.drain({ tenant: "t" });
      return (await runs.get("r")).status;
    };
    await expect.poll(taken).toBe("waiting_for_signal");
    await runtime.stop();
  });

  /** A run that waits for a signal, on a site that has been filled up behind it. */
  async function full() {
    const { runtime, runs } = await cramped();
    await runs.start({ skillId: "big", runId: "r" });
    await expect.poll(async () => (await runs.get("r")).status).toBe("waiting_for_signal");
    // To the last bytes: a deletion writes few.
    for (let numbers = 20_000; numbers >= 1; ) {
      const refusal = await runs.create({ skillId: "big", inputs: { text: large(numbers) } }).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (refusal === undefined) continue;
      expect(refusal).toMatchObject(outOfRoom);
      numbers /= 2;
    }
    return { runtime, runs };
  }

  test("that is missing for a signal is a quota_exceeded, and none is delivered", async () => {
    const { runtime, runs } = await full();
    const payload = large(3_000);
    const send = () => runs.signal("r", { name: "more", payload });
    await expect(send()).rejects.toMatchObject(outOfRoom);
    expect(await runs.get("r")).toMatchObject({ status: "waiting_for_signal" });
    await overrideQuota();
    await send();
    expect(await runs.settled("r")).toMatchObject({ status: "completed", result: payload.length + 5 });
    await runtime.stop();
  });

  test("that is missing for a deletion, which writes a tombstone, is a quota_exceeded, and the run is whole", async () => {
    const { runtime, runs } = await full();
    const before = (await runs.history("r")).items;
    await expect(runs.delete("r")).rejects.toMatchObject(outOfRoom);
    expect((await runs.history("r")).items).toEqual(before);
    await overrideQuota();
    await runs.delete("r");
    await expect(runs.get("r")).rejects.toMatchObject({ code: "not_found" });
    await runtime.stop();
  });
});

describe("a commit in which one request fails", () => {
  const next: RunRow = { ...run, revision: 2, status: "waiting" };

  test("is reported with the cause of that request, also where the run moves in its lists", async () => {
    const store = openStore(freshName());
    await store.commit(birth);
    const taken = { body: "record", checkpointId: "c", snapshot: "state" };
    for (const status of ["running", "waiting"]) {
      await expect(store.commit({ run: { ...next, status }, entry: taken, now: 1 })).rejects.toMatchObject({
        code: "store_failed",
        message: expect.stringContaining("commit failed on IndexedDB: ConstraintError"),
        cause: { name: "ConstraintError" },
      });
    }
    expect(await store.getRun("t", "r")).toEqual(run);
    expect((await store.listEntries("t", "r", { limit: 9 })).length).toBe(1);
  });

  // As Firefox reports a full disk: at the request, and not with the transaction.
  test.each(["runs", "places", "claims", "entries", "snapshots"])(
    "for want of room at the request: quota_exceeded, whichever it is: %s",
    async (full) => {
      const store = openStore(freshName());
      await store.commit(birth);
      const put = IDBObjectStore.prototype.put;
      vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(function (this: IDBObjectStore, ...given) {
        const request = put.apply(this, given);
        return this.name === full ? refused(this, given[0]) : request;
      });
      const entry = { body: "record", checkpointId: "d", snapshot: "state".repeat(4_000) };
      const claims = [{ kind: "k", key: "a", body: "claim" }];
      await expect(store.commit({ run: next, entry, claims, now: 1 })).rejects.toMatchObject({
        code: "quota_exceeded",
        cause: { name: "QuotaExceededError" },
      });
      vi.restoreAllMocks();
      expect(await store.getRun("t", "r")).toEqual(run);
      expect(await store.getClaim("t", "k", "a")).toBeUndefined();
    },
  );

  /** A request that fails, since it adds what is there, and says that there is no room. */
  function refused(objectStore: IDBObjectStore, value: unknown): IDBRequest<IDBValidKey> {
    const request = objectStore.add(value);
    Object.defineProperty(request, "error", { value: new DOMException("", "QuotaExceededError") });
    return request;
  }

  test("because the browser throws at it leaves nothing behind, though all others were sent", async () => {
    const store = openStore(freshName());
    await store.commit(birth);
    const put = IDBObjectStore.prototype.put;
    vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(function (this: IDBObjectStore, ...given) {
      if (this.name === "entries") throw new DOMException("too large", "DataError");
      return put.apply(this, given);
    });
    const entry = { body: "record", checkpointId: "d", snapshot: "state" };
    await expect(store.commit({ run: next, entry, now: 1 })).rejects.toMatchObject({
      code: "store_failed",
      cause: { name: "DataError" },
    });
    vi.restoreAllMocks();
    expect(await store.getRun("t", "r")).toEqual(run);
    expect((await store.listEntries("t", "r", { limit: 9 })).length).toBe(1);
  });
});

describe("what is on the disk", () => {
  test("a tombstone has no index key", async () => {
    const name = freshName();
    const store = openStore(name);
    const fields = { skillId: "skill", sourceRunId: "source" };
    await store.commit({ run: { ...run, ...fields }, now: 1 });
    const db = await openDB(name);
    const keys = async () => [
      await db.countFromIndex("places", "listed"),
      await db.countFromIndex("places", "due"),
      await db.count("places"),
      await db.count("runs"),
    ];
    expect(await keys()).toEqual([8, 2, 1, 1]);
    const { status: _, ...unlisted } = run;
    await store.commit({ run: { ...unlisted, ...fields, revision: 2 }, erase: true, now: 1 });
    expect(await keys()).toEqual([0, 0, 0, 1]);
    db.close();
  });

  test("an upgrade that fails says why, and is taken back", async () => {
    const name = freshName();
    await openStore(name).commit(birth);
    const broken = async (db: IDBPDatabase<Schema>) => {
      db.deleteObjectStore("entries");
      throw new Error("the migration is broken");
    };
    const newer = connect<Schema>([...migrations, broken], { name });
    const reading = newer.transact("getRun", ["runs"], "readonly", async () => "read");
    await expect(reading).rejects.toMatchObject({
      code: "store_failed",
      cause: { message: "the migration is broken" },
    });
    newer.close();
    expect(await openStore(name).getRun("t", "r")).toEqual(run);
    expect((await openStore(name).listEntries("t", "r", { limit: 9 })).length).toBe(1);
  });

  test("closing while the database is being opened lets go of it", async () => {
    const name = freshName();
    const store = indexedDbStore({ name });
    const reading = store.getRun("t", "r");
    await store.close();
    await expect(reading).rejects.toMatchObject({ code: "store_failed" });
    await openNewer(name);
  });
});
