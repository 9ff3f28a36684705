import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type MemoryData, memoryStore } from "../../adapters/memory/index.ts";
import { doors } from "../../scripts/doors.ts";
import { encodeRun, encodeState, httpStatus, initialState, writeState } from "../../src/codec/index.ts";
import {
  createRuntime,
  defineCapability,
  defineMigration,
  defineQuota,
  defineSkill,
  isDurableError,
  literal,
  localNotifier,
} from "../../src/index.ts";
import type { Commit, Store } from "../../src/store.ts";
import { defineTelemetry } from "../../src/telemetry/index.ts";
import { systemClock } from "../../src/testing/index.ts";
import { exportRun } from "../../src/transfer.ts";
import { createClient, schedulesOf as schedulesOfClient } from "../../worker/client/index.ts";
import { createApp, memoryKeys } from "../../worker/http/index.ts";
import { scheduleApi } from "../../worker/schedules/http/index.ts";
import { schedulesOf, scheduling } from "../../worker/schedules/index.ts";

// A caller without types passes anything. Each public function is found by the doors of the package, so that a new one
// fails here until a good call of it is written down; each of its arguments, and each member of each, is then replaced by
// values of other types, and by what throws when it is looked at.

/** What stands in for an argument, made anew for each call. */
const wrongs: Readonly<Record<string, () => unknown>> = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  "42": () => 42,
  "-1": () => -1,
  NaN: () => Number.NaN,
  "10n": () => 10n,
  "no text": () => "",
  text: () => "ä\u0000",
  symbol: () => Symbol("s"),
  array: () => [],
  "array of null": () => [null],
  object: () => ({}),
  "object without a prototype": () => Object.create(null),
  function: () => () => {},
  "no time": () => new Date(Number.NaN),
  "what throws at every look": () => {
    const boom = () => {
      throw new TypeError("looked at");
    };
    return new Proxy({}, { get: boom, has: boom, ownKeys: boom, getPrototypeOf: boom, getOwnPropertyDescriptor: boom });
  },
  "a proxy that was revoked": () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  "what throws what throws": () =>
    new Proxy(
      {},
      {
        get() {
          throw wrongs["a proxy that was revoked"]?.();
        },
      },
    ),
};

const inside = ["null", "10n", "symbol", "array of null", "what throws at every look"];

const gated = defineSkill({ id: "gated", version: "1", run: (step) => step.waitForApproval("ask") });
const quick = defineSkill({
  id: "quick",
  version: "1",
  run: async (step) => step.do("a", { sideEffects: "none" }, async () => 1),
});
const echo = defineCapability({ id: "echo", version: "1" }, async (input) => input);
const skills = [gated, quick, scheduling];

/** What stays the same for each call: a run that ended, one at a gate, one that rests, and a schedule. */
const template: Promise<MemoryData> = (async () => {
  const data: MemoryData = new Map();
  const runtime = createRuntime({
    serves: false,
    store: memoryStore({ data }),
    skills,
    capabilities: [echo],
  });
  const runs = runtime.for("t");
  await runs.start({ skillId: "gated", runId: "gate" });
  await runs.start({ skillId: "quick", runId: "ended" });
  await runtime.idle();
  await runs.create({ skillId: "gated", runId: "made" });
  // Once a year, so that its tick is in no call.
  await schedulesOf(runs).create({ id: "yearly", skill: quick, cron: "0 0 1 1 *" });
  await runtime.idle();
  return data;
})();

const exported: Promise<readonly string[]> = template.then(async (data) => {
  const lines: string[] = [];
  for await (const line of exportRun(createRuntime({ serves: false, store: memoryStore({ data }) }).for("t"), "ended"))
    lines.push(line);
  return lines;
});

