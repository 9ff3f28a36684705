import { html, nothing, type TemplateResult } from "lit/html.js";
import { type CheckpointPanel, type PanelTab, panelTabs, type ShownCheckpoint } from "../state/checkpoint-panel.ts";
import { pretty } from "../state/form.ts";
import type { RunPage } from "../state/run-page.ts";
import type { Json, JsonObject } from "../state/wire.ts";
import { diffView } from "./diff-view.ts";
import { errorNote } from "./error-note.ts";
import { clock, dateTime, duration } from "./format.ts";
import { icon } from "./icon.ts";
import { outputView } from "./output-view.ts";
import { stepNames } from "./step-names.ts";
import { treeView } from "./tree-view.ts";

const tabNames: Readonly<Record<PanelTab, string>> = {
  state: "State",
  changes: "Changes",
  output: "Output",
  about: "About",
};

/** The shown checkpoint: its state, its changes, and the actions on it. */
export function checkpointView(page: RunPage): TemplateResult {
  const { panel } = page;
  const { checkpoints } = page.log;
  const { shown } = panel;
  const isLate = shown !== undefined && shown.checkpoint.record.checkpoint_id !== panel.id;
  return html`<aside class="panel" aria-label="Checkpoint" data-keys @keydown=${(event: KeyboardEvent) => panel.onKey(event)}>
    <div class="scrubber">
      <button class="ghosted" aria-label="Previous checkpoint" title="Previous checkpoint  [" ?disabled=${page.place <= 0} @click=${() => page.choose(page.place - 1)}>${icon("back")}</button>
      <input type="range" min="0" max=${Math.max(0, checkpoints.length - 1)} .value=${String(Math.max(0, page.place))} ?disabled=${checkpoints.length < 2}
        aria-label="Checkpoint" aria-valuetext=${page.place < 0 ? "the checkpoint from the source run" : `${page.place + 1} of ${checkpoints.length}`}
        @input=${(event: Event) => page.choose(Number((event.target as HTMLInputElement).value))} />
      <button class="ghosted" aria-label="Next checkpoint" title="Next checkpoint  ]" ?disabled=${page.place < 0 || page.place >= checkpoints.length - 1} @click=${() => page.choose(page.place + 1)}>${icon("next")}</button>
      <span class="number">${page.place < 0 ? "–" : (page.place + 1).toLocaleString("en")} / ${checkpoints.length.toLocaleString("en")}</span>
    </div>
    ${shown === undefined ? missing(panel) : head(page, shown)}
    ${panel.problem === undefined ? nothing : errorNote(panel.problem)}
    ${
      shown === undefined
        ? nothing
        : html`<div class="tabs small">
          <div role="tablist" aria-label="Views of the checkpoint">
            ${tabsOf(page).map((tab) => tabButton(page, tab, shown))}
          </div>
          ${panel.tab === "state" ? html`<span class="gap"></span><label class="check"><input type="checkbox" .checked=${panel.tree.showsEmpty} @change=${() => panel.tree.toggleEmpty()} />Empty fields</label>` : nothing}
        </div>
        <div class="body" id="panel-body" role="tabpanel" aria-labelledby="panel-tab-${panel.tab}" ?data-late=${isLate}>
          ${panel.tab === "state" ? treeView(panel.tree, "State at the checkpoint") : panel.tab === "output" ? outputView(page.output) : panel.tab === "changes" ? diffView(page.app, shown.diff, panel.changesShown, () => panel.showMoreChanges()) : about(page, shown)}
        </div>`
    }
  </aside>`;
}

function tabButton(page: RunPage, tab: PanelTab, { diff }: ShownCheckpoint): TemplateResult {
  const isChosen = tab === page.panel.tab;
  return html`<button role="tab" id="panel-tab-${tab}" aria-selected=${isChosen} aria-controls="panel-body" tabindex=${isChosen ? 0 : -1}
    @click=${() => page.panel.choose(tab)} @keydown=${(event: KeyboardEvent) => moveTab(page, event)}>${tabNames[tab]}${tab === "changes" ? html`<span class="count">${diff.changes.length}</span>` : nothing}</button>`;
}

