import { render } from "lit";
import { broadcastNotifier } from "../../src/index.ts";
import type { Run } from "../../src/types.ts";
import { createPage } from "../../worker/browser/page.ts";
import { readReport } from "./files.ts";
import { home } from "./home.ts";
import { type Settings, usualSettings } from "./settings.ts";
import { type Shown, shown } from "./shown.ts";
import { fileReport } from "./skill.ts";
import { type Actions, page } from "./view.ts";

const mostFileBytes = 5 * 1024 * 1024;

// The failure of a step is shown with its run.
const { runs } = createPage({
  ...home,
  skills: [fileReport],
  capabilities: [],
  serviceWorker: "/service-worker.js",
  registration: { type: "module" },
  onError: (failure, context) => (context?.stepId === undefined ? complain(failure) : console.error(failure)),
});

let settings = usualSettings;
let selectedId = new URLSearchParams(location.hash.slice(1)).get("run") ?? undefined;
let error: string | undefined;

const actions: Actions = {
  take: (file) => act(() => start(file)),
  takeSample: (name) => act(async () => start(new File([await (await fetch(`/${name}`)).blob()], name))),
  choose(chosen: Settings) {
    settings = chosen;
    refresh();
  },
  select,
  approve: (runId) => act(() => runs.approve(runId, { approver: "the visitor" })),
  deny: (runId) => act(() => runs.deny(runId, { approver: "the visitor" })),
  cancel: (runId) => act(() => runs.cancel(runId)),
  delete: (runId) =>
    act(async () => {
      if (!confirm("Delete this run, with its history and its result? This cannot be undone.")) return;
      await runs.delete(runId);
      selectedId = undefined;
      history.replaceState(null, "", location.pathname);
    }),
  replay: (runId, checkpointId) => act(async () => select((await runs.replay(runId, { checkpointId })).run.runId)),
  forkWithSettings: (runId, checkpointId) =>
    act(async () => {
      const { run } = await runs.fork(runId, { checkpointId, edit: { inputs: { settings } } });
      select(run.runId);
      await runs.resume(run.runId);
    }),
  download: (fileName) => act(() => download(fileName)),
};

async function start(file: File): Promise<void> {
  if (file.size > mostFileBytes)
    throw new Error(`${file.name} has ${file.size} bytes; this page takes ${mostFileBytes}.`);
  const inputs = { name: file.name, text: await file.text(), settings };
  const { run } = await runs.start({ skillId: fileReport.id, inputs, metadata: { file: file.name } });
  select(run.runId);
}

async function download(fileName: string): Promise<void> {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await readReport(fileName));
  link.download = fileName;
  link.click();
  URL.revokeObjectURL(link.href);
}

function select(runId: string): void {
  selectedId = runId;
  isToBeSeen = true;
  history.replaceState(null, "", `#${new URLSearchParams({ run: runId })}`);
  refresh();
}

/** True until a run that was just selected is on the screen: in one column it is below the list. */
let isToBeSeen = false;
let isStale = false;
let isRefreshing = false;

/** Shows what is stored now. Changes that arrive during a read are read next. */
function refresh(): void {
  isStale = true;
  if (isRefreshing) return;
  isRefreshing = true;
  void (async () => {
    try {
      while (isStale) {
        isStale = false;
        await show();
      }
    } catch (failure) {
      complain(failure);
    } finally {
      isRefreshing = false;
    }
  })();
}

async function show(): Promise<void> {
  const list = (await runs.list({ limit: 20 })).items;
  selectedId ??= list[0]?.runId;
  const selected = await found(selectedId);
  const source = await found(sourceOf(selected?.run));
  const app = document.querySelector<HTMLElement>("#app");
  if (app !== null) render(page({ runs: list, selected, source, settings, error }, actions), app);
  if (!isToBeSeen || selected === undefined) return;
  isToBeSeen = false;
  document.querySelector("#run")?.scrollIntoView({ block: "nearest" });
}

/** The run with everything that is shown of it; nothing if it was deleted, for example in the inspector. */
async function found(runId: string | undefined): Promise<Shown | undefined> {
  if (runId === undefined) return undefined;
  try {
    return await shown(runs, runId);
  } catch (failure) {
    if ((failure as { code?: unknown }).code === "not_found") return undefined;
    throw failure;
  }
}

function sourceOf(run: Run | undefined): string | undefined {
  const id = run?.metadata.source_run_id;
  return typeof id === "string" ? id : undefined;
}

async function act(work: () => Promise<unknown>): Promise<void> {
  error = undefined;
  refresh();
  try {
    await work();
  } catch (failure) {
    complain(failure);
  }
  refresh();
}

function complain(failure: unknown): void {
  console.error(failure);
  error = failure instanceof Error ? failure.message : String(failure);
  refresh();
}

function showNetwork(): void {
  const place = document.querySelector<HTMLElement>("#network");
  if (place !== null) place.textContent = navigator.onLine ? "" : "You are offline. Everything here works.";
}

broadcastNotifier(home.database).subscribe(refresh);
addEventListener("online", showNetwork);
addEventListener("offline", showNetwork);
showNetwork();
refresh();