/** A medium of its own for each call, which counts what is written. */
async function world() {
  const commits: Commit[] = [];
  const bare = memoryStore({ data: structuredClone(await template) });
  const store: Store = {
    ...bare,
    commit(commit) {
      commits.push(commit);
      return bare.commit(commit);
    },
  };
  const onError = () => {};
  const runtime = createRuntime({ serves: false, store, skills, capabilities: [echo], onError });
  const runs = runtime.for("t");
  const app = createApp({
    authenticate: () => ({ tenant: "t", role: "admin" }),
    runs: () => runs,
    schedules: scheduleApi,
    onError,
  });
  const client = createClient("http://service.test", { fetch: (request) => app.fetch(request, {}) });
  const ended = await runs.get("ended");
  const { head = "" } = await runs.listCheckpoints("ended");
  const checkpoint = await runs.loadCheckpoint("ended", head);
  const [event] = (await runs.events("ended")).items;
  return { store, commits, runtime, runs, client, ended, head, checkpoint, event, lines: await exported };
}

type World = Awaited<ReturnType<typeof world>>;
type Args = readonly unknown[];
/** Good arguments, which may be less than all that there are: a label for errors, say, is not given by callers. */
type Good = (world: World) => Args;

/** Good calls of each function of each door. What is no function has none. */
const functions: Readonly<Record<string, Readonly<Record<string, Good>>>> = {
  ".": {
    broadcastNotifier: () => ["orca-untyped"],
    capabilityDigest: () => [echo.definition],
    compareCheckpoints: ({ runs, head }) => [runs, "ended", head, { against: head }],
    createRuntime: ({ store }) => [
      {
        store,
        skills: [gated, quick],
        capabilities: [echo],
        executor: "e",
        leaseMs: 30_000,
        holdMs: 5_000,
        passMs: 60_000,
        isSpent: () => false,
        maxStateBytes: 1e6,
        maxStateValues: 1e6,
        quota: defineQuota(() => ({ maxRuns: 9 })),
        executes: true,
        clock: systemClock,
        random: (length: number) => new Uint8Array(length),
        background: () => {},
        notifier: localNotifier(),
        presence: {
          prefix: "e",
          announce: async () => {},
          isGone: async () => false,
          whenGone: async () => {},
          release: () => {},
        },
        onError: () => {},
        bodyQuietMs: 1_000,
        telemetry: defineTelemetry({ startSpan: () => 1, endSpan: () => {}, record: () => {} }),
      },
    ],
    defineCapability: () => [
      {
        id: "c",
        version: "1",
        description: "d",
        input: schema,
        output: schema,
        sideEffects: "write",
        replayPolicy: "reexecute",
        isIdempotent: true,
        retry: { maxAttempts: 2, delayMs: 1, multiplier: 2, maxDelayMs: 3, jitter: 0 },
        timeoutMs: 1_000,
        requiresConfirmation: true,
      },
      async () => 1,
    ],
    defineGraphSkill: () => [
      {
        id: "g",
        version: "1",
        inputs: schema,
        migrations: [defineMigration({ from: "0", to: "1", renames: { a: "b" } })],
        steps: [
          {
            id: "a",
            uses: "echo",
            input: { text: "inputs.text", limit: literal(5) },
            output: { x: "vars.x" },
            retry: { maxAttempts: 2 },
            timeoutMs: 5,
          },
          { id: "b", waitFor: { signal: "s", timeoutMs: 5 }, when: "vars.x", onFailure: "continue" },
          { id: "c", sleepMs: 5, dependsOn: ["a"] },
        ],
      },
    ],
    defineMigration: () => [{ from: "0", to: "1", renames: { a: "b" }, migrate: (state: unknown) => state }],
    defineQuota: () => [() => ({ maxRuns: 1 })],
    defineSkill: () => [
      {
        id: "s",
        version: "1",
        description: "d",
        inputs: schema,
        migrations: [defineMigration({ from: "0", to: "1", renames: { a: "b" } })],
        run: async () => 1,
      },
    ],
    fromWorkflow: () => [async () => 1],
    isDurableError: () => [new Error("e"), "not_found"],
    isTerminal: () => ["failed"],
    literal: () => [5],
    localNotifier: () => [],
    pruneRuns: ({ runs }) => [runs, { olderThan: new Date(), status: ["completed"], keep: 1, limit: 5 }],
    readLineage: ({ runs }) => [runs, "ended"],
    saveCheckpoint: ({ runs }) => [runs, ...saved],
    webLocksPresence: () => ["orca-untyped"],
  },
  "./watch": {
    watchRun: ({ runs }) => [runs, "ended", { signal: new AbortController().signal, pollMs: 5 }],
    watchRuns: ({ runs }) => [
      runs,
      { status: "completed", skillId: "quick", sourceRunId: "x", limit: 5 },
      { signal: new AbortController().signal, pollMs: 5 },
    ],
  },
  "./steps": {
    approvals: () => [{ manager: schema }],
    outputsWith: () => [{ flushMs: 1, flushBytes: 1, maxBytes: 1 }],
    readChildren: ({ runs }) => [runs, "ended", { limit: 5 }],
    readOutput: ({ runs }) => [runs, "ended", "a", { from: 1, signal: AbortSignal.timeout(5_000) }],
    readOutputPage: ({ runs }) => [runs, "ended", "a", { from: 1, limit: 5 }],
    whyWaiting: ({ ended }) => [ended],
    withOutput: () => [() => undefined],
    watchLive: ({ runs }) => [runs, "ended", { after: "1-0", maxWaiting: 1, signal: AbortSignal.timeout(5_000) }],
  },
  "./schedules": { schedulesOf: ({ runs }) => [runs] },
  "./transfer": {
    exportRun: ({ runs }) => [runs, "ended"],
    // The lines are not members: an error that a source throws while it is read is its own.
    importRun: ({ runs, lines }) => [runs, new Set(lines.map((line) => line.replaceAll('"ended', '"taken')))],
  },
  "./codec": {
    decodeState: ({ checkpoint }) => [encodeState(checkpoint.state)],
    decodeValue: () => [{ $durable: ["map", [["a", { $durable: ["bigint", "1"] }]]] }],
    encodeRun: ({ ended: { revision: _, ...run } }) => [run],
    encodeState: ({ checkpoint }) => [checkpoint.state],
    encodeValue: () => [{ a: [1, new Date(0), new Map([["a", 1n]]), new Error("e"), new Uint8Array(3)] }],
    eventPosition: ({ event }) => [event],
    initialState: () => ["s", { a: 1 }],
    parseJson: () => ['{"a": [1]}'],
    readState: ({ checkpoint }) => [writeState(encodeState(checkpoint.state))],
    stateSnapshotRef: ({ checkpoint }) => [checkpoint.record],
    transition: ({ ended }) => [
      { ...ended, status: "waiting_for_human" },
      { type: "approve", decision: { stepId: "a", approver: "b" } },
      "2026-01-01T00:00:00.000Z",
    ],
    writeCheckpointRecord: ({ checkpoint }) => [checkpoint.record],
    writeRun: ({ ended: { revision: _, ...run } }) => [encodeRun(run)],
    writeState: ({ checkpoint }) => [encodeState(checkpoint.state)],
  },
  "./telemetry": {
    defineTelemetry: () => [{ startSpan: () => 1, endSpan: () => {}, record: () => {} }],
  },
  "./memory": { memoryStore: () => [{ data: new Map() }] },
  "./indexeddb": {
    indexedDbStore: () => [{ name: "n", durability: "relaxed", onOutdated: () => {}, onDataLoss: () => {} }],
    persistStorage: () => [],
    storageRoom: () => [],
  },
  "./node-sqlite": { nodeSqliteStore: () => [":memory:"] },
  "./durable-object": {
    durableObjectStore: () => [
      {
        sql: { exec: () => ({ toArray: () => [] }) },
        transactionSync: (work: () => unknown) => work(),
        getAlarm: async () => null,
        setAlarm: async () => {},
      },
    ],
  },
  "./d1": { d1Store: () => [{ prepare: () => {}, batch: () => {} }] },
  "./worker": {
    accessLine: () => [{ method: "GET", route: "/", status: 200, ms: 1, traceId: "t", tenant: "t", keyId: "k" }],
    memoryKeys: () => [],
    apiKeys: () => [
      [
        ["key", "t"],
        ["other", { tenant: "t", role: "read" }],
      ],
      { find: async () => undefined, isEmpty: async () => true },
    ],
    createApp: ({ runs }) => [
      {
        authenticate: () => ({ tenant: "t", role: "admin" }),
        runs: () => runs,
        keys: () => undefined,
        admit: () => {},
        corsOrigins: () => [],
        maxBodyBytes: 5,
        maxBodyValues: 5,
        maxImportBytes: 5,
        inspector: { html: "", script: "", style: "" },
        stream: { pollMs: 5, maxPollMs: 5, heartbeatMs: 5, maxMs: 5, signal: AbortSignal.abort() },
        onStream: () => {},
        onError: () => {},
        onAccess: () => {},
        telemetry: defineTelemetry({ startSpan: () => 1, endSpan: () => {}, record: () => {} }),
      },
    ],
  },
  "./client": {
    createWireClient: () => [
      "http://service.test",
      { apiKey: "k", headers: { a: "b" }, fetch: async () => new Response() },
    ],
    createClient: () => [
      "http://service.test",
      { apiKey: "k", headers: { a: "b" }, fetch: async () => new Response() },
    ],
    schedulesOf: ({ client }) => [client],
  },
  "./cloudflare": {
    createFront: () => [
      {
        objects: () => ({}),
        authenticate: () => ({ tenant: "t", role: "admin" }),
        onAccess: () => {},
        onError: () => {},
        telemetry: defineTelemetry({ startSpan: () => 1, endSpan: () => {}, record: () => {} }),
        inspector: false,
      },
    ],
    runsObject: () => [
      {
        skills: [quick],
        capabilities: [echo],
        onError: () => {},
        telemetry: defineTelemetry({ startSpan: () => 1, endSpan: () => {}, record: () => {} }),
      },
    ],
    d1Keys: () => [{ prepare: () => {} }],
    createWorker: () => [
      {
        skills: [quick],
        capabilities: [echo],
        authenticate: () => ({ tenant: "t", role: "admin" }),
        onAccess: () => {},
        onError: () => {},
        telemetry: defineTelemetry({ startSpan: () => 1, endSpan: () => {}, record: () => {} }),
        inspector: false,
      },
    ],
  },
  "./service-worker": {
    createServiceWorker: () => [
      {
        tenant: "t",
        skills: [quick],
        capabilities: [echo],
        database: "orca-untyped",
        basePath: "/durable",
        skipWaiting: true,
        executes: true,
        passMs: 5,
        graceMs: 5,
        durability: "strict",
        leaseMs: 5,
        holdMs: 5,
        maxStateBytes: 5,
        maxBodyBytes: 5,
        maxBodyValues: 5,
        maxImportBytes: 5,
        stream: { pollMs: 5 },
        onError: () => {},
      },
    ],
  },
  "./page": {
    createPage: () => [
      {
        tenant: "t",
        skills: [quick],
        capabilities: [echo],
        database: "orca-untyped",
        serviceWorker: "/sw.js",
        registration: { scope: "/" },
        everyMs: 5,
        durability: "strict",
        leaseMs: 5,
        holdMs: 5,
        maxStateBytes: 5,
        onError: () => {},
      },
    ],
  },
  "./conformance": {
    checkStore: () => [
      { fresh: async () => ({ open: async () => memoryStore() }) },
      { exemptions: [{ case: "rows.missing", because: "b" }], only: ["rows.missing"], timeoutMs: 1_000 },
    ],
  },
  "./testing": {
    assertSkill: () => [quick, { inputs: {}, mostCommits: 1 }],
    checkSkill: () => [
      quick,
      { inputs: {}, capabilities: [echo], skills: [gated], histories: [], approve: true, mostCommits: 1 },
    ],
    createTestRuntime: ({ store }) => [{ store, clock: systemClock, tenant: "t", skills: [quick], leaseMs: 5 }],
    countingStore: ({ store }) => [store],
    crashingStore: ({ store }) => [store, { atCommit: 1, moment: "before", calls: "reject" }],
    failingStore: ({ store }) => [store, () => false],
    lostAnswerStore: ({ store }) => [store, () => false],
    mockCapabilities: () => [[echo], { echo: { returns: 1, times: 2 } }],
    mockSteps: () => [quick, { a: { returns: 1 } }],
    timelessStore: ({ store }) => [store, { during: (work: unknown) => work }],
    virtualClock: () => [{ now: 5, isManual: true, quietTurns: 1 }],
  },
};

