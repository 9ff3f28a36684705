import { indexedDbStore } from "../../../adapters/indexeddb/index.ts";
import { initialState } from "../../../src/codec/index.ts";
import {
  createRuntime,
  DurableError,
  defineSkill,
  type Runs,
  saveCheckpoint,
  webLocksPresence,
} from "../../../src/index.ts";
import { callers, openLatch } from "../service-worker/notes.ts";

/** What a page of the house is to do. */
export type Task =
  /** Starts runs one after the other, and saves checkpoints in some lanes beside, until the browser is killed. */
  | { readonly do: "work"; readonly round: number; readonly lanes: number }
  /** Reads what was acknowledged, and lets every run go on to its end. */
  | { readonly do: "read"; readonly runs: readonly string[]; readonly saved: readonly Saved[] }
  /** Stores until there is no room. */
  | { readonly do: "fill" }
  /** Has a service worker execute a run that is held in a step. */
  | { readonly do: "hold" }
  /** Lets that run go on, and looks at it through the service worker. */
  | { readonly do: "release"; readonly runId: string }
  /** Does the two of them, and waits in between until the service worker has died of itself. */
  | { readonly do: "wake" }
  /** Has a service worker execute a run as soon as the site's server is gone. */
  | { readonly do: "dispense" };

export interface Saved {
  readonly runId: string;
  readonly checkpointId: string;
}

/** What a page tells its server. */
export type Told =
  | { readonly kind: "started"; readonly runId: string }
  | { readonly kind: "saved"; readonly saved: Saved }
  /** What is missing or other than it was, and how many runs have which status in the end. */
  | { readonly kind: "read"; readonly lost: readonly string[]; readonly statuses: Readonly<Record<string, number>> }
  /** How many runs had room, what was refused after that, and whether everything that was stored is as it was. */
  | { readonly kind: "filled"; readonly stored: number; readonly refused: object; readonly isWhole: boolean }
  | { readonly kind: "held"; readonly runId: string }
  /** The run in the end, who was called in its step that was cut off, and what happened to it. */
  | { readonly kind: "released"; readonly run: unknown; readonly callers: unknown; readonly events: readonly string[] }
  /** The page is there, and its service worker. */
  | { readonly kind: "ready" }
  /** What was answered without the server: the run in the end, and a path that is not the service's. */
  | { readonly kind: "dispensed"; readonly run: unknown; readonly other: string }
  | { readonly kind: "failed"; readonly error: string };

const name = "house";
const tenant = "t";
const store = indexedDbStore({ name });

const steps = ["one", "two", "three"];
const working = defineSkill<{ text: string }, string>({
  id: "working",
  version: "1",
  run: async (step, { text }) => {
    for (const name of steps) await step.do(name, async () => `${name} of ${text}`);
    return text;
  },
});

const waiting = defineSkill({
  id: "waiting",
  version: "1",
  run: async (step) => (await step.waitForEvent("more", { type: "more", timeout: "1 day" })).payload,
});

const runtime = createRuntime({ serves: false, store, skills: [working, waiting], presence: webLocksPresence(name) });
const runs = runtime.for(tenant);

async function tell(told: Told): Promise<void> {
  await (await fetch(ear, { method: "POST", body: JSON.stringify(told) })).text();
}

async function work({ round, lanes }: Task & { do: "work" }): Promise<void> {
  const starting = async (lane: number) => {
    for (let nth = 0; ; nth++) {
      const runId = `started-${round}-${lane}-${nth}`;
      await runs.start({ skillId: "working", runId, inputs: { text: runId } });
      await tell({ kind: "started", runId });
    }
  };
  const saving = async (lane: number) => {
    const runId = `created-${round}-${lane}`;
    await runs.create({ skillId: "working", runId, inputs: { text: runId } });
    for (let nth = 0; ; nth++) {
      const checkpointId = `saved-${nth}`;
      const state = { ...initialState("working", { text: runId }), vars: { checkpointId } };
      await saveCheckpoint(runs, runId, { checkpointId, kind: "saved", state });
      await tell({ kind: "saved", saved: { runId, checkpointId } });
    }
  };
  // A save takes as long as several starts.
  await Promise.all([starting(0), ...Array.from({ length: lanes }, (_, lane) => saving(lane))]);
}

async function read({ runs: started, saved }: Task & { do: "read" }): Promise<void> {
  const lost: string[] = [];
  const there: string[] = [];
  for (const runId of started) {
    await runs.get(runId).then(
      () => there.push(runId),
      (error: DurableError) => lost.push(`${runId}: ${error.message}`),
    );
  }
  for (const { runId, checkpointId } of saved) {
    const kept = await savedBy(runs, runId, checkpointId);
    if (kept !== checkpointId) lost.push(`${runId}/${checkpointId}: ${kept}`);
  }
  const serving = new AbortController();
  const served = runtime.serve({ tenant, everyMs: 50, signal: serving.signal });
  const statuses: Record<string, number> = {};
  for (const runId of there) {
    const { status, result } = await runs.settled(runId);
    statuses[status] = (statuses[status] ?? 0) + 1;
    const recorded = (await runs.events(runId, { limit: 500 })).items.filter(
      ({ eventType }) => eventType === "step.completed",
    );
    if (result !== runId || recorded.length !== steps.length)
      lost.push(`${runId}: ${recorded.length} steps, ${result}`);
  }
  serving.abort();
  await served;
  await tell({ kind: "read", lost, statuses });
}

