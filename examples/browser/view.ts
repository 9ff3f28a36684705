import type { RunEvent } from "../../src/index.ts";
import type { HistoryEntry, Run } from "../../src/types.ts";
import type { Call } from "./notes.ts";

/** Everything that the page shows. */
export interface View {
  readonly run: Run;
  readonly history: readonly HistoryEntry[];
  readonly calls: readonly Call[];
  readonly pageLoads: readonly string[];
  readonly isExecutedHere: boolean;
  readonly inFlight: ReadonlySet<string>;
  readonly leaseMs: number;
}

const steps = [
  { id: "read", does: "reads the text; its first attempt fails on purpose" },
  { id: "clean", does: "joins lines, drops marks and ornaments" },
  { id: "statistics", does: "counts the words" },
  { id: "phrases", does: "finds key phrases" },
  { id: "score", does: "scores each sentence; slow, so that you can reload" },
  { id: "compose", does: "writes the report" },
  { id: "publish", does: "publishes it, once you approve" },
] as const;

type StepState = "waiting" | "executing" | "cut off" | "retrying" | "your turn" | "done";

/** Updates the page; `undefined` if there is no run yet. */
export function show(view: View | undefined): void {
  const state = element("#state");
  state.dataset.status = view?.run.status ?? "none";
  state.textContent = view === undefined ? "No run yet." : sentence(view);
  replace(
    element("#steps"),
    steps.map(({ id, does }) => stepItem(id, does, view)),
  );
  replace(element("#history"), view === undefined ? [] : historyItems(view));
  const report = (view?.run.result as { report?: string } | null | undefined)?.report;
  element("#report-section").hidden = report === undefined;
  element("#report").textContent = report ?? "";
}

function sentence({ run, inFlight, isExecutedHere, leaseMs, calls, pageLoads }: View): string {
  switch (run.status) {
    case "running":
      if (inFlight.size > 0) return `Running in this page: ${[...inFlight].join(" and ")}.`;
      if (isExecutedHere) return "Running in this page.";
      return `Running, but not here: this page takes it once the lease of the page before has lapsed (${leaseMs / 1000} s).`;
    case "waiting_for_human":
      return "Waiting for your approval, for as long as you like. You may close the page.";
    case "completed": {
      const executions = calls.filter(({ moment }) => moment === "begins").length;
      const reloads = pageLoads.length === 1 ? "one reload" : `${pageLoads.length} reloads`;
      return `Completed: ${steps.length} steps, ${executions} handler calls, ${reloads} in between.`;
    }
    case "failed":
      return `Failed: ${run.error?.message ?? "for no known reason"}`;
    default:
      return `The run is ${run.status}.`;
  }
}

function stateOf(id: string, { run, history, calls, inFlight }: View): StepState {
  const events = history.flatMap((entry) => entry.events).filter((event) => event.payload.step_id === id);
  if (events.some(({ eventType }) => eventType === "step.completed")) return "done";
  if (inFlight.has(id)) return "executing";
  if (run.status === "waiting_for_human" && run.approvalRequest?.stepId === id) return "your turn";
  const own = calls.filter(({ stepId }) => stepId === id);
  const retries = events.filter(({ eventType }) => eventType === "step.retry_scheduled").length;
  const begun = own.filter(({ moment }) => moment === "begins").length;
  if (begun > retries) return "cut off";
  return retries > 0 ? "retrying" : "waiting";
}

function stepItem(id: string, does: string, view: View | undefined): HTMLElement {
  const state = view === undefined ? "waiting" : stateOf(id, view);
  const executions = view?.calls.filter(({ stepId, moment }) => stepId === id && moment === "begins").length ?? 0;
  const item = make("li", "step");
  item.dataset.step = id;
  item.dataset.state = state;
  item.dataset.executions = String(executions);
  const count = executions === 0 ? "" : `executed ${["once", "twice"][executions - 1] ?? `${executions} times`}`;
  item.append(
    make("b", "name", id),
    make("span", "chip", state),
    make("span", "does", does),
    make("span", "count", count),
  );
  return item;
}

function historyItems({ history, pageLoads }: View): readonly HTMLElement[] {
  const loads = [...pageLoads];
  const items: HTMLElement[] = [];
  for (const { revision, events, checkpoint } of history) {
    const committedAt = events.at(-1)?.occurredAt ?? "";
    while (loads[0] !== undefined && loads[0] < committedAt) items.push(loadItem(loads.shift() ?? ""));
    const told = events.filter(({ eventType }) => eventType !== "checkpoint.saved" && eventType !== "step.started");
    const text = told.map(eventText).join("; ") || checkpoint?.kind;
    if (text === undefined) continue;
    const item = make("li", "entry");
    item.append(make("time", "", timeOf(committedAt)), make("span", "text", text));
    if (checkpoint !== undefined) {
      const mark = make("span", "checkpoint", "checkpoint");
      mark.title = `${checkpoint.checkpointId}, revision ${revision}`;
      item.append(mark);
    }
    items.push(item);
  }
  return [...items, ...loads.map(loadItem)];
}

function timeOf(at: string): string {
  return new Date(at).toLocaleTimeString([], { hour12: false });
}

function loadItem(at: string): HTMLElement {
  const item = make("li", "entry load");
  item.append(make("time", "", timeOf(at)), make("span", "text", "the page was loaded again"));
  return item;
}

function eventText({ eventType, payload }: RunEvent): string {
  const step = String(payload.step_id ?? "");
  switch (eventType) {
    case "step.completed":
      return `${step} ${payload.status}${Number(payload.attempts) > 1 ? ` at attempt ${payload.attempts}` : ""}`;
    case "step.retry_scheduled":
      return `${step} failed and is tried again: ${payload.error}`;
    case "step.failed":
      return `${step} failed: ${payload.error}`;
    case "run.recovered":
      return "taken over from a page that is gone";
    case "run.waiting_for_human":
      return `${step} waits for a person`;
    case "run.approved":
      return `${step} approved by ${payload.approver}`;
    case "side_effect.recorded":
      return `the effect of ${step} is on record`;
    default:
      return eventType.replaceAll(/[._]/g, " ");
  }
}

/** Replaces the children only if they differ, so that nothing flickers. */
function replace(parent: HTMLElement, children: readonly HTMLElement[]): void {
  const html = children.map((child) => child.outerHTML).join("");
  if (parent.innerHTML !== html) parent.replaceChildren(...children);
}

function make(tag: string, className: string, text = ""): HTMLElement {
  const made = document.createElement(tag);
  if (className !== "") made.className = className;
  made.textContent = text;
  return made;
}

function element(selector: string): HTMLElement {
  const found = document.querySelector<HTMLElement>(selector);
  if (found === null) throw new Error(`the page has no ${selector}`);
  return found;
}