/** Classes, of which an error is made as JavaScript makes one, what has no place outside a page, and what React calls. */
const leftOut: Readonly<Record<string, readonly string[]>> = {
  ".": ["DurableError", "NonRetryableError", "NothingHappenedError"],
  "./durable-object": ["ObjectAlarm"],
  "./inspector": ["OrcaInspector"],
  "./react": ["RunsProvider", "useRun", "useRuns", "useRunsApi"],
  "./react/output": ["useOutput"],
};

const saved: Args = [
  "made",
  { checkpointId: "c", stepId: "s", kind: "k", pendingWrites: ["a"], state: initialState("gated", { a: 1 }) },
];
const schema = { "~standard": { version: 1, vendor: "v", validate: (value: unknown) => ({ value }) } };

const ofRuns: Readonly<Record<string, Good>> = {
  create: () => [newRun],
  start: () => [quick, { a: 1 }, startOptions],
  get: () => ["ended"],
  list: () => [
    {
      status: "completed",
      skillId: "quick",
      sourceRunId: "x",
      after: "x",
      offset: 0,
      limit: 5,
      order: "ascending",
    },
  ],
  count: () => [{ status: "completed", skillId: "quick", sourceRunId: "x" }],
  loadCheckpoint: ({ head }) => ["ended", head],
  listCheckpoints: ({ head }) => ["ended", { after: head, limit: 5 }],
  resume: ({ head }) => ["made", { idempotencyKey: "k", checkpointId: head, expectedRevision: [1] }],
  replay: ({ head }) => ["ended", { checkpointId: head, newRunId: "r", idempotencyKey: "k", expectedRevision: 1 }],
  fork: ({ head }) => [
    "ended",
    { checkpointId: head, newRunId: "r", idempotencyKey: "k", edit: { inputs: { a: 1 }, vars: { b: 2 } } },
  ],
  approve: () => ["gate", { approver: "a", notes: "n", stepId: "ask", idempotencyKey: "k", expectedRevision: 2 }],
  deny: () => ["gate", { approver: "a", notes: "n", stepId: "ask", idempotencyKey: "k", expectedRevision: 2 }],
  signal: () => ["gate", { name: "s", payload: { a: 1 }, idempotencyKey: "k", expectedRevision: 2 }],
  cancel: () => ["made", { expectedRevision: 1 }],
  delete: () => ["made", { expectedRevision: [1] }],
  history: () => ["ended", { after: 0, limit: 5 }],
  events: ({ event }) => ["ended", { after: event?.eventId, limit: 5 }],
  watch: ({ event }) => [
    "ended",
    { after: event?.eventId, signal: AbortSignal.timeout(1_000), pollMs: 5, maxPollMs: 5 },
  ],
  skills: () => [],
  result: () => [quick, "ended", { signal: new AbortController().signal, pollMs: 5 }],
  settled: () => ["ended", { signal: new AbortController().signal, pollMs: 5 }],
};