async function savedBy(runs: Runs, runId: string, checkpointId: string): Promise<unknown> {
  try {
    return (await runs.loadCheckpoint(runId, checkpointId)).state.vars.checkpointId;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Fills the site with ever smaller runs, beside one that waits for a signal. */
async function fill(): Promise<void> {
  const start = { skillId: "waiting", runId: "r" };
  await runs.start(start);
  while ((await runs.get("r")).status !== "waiting_for_signal") await pause(10);
  const before = JSON.stringify((await runs.history("r")).items);
  const refused: Record<string, unknown> = {};
  let stored = 0;
  for (let numbers = 100_000; numbers >= 200; ) {
    const text = large(numbers);
    refused.create = await refusalOf(runs.create({ skillId: "working", runId: `r-${stored}`, inputs: { text } }));
    if (refused.create === undefined) stored++;
    else numbers /= 2;
  }
  refused.signal = await refusalOf(runs.signal("r", { name: "more", payload: large(3_000) }));
  refused.save = await refusalOf(
    saveCheckpoint(runs, "r-0", { kind: "saved", state: initialState("working", { text: large(100_000) }) }),
  );
  let listed = 0;
  let page = await runs.list({ limit: 100 });
  for (; page.next !== undefined; page = await runs.list({ limit: 100, after: page.next })) listed += page.items.length;
  listed += page.items.length;
  const isWhole = JSON.stringify((await runs.history("r")).items) === before && listed === stored + 1;
  await tell({ kind: "filled", stored, refused, isWhole });
}

/** Random, or compression would make it small. */
function large(numbers: number): string {
  return Array.from({ length: numbers }, () => Math.random()).join();
}

async function refusalOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
    return undefined;
  } catch (error) {
    return error instanceof DurableError ? { code: error.code, details: error.details } : String(error);
  }
}

async function controlled(): Promise<void> {
  await navigator.serviceWorker.register("/service-worker.js");
  while (navigator.serviceWorker.controller === null) await pause(10);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const call = async (path: string, init?: RequestInit) => (await fetch(path, init)).json();

async function hold(): Promise<string> {
  await controlled();
  const body = JSON.stringify({ skill_id: "shown.held", inputs: { latch: "x" } });
  const { run_id: runId } = await call("/v1/runs", { method: "POST", body });
  while ((await callers(runId)).length === 0) await pause(20);
  return runId;
}

async function release(runId: string): Promise<void> {
  await controlled();
  await openLatch("x");
  const run = await completed(runId);
  const { events } = await call(`/v1/runs/${runId}/events?limit=500`);
  const types = events.map(({ event_type }: { event_type: string }) => event_type);
  await tell({ kind: "released", run, callers: await callers(runId), events: types });
}

async function completed(runId: string): Promise<unknown> {
  for (;;) {
    const { status, result } = await call(`/v1/runs/${runId}`);
    if (status === "completed") return { status, result };
    await pause(20);
  }
}

async function wake(): Promise<void> {
  const runId = await hold();
  // What it holds under a lock is lost when it dies. A request would keep it awake.
  const isAlive = async () =>
    (await navigator.locks.query()).held?.some(({ name }) => name?.startsWith("orca-durable")) === true;
  while (await isAlive()) await pause(100);
  await release(runId);
}

async function dispense(): Promise<void> {
  await controlled();
  await tell({ kind: "ready" });
  // A request that meets the end of its server may get neither an answer nor an error: another one tells.
  const answered = async (): Promise<string> => {
    const signal = AbortSignal.timeout(2_000);
    const answer = await fetch("/elsewhere", { signal }).then(
      () => "an answer",
      () => "none",
    );
    return answer === "none" && signal.aborted ? answered() : answer;
  };
  while ((await answered()) !== "none") await pause(50);
  const body = JSON.stringify({ skill_id: "http.chain", inputs: { value: "alone" } });
  const { run_id: runId } = await call("/v1/runs", { method: "POST", body });
  const run = await completed(runId);
  const other = await answered();
  await tell({ kind: "dispensed", run, other });
}

async function done(task: Task): Promise<void> {
  switch (task.do) {
    case "work":
      return work(task);
    case "read":
      return read(task);
    case "fill":
      return fill();
    case "hold":
      return tell({ kind: "held", runId: await hold() });
    case "release":
      return release(task.runId);
    case "wake":
      return wake();
    case "dispense":
      return dispense();
  }
}

const { task, ear } = (await (await fetch("/task")).json()) as { readonly task: Task; readonly ear: string };
done(task).catch((error: unknown) =>
  tell({ kind: "failed", error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }),
);
