import { indexedDbStore } from "../../adapters/indexeddb/index.ts";
import { createRuntime, isTerminal } from "../../src/index.ts";
import type { HistoryEntry, Run } from "../../src/types.ts";
import { digestCapabilities, textDigest } from "../text-digest/skill.ts";
import { calls, noteCall, notePageLoad, pageLoads } from "./notes.ts";
import { show, type View } from "./view.ts";

const tenant = "example";
const leaseMs = 2_000;

/** Runs that this page has executed a step of. */
const executedHere = new Set<string>();
/** Steps that are being executed in this page, as `<run>/<step>`. */
const inFlight = new Set<string>();

const runtime = createRuntime({
  store: indexedDbStore({ name: "orca-durable-example" }),
  skills: [textDigest],
  capabilities: digestCapabilities({
    async read(address, { attempt }) {
      if (attempt === 1) throw new Error("the source did not answer; this example makes the first attempt fail");
      return (await fetch(address)).text();
    },
    async publish(report, { idempotencyKey }) {
      // Written under the step's idempotency key, so that writing it twice has the same effect as writing it once.
      localStorage.setItem(`published:${idempotencyKey}`, report);
      return { place: "localStorage of this origin", bytes: new TextEncoder().encode(report).length };
    },
    async witness(moment, { runId, stepId }) {
      noteCall(runId, stepId, moment);
      executedHere.add(runId);
      inFlight[moment === "begins" ? "add" : "delete"](`${runId}/${stepId}`);
    },
    paceMs: { short: 500, long: 3_500 },
  }),
  // Short, so that a reloaded page does not wait long until the run of the previous page is free.
  leaseMs,
  onError: complain,
});
const runs = runtime.for(tenant);

const [startButton, approveButton, reloadButton] = [button("start"), button("approve"), button("reload")];
startButton.addEventListener("click", () =>
  act(() => runs.start({ skillId: "text.digest", inputs: { address: new URL("/alice.txt", location.href).href } })),
);
approveButton.addEventListener("click", () =>
  act(async () => {
    const run = await newest();
    if (run !== undefined) await runs.approve(run.runId, { approver: "you" });
  }),
);
reloadButton.addEventListener("click", () => location.reload());

const unfinished = await newest();
if (unfinished !== undefined && !isTerminal(unfinished.status)) notePageLoad(unfinished.runId);
void every(300, () => runtime.drain({ tenant }));
void every(150, refresh);

async function newest(): Promise<Run | undefined> {
  return (await runs.list({ limit: 1 })).items[0];
}

async function refresh(): Promise<void> {
  const run = await newest();
  show(run === undefined ? undefined : viewOf(run, (await runs.history(run.runId)).items));
  const isOpen = run !== undefined && !isTerminal(run.status);
  startButton.disabled = isOpen;
  reloadButton.hidden = !isOpen;
  approveButton.hidden = run?.status !== "waiting_for_human";
}

function viewOf(run: Run, history: readonly HistoryEntry[]): View {
  const ofRun = [...inFlight].filter((key) => key.startsWith(`${run.runId}/`));
  return {
    run,
    history,
    calls: calls(run.runId),
    pageLoads: pageLoads(run.runId),
    isExecutedHere: executedHere.has(run.runId),
    inFlight: new Set(ofRun.map((key) => key.slice(run.runId.length + 1))),
    leaseMs,
  };
}

async function act(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
    await refresh();
  } catch (error) {
    complain(error);
  }
}

/** Repeats the work with a pause in between; a failure is shown and does not end the loop. */
async function every(pauseMs: number, work: () => Promise<unknown>): Promise<never> {
  for (;;) {
    await work().catch(complain);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

function complain(error: unknown): void {
  console.error(error);
  const place = document.querySelector<HTMLElement>("#error");
  if (place === null) return;
  place.textContent = error instanceof Error ? error.message : String(error);
  place.hidden = false;
}

function button(id: string): HTMLButtonElement {
  const found = document.querySelector<HTMLButtonElement>(`button#${id}`);
  if (found === null) throw new Error(`the page has no button "${id}"`);
  return found;
}