/** Beside those of runs. */
const ofClient: Readonly<Record<string, Good>> = { ...ofRuns, saveCheckpoint: () => saved };

const startOptions = {
  runId: "new",
  traceId: "t",
  threadId: "t",
  sessionId: "s",
  environment: "e",
  metadata: { a: 1 },
  idempotencyKey: "k",
};
const newRun = { ...startOptions, skillId: "gated", skillVersion: "1", inputs: { a: 1 } };

const ofRuntime: Readonly<Record<string, Good>> = {
  for: () => ["t"],
  drain: () => [{ tenant: "t", limit: 1, concurrency: 1, signal: AbortSignal.timeout(1_000) }],
  serve: () => [{ tenant: "t", signal: AbortSignal.abort(), everyMs: 5, concurrency: 1 }],
  idle: () => [],
  stop: () => [],
};

const call = { signal: new AbortController().signal, idempotencyKey: "k", ifMatch: '"1"' };
const body = { checkpoint_id: "c", run_id: "r" };
const decision = { approver: "a", notes: "n", step_id: "ask" };
const ofWire: Readonly<Record<string, Good>> = {
  etag: () => [{}],
  start: () => ["quick", { a: 1 }, call],
  create: () => [{ skill_id: "gated", inputs: { a: 1 }, run_id: "new", start: false }, call],
  list: () => [{ status: "completed", limit: 5, offset: 0 }, call],
  get: () => ["ended", call],
  getIfChanged: () => ["ended", '"1"', call],
  cancel: () => ["made", call],
  resume: () => ["made", {}, call],
  replay: () => ["ended", { run_id: "r" }, call],
  fork: () => ["ended", body, call],
  approve: () => ["gate", decision, call],
  deny: () => ["gate", decision, call],
  signal: () => ["gate", { name: "s", payload: { a: 1 } }, call],
  delete: () => ["made", call],
  checkpoints: () => ["ended", { limit: 5 }, call],
  checkpoint: ({ head }) => ["ended", head, call],
  saveCheckpoint: () => ["made", { kind: "k", state: writeState(initialState("gated", {})) }, call],
  compare: ({ head }) => ["ended", head, { against: head }, call],
  history: () => ["ended", { limit: 5 }, call],
  events: () => ["ended", { limit: 5 }, call],
  trace: () => ["ended", call],
  children: () => ["ended", { limit: 5 }, call],
  lineage: () => ["ended", call],
  skills: () => [call],
  whoami: () => [call],
  watch: () => ["ended", { after: "1-0", signal: AbortSignal.timeout(1_000), retryMs: 5, idleMs: 1_000 }],
  changes: () => [{ signal: AbortSignal.timeout(1_000) }],
  export: () => ["ended", call],
  import: ({ lines }) => [lines.join("").replaceAll('"ended', '"taken'), call],
};

