import { type DBSchema, openDB } from "idb";

// In a database of its own, which pages and the service worker share, so that what the runtime says can be held against it.

interface Notes extends DBSchema {
  calls: { key: number; value: { runId: string; by: string } };
  latches: { key: string; value: string };
}

const notes = openDB<Notes>("notes", 1, {
  upgrade(db) {
    db.createObjectStore("calls", { autoIncrement: true });
    db.createObjectStore("latches");
  },
});

export async function noteCall(runId: string, by: string): Promise<void> {
  await (await notes).add("calls", { runId, by });
}

/** Who called the run's held step, in order. */
export async function callers(runId: string): Promise<string[]> {
  const calls = await (await notes).getAll("calls");
  return calls.filter((call) => call.runId === runId).map(({ by }) => by);
}

/** Lets the held steps go on. */
export async function openLatch(latch: string): Promise<void> {
  await (await notes).put("latches", "open", latch);
}

export async function isLatchOpen(latch: string): Promise<boolean> {
  return (await (await notes).get("latches", latch)) === "open";
}