function head(
  { app, run, runId, log, place }: RunPage,
  { checkpoint: { record, state } }: ShownCheckpoint,
): TemplateResult {
  const id = record.checkpoint_id;
  const isOver = run?.status === "completed";
  return html`<div class="which">
    <h2>${kindNames[record.kind] ?? record.kind}${record.step_id === null ? nothing : html` <span class="mono">${record.step_id}</span>`}</h2>
    <p><time datetime=${record.created_at} title=${dateTime(record.created_at)}>${clock(record.created_at)}</time><span class="mono id" title=${id}>${id}</span>
      <button class="ghosted" aria-label="Copy the checkpoint id" title="Copy the checkpoint id" @click=${() => app.dialogs.copy(id)}>${icon("copy")}</button></p>
    ${
      app.can("execute")
        ? html`<div class="actions" role="group" aria-label="From this checkpoint">
      <button ?disabled=${isOver} title=${isOver ? "A completed run can only be replayed or forked" : "Continue this run from here"} @click=${() => app.dialogs.show({ kind: "resume", runId, checkpointId: id, skipped: place < 0 ? 0 : log.checkpoints.length - 1 - place })}>${icon("resume")}Resume</button>
      <button title="Execute a new run from here" @click=${() => app.dialogs.show({ kind: "replay", runId, checkpointId: id })}>${icon("replay")}Replay</button>
      <button title="Create a new pending run from here" @click=${() => app.dialogs.show({ kind: "fork", runId, checkpointId: id, ...editable(state as JsonObject) })}>${icon("fork")}Fork</button>
    </div>`
        : nothing
    }
  </div>`;
}

function missing({ id, problem }: CheckpointPanel): TemplateResult {
  if (problem !== undefined) return html``;
  return html`<div class="empty small" role="status">${id === undefined ? "This run has no checkpoint yet." : "Loading the checkpoint…"}</div>`;
}

/** The facts of the checkpoint, its step and the selected event. */
function about(page: RunPage, { checkpoint: { record, state } }: ShownCheckpoint): TemplateResult {
  const row = page.shownStep;
  const { event } = page.panel;
  const result = row && ((state.step_results as JsonObject | undefined)?.[row.stepId] as JsonObject | undefined);
  const value = (name: string, json: Json | undefined) =>
    json === undefined || json === null
      ? nothing
      : html`<div class="wide"><dt>${name}</dt><dd><pre>${JSON.stringify(json, null, 2).slice(0, 20_000)}</pre></dd></div>`;
  const fact = (name: string, text: unknown) => html`<div><dt>${name}</dt><dd class="mono">${text}</dd></div>`;
  return html`<div class="about-body" tabindex="0" role="region" aria-label="About the checkpoint">
    ${event === undefined ? nothing : html`<h3>Event</h3><dl class="sheet">${fact("type", event.event_type)}${fact("at", clock(event.occurred_at))}${fact("id", event.event_id)}${value("payload", event.payload)}</dl>`}
    ${
      row === undefined
        ? nothing
        : html`<h3>Step</h3><dl class="sheet">${fact("step", row.stepId)}${row.uses === "" ? nothing : fact("capability", row.uses)}${fact("status", stepNames[row.status])}${row.attempts > 0 ? fact("attempts", row.attempts) : nothing}
      ${typeof result?.latency_ms === "number" ? fact("duration", duration(result.latency_ms)) : nothing}${row.error === undefined ? nothing : fact("error", row.error)}
      ${value("input", result?.resolved_input)}${value("output", result?.produced_output)}</dl>`
    }
    <h3>Checkpoint</h3><dl class="sheet">${fact("id", record.checkpoint_id)}${fact("kind", record.kind)}${fact("saved", record.created_at)}${fact("state", record.state_snapshot_ref)}${record.pending_writes.length > 0 ? fact("pending writes", record.pending_writes.join(", ")) : nothing}</dl>
  </div>`;
}

/** The tab of the output is there once a step has some. */
function tabsOf({ output }: RunPage): readonly PanelTab[] {
  return output.steps.length > 0 ? panelTabs : panelTabs.filter((tab) => tab !== "output");
}

function moveTab(page: RunPage, event: KeyboardEvent): void {
  const { app, panel } = page;
  const tabs = tabsOf(page);
  const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  const next = tabs[(tabs.indexOf(panel.tab) + step + tabs.length) % tabs.length];
  if (step === 0 || next === undefined) return;
  event.preventDefault();
  panel.choose(next);
  queueMicrotask(() => app.root.querySelector<HTMLElement>(`#panel-tab-${next}`)?.focus());
}

/** What a fork can change, as JSON text. */
function editable({ inputs = {}, vars = {} }: JsonObject): { readonly inputs: string; readonly vars: string } {
  return { inputs: pretty(inputs), vars: pretty(vars) };
}

const kindNames: Readonly<Record<string, string>> = {
  run_created: "Created",
  run_started: "Started",
  step_completed: "Step completed",
  run_waiting_for_human: "Waiting for approval",
  waiting_for_signal: "Waiting for a signal",
  run_resumed: "Resumed",
  run_finished: "Finished",
  run_failed: "Failed",
  state_edited: "State edited",
};