const yearMs = 365 * 86_400_000;
const ofSchedules: Readonly<Record<string, Good>> = {
  create: () => [
    {
      id: "new",
      skill: quick,
      skillVersion: "1",
      inputs: { a: 1 },
      cron: "0 9 * * MON",
      timeZone: "Europe/Berlin",
      overlap: "skip",
      catchUp: "all",
      idempotencyKey: "k",
    },
  ],
  get: () => ["yearly"],
  list: () => [{ after: "yearly", limit: 5 }],
  pause: () => ["yearly"],
  resume: () => ["yearly"],
  trigger: () => ["yearly", { idempotencyKey: "k" }],
  backfill: () => ["yearly", { from: new Date(Date.now() - 2 * yearMs), to: new Date() }],
  delete: () => ["yearly"],
};

const key = {
  keyId: "k",
  hash: "h",
  tenant: "t",
  role: "admin",
  name: "n",
  hint: "…",
  createdAt: 1,
};
const ofKeys: Readonly<Record<string, Good>> = {
  find: () => ["k"],
  list: () => ["t"],
  add: () => [key],
  revoke: () => ["t", "k", 1],
  isEmpty: () => [],
};

/** A way into arguments: the place of one, and names of members. */
type Place = readonly [index: number, ...members: string[]];

