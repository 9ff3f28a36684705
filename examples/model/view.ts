import { isTerminal, type Runs } from "../../src/index.ts";
import { readChildren, readOutput } from "../../src/steps.ts";
import { watchRun } from "../../src/watch.ts";

/** Shows a run before the others: its turns while they are said, its tasks beside each other, and a button that stops it. */
export async function show(runs: Runs, runId: string, title: unknown, place: Element): Promise<void> {
  const { content } = element("template", document) as HTMLTemplateElement;
  const card = element("article", document.importNode(content, true));
  element("h2", card).textContent = String(title);
  element("button", card).addEventListener("click", () => runs.cancel(runId));
  place.prepend(card);
  void showTurns(runs, runId, element(".turns", card));
  const tasks = element(".tasks", card);
  const shown = new Set<string>();
  for await (const { run, error } of watchRun(runs, runId)) {
    element(".state", card).textContent = error?.message ?? run?.error?.message ?? labels[run?.status ?? ""] ?? "";
    if (run === undefined) continue;
    card.dataset.status = run.status;
    const { items } = await readChildren(runs, runId);
    for (const child of items.filter((one) => !shown.has(one.runId))) {
      shown.add(child.runId);
      void show(runs, child.runId, child.stepId, tasks);
    }
    if (isTerminal(run.status)) return;
  }
}

/** Each turn until the run has ended. A chunk of another part begins the turn anew. */
async function showTurns(runs: Runs, runId: string, place: Element): Promise<void> {
  for (let turn = 1; ; turn++) {
    const line = document.createElement("p");
    let part: string | undefined;
    for await (const piece of readOutput<string>(runs, runId, `turn ${turn}`)) {
      line.textContent = (piece.part === part ? line.textContent : "") + piece.chunk;
      if (part === undefined) place.append(line);
      part = piece.part;
    }
    if (part === undefined) return;
  }
}

const labels: { readonly [status: string]: string } = {
  running: "is thinking",
  waiting_for_signal: "waits for its tasks",
  completed: "done",
  canceled: "stopped",
};

/** The first element below that matches. */
export function element(selector: string, place: ParentNode): HTMLElement {
  const found = place.querySelector<HTMLElement>(selector);
  if (found === null) throw new Error(`the page has no ${selector}`);
  return found;
}
