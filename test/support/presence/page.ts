import { indexedDbStore } from "../../../adapters/indexeddb/index.ts";
import {
  broadcastNotifier,
  createRuntime,
  defineCapability,
  defineGraphSkill,
  webLocksPresence,
} from "../../../src/index.ts";
import type { Run } from "../../../src/types.ts";

/** What a test can do with a page that is an executor. The page's address says how it is made. */
export interface ExecutorPage {
  /** Starts a run; it is executed here where pages of this kind execute. */
  start(): Promise<string>;
  /** The names of the pages in which the run's held step was called, in order. */
  calls(runId: string): readonly string[];
  /** Every step that was called, with the page's name, in order. */
  steps(runId: string): readonly string[];
  get(runId: string): Promise<Pick<Run, "status" | "result">>;
  /** The types of the run's events. */
  events(runId: string): Promise<string[]>;
  /** Watches the run, looking by itself only once an hour. Gives the events that it saw by the end. */
  watch(runId: string): Promise<string[]>;
}

declare global {
  interface Window {
    readonly executor: ExecutorPage;
  }
}

const query = new URLSearchParams(location.search);
const name = query.get("name") ?? "nameless";
const tenant = "shared";
const hour = 3_600_000;

// Outside the database, so that what the runtime says can be held against it. Each call has a key of its own, since pages
// in several processes may read what another has written a little later.
const note = (kind: string, runId: string, text: string) =>
  localStorage.setItem(`${kind}:${runId}:${String(Date.now()).padStart(15, "0")}:${crypto.randomUUID()}`, text);
const noted = (kind: string, runId: string) => {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(`${kind}:${runId}:`));
  return keys.sort().map((key) => localStorage.getItem(key) ?? "");
};

const work = defineCapability({ id: "work", version: "1" }, async (_, { runId, stepId }) => {
  note("steps", runId, `${stepId} in ${name}`);
  if (stepId !== "held") return stepId;
  note("calls", runId, name);
  while (localStorage.getItem("go") === null) await new Promise((resolve) => setTimeout(resolve, 20));
  return name;
});
const skill = defineGraphSkill({
  id: "shared",
  version: "1",
  steps: [
    { id: "before", uses: "work" },
    { id: "held", uses: "work", output: "outputs.by" },
    { id: "after", uses: "work" },
  ],
});

const serves = query.get("serves") !== "no";
const runtime = createRuntime({
  serves: false,
  store: indexedDbStore({ name: "presence" }),
  capabilities: [work],
  skills: [skill],
  notifier: broadcastNotifier(),
  presence: query.get("presence") === "no" ? undefined : webLocksPresence(),
  leaseMs: Number(query.get("leaseMs") ?? 30_000),
  executes: serves,
});
const runs = runtime.for(tenant);
if (serves) void runtime.serve({ tenant, signal: new AbortController().signal });

const executor: ExecutorPage = {
  start: async () => (await runs.start({ skillId: "shared" })).run.runId,
  calls: (runId) => noted("calls", runId),
  steps: (runId) => noted("steps", runId),
  async get(runId) {
    const { status, result } = await runs.get(runId);
    return { status, result };
  },
  events: async (runId) => (await runs.events(runId)).items.map(({ eventType }) => eventType),
  async watch(runId) {
    const seen: string[] = [];
    for await (const { eventType } of runs.watch(runId, { pollMs: hour })) seen.push(eventType);
    return seen;
  },
};
Object.assign(window, { executor });