/** Every argument, and every member of plain ones, some levels in. */
function placesOf(args: Args): readonly Place[] {
  const inside = (value: unknown, place: Place): readonly Place[] => {
    const isPlain = Array.isArray(value) || Object.prototype.toString.call(value) === "[object Object]";
    if (!isPlain || typeof value !== "object" || value === null || place.length > 2) return [place];
    return [place, ...Object.keys(value).flatMap((key) => inside((value as Args)[key as never], [...place, key]))];
  };
  return args.flatMap((arg, index) => inside(arg, [index]));
}

/** The arguments with something else at that place; a copy as far as the way goes. */
function replaced(args: Args, [index, ...members]: Place, put: (holder: object, key: PropertyKey) => void): Args {
  const copy = [...args];
  let holder: object = copy;
  let key: PropertyKey = index;
  for (const member of members) {
    const value = (holder as Record<PropertyKey, unknown>)[key];
    // What was put there by another replacement has no such member.
    if (typeof value !== "object" || value === null) return copy;
    const inner: object = Array.isArray(value)
      ? [...value]
      : Object.assign(Object.create(Object.getPrototypeOf(value)), value);
    (holder as Record<PropertyKey, unknown>)[key] = inner;
    [holder, key] = [inner, member];
  }
  put(holder, key);
  return copy;
}

const putting = (wrong: unknown) => (holder: object, key: PropertyKey) => {
  (holder as Record<PropertyKey, unknown>)[key] = wrong;
};
const puttingGetter = (holder: object, key: PropertyKey) => {
  Object.defineProperty(holder, key, {
    enumerable: true,
    get() {
      throw new TypeError("got");
    },
  });
};

/** What a call comes to: nothing, or what it threw. */
async function outcomeOf(call: () => unknown): Promise<{ readonly thrown?: unknown }> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("it does not answer")), 100_000);
  });
  try {
    await Promise.race([late, settled(call())]);
    return {};
  } catch (thrown) {
    return { thrown };
  } finally {
    clearTimeout(timer);
  }
}

/** Takes what was returned to its end, and ends what would go on. */
async function settled(returned: unknown): Promise<void> {
  const made: unknown = await returned;
  if (typeof made !== "object" || made === null) return;
  if (Symbol.asyncIterator in made && !(made instanceof ReadableStream)) {
    for await (const _ of made as AsyncIterable<unknown>);
  }
  for (const end of ["stop", "close", "release"] as const) {
    const method = (made as Partial<Record<typeof end, unknown>>)[end];
    if (typeof method === "function") await method.call(made);
  }
}

const isOurs = (thrown: unknown) => isDurableError(thrown) && Object.hasOwn(httpStatus, thrown.code);

type Calls = (world: World) => (...args: Args) => unknown;

async function expectTyped(calls: Calls, good: Good, change: (args: Args) => Args, what: string): Promise<void> {
  const own = await world();
  const args = change(good(own));
  const before = own.commits.length;
  const { thrown } = await outcomeOf(() => calls(own)(...args));
  await own.runtime.idle();
  if (thrown === undefined) return;
  if (!isOurs(thrown)) throw new Error(`${what}: threw what is not ours`, { cause: thrown });
  if (own.commits.length > before) throw new Error(`${what}: refused, and written`, { cause: thrown });
}

/** Each place with each wrong value, arguments left out, and many of that together. */
async function check(calls: Calls, good: Good): Promise<void> {
  const faults: unknown[] = [];
  const collect = (work: Promise<void>) => work.catch((fault) => faults.push(fault));
  const args = good(await world());
  const { thrown } = await outcomeOf(async () => {
    const own = await world();
    return calls(own)(...good(own));
  });
  expect(thrown === undefined || isOurs(thrown), `the good call: ${String((thrown as Error)?.stack)}`).toBe(true);
  for (let count = 0; count < args.length; count++) {
    await collect(expectTyped(calls, good, (args) => args.slice(0, count), `with ${count} arguments`));
  }
  const places = placesOf(args);
  for (const place of places) {
    for (const [name, make] of Object.entries(wrongs)) {
      // Further in, what is most often forgotten.
      if (place.length > 2 && !inside.includes(name)) continue;
      const change = (args: Args) => replaced(args, place, putting(make()));
      await collect(expectTyped(calls, good, change, `${name} at ${place.join(".")}`));
    }
    const change = (args: Args) => replaced(args, place, puttingGetter);
    if (place.length > 1) await collect(expectTyped(calls, good, change, `a getter that throws at ${place.join(".")}`));
  }
  if (places.length > 0) {
    const one = fc.tuple(fc.constantFrom(...places), fc.constantFrom(...Object.keys(wrongs)));
    const property = fc.asyncProperty(fc.array(one, { minLength: 2, maxLength: 4 }), async (changes) => {
      // The innermost first: a member of what was replaced is nowhere.
      const inOrder = changes.toSorted(([a], [b]) => b.length - a.length);
      const change = (args: Args) =>
        inOrder.reduce((args, [place, name]) => replaced(args, place, putting(wrongs[name]?.())), args);
      await expectTyped(calls, good, change, JSON.stringify(changes));
    });
    await collect(fc.assert(property, { seed: 11, numRuns: 15 }));
  }
  const shown = faults.map((fault) => {
    const { message, cause } = fault as Error;
    try {
      return `${message}: ${(cause as Error).stack?.split("\n").slice(0, 4).join("\n")}`;
    } catch {
      return message;
    }
  });
  expect(shown.join("\n")).toBe("");
}

const root = new URL("../..", import.meta.url);
const packaged = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as { readonly exports: object };
/** What each door exports, but for that of the inspector's element, which needs a page to be loaded at all. */
const exportsOf: ReadonlyMap<string, Readonly<Record<string, unknown>>> = new Map(
  await Promise.all(
    [...doors()]
      .filter(([door]) => door !== "./inspector")
      .map(async ([door, source]) => [door, await import(new URL(source, root).href)] as const),
  ),
);

test("each function of each door, and each method, has a good call", async () => {
  // Beside that of the inspector and package.json itself.
  expect(Object.keys(packaged.exports).length).toBe(exportsOf.size + 2);
  for (const [door, exported] of exportsOf) {
    const found = Object.keys(exported).filter((name) => typeof exported[name] === "function");
    const known = [...Object.keys(functions[door] ?? {}), ...(leftOut[door] ?? [])];
    expect(found.sort(), door).toEqual(known.sort());
  }
  const { runs, runtime, client } = await world();
  for (const [object, known] of [
    [runs, ofRuns],
    [client, ofClient],
  ] as const) {
    const methods = Object.getOwnPropertyNames(Object.getPrototypeOf(object)).filter((name) => name !== "constructor");
    expect(methods.sort()).toEqual(Object.keys(known).sort());
  }
  expect(Object.keys(runtime).sort()).toEqual(Object.keys(ofRuntime).sort());
  expect(Object.keys(memoryKeys()).sort()).toEqual(Object.keys(ofKeys).sort());
  for (const schedules of [schedulesOf(runs), schedulesOfClient(client)]) {
    expect(Object.keys(schedules).sort()).toEqual(Object.keys(ofSchedules).sort());
  }
  const { routes: _, ...wire } = client.wire;
  expect(Object.keys(wire).sort()).toEqual(Object.keys(ofWire).sort());
});

const timeout = 120_000;

/** The function itself; of one that goes on for ever the first value. */
function callOf(door: string, call: (...args: Args) => unknown): (...args: Args) => unknown {
  if (door === "./watch") return (...args) => (call(...args) as AsyncGenerator).next().then(() => undefined);
  return (...args) => {
    const made = call(...args);
    const isGenerator = typeof made === "object" && made !== null && Symbol.asyncIterator in made && "next" in made;
    return isGenerator && door === "./steps" ? (made as AsyncGenerator).next().then(() => undefined) : made;
  };
}

describe.each([...exportsOf].filter(([door]) => functions[door] !== undefined))(
  "wrong arguments of %s are refused in type, and nothing is written:",
  (door, exported) => {
    test.each(Object.entries(functions[door] ?? {}))("%s", { timeout }, (name, good) =>
      check(() => callOf(door, exported[name] as (...args: Args) => unknown), good),
    );
  },
);

describe.each<[string, Readonly<Record<string, Good>>, (world: World) => object]>([
  ["a runtime", ofRuntime, ({ runtime }) => runtime],
  ["the runs of a tenant", ofRuns, ({ runs }) => runs],
  ["a client", ofClient, ({ client }) => client],
  ["a client in the names of the wire", ofWire, ({ client }) => client.wire],
  ["the schedules of a tenant", ofSchedules, ({ runs }) => schedulesOf(runs)],
  ["the schedules of a client", ofSchedules, ({ client }) => schedulesOfClient(client)],
  ["keys in memory", ofKeys, () => memoryKeys()],
])("wrong arguments of %s are refused in type, and nothing is written:", (_, methods, objectOf) => {
  test.each(Object.entries(methods))("%s", { timeout }, (name, good) =>
    check((own) => {
      const object = objectOf(own) as Readonly<Record<string, (...args: Args) => unknown>>;
      return (...args) => object[name]?.call(object, ...args);
    }, good),
  );
});
