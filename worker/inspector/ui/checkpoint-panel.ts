import { html, nothing, type TemplateResult } from "lit/html.js";
import { type ApiError, runPath } from "./api.ts";
import { asApiError } from "./app.ts";
import { diffView } from "./diff-view.ts";
import { errorNote } from "./error-note.ts";
import { clock, dateTime, duration } from "./format.ts";
import { icon } from "./icon.ts";
import { JsonTree } from "./json-tree.ts";
import type { RunPage } from "./run-page.ts";
import type { StepRow } from "./step-rows.ts";
import { stepNames } from "./timeline-view.ts";
import type { CheckpointAnswer, ComparisonAnswer, Json, JsonObject, RunEvent } from "./wire.ts";

const tabs = { state: "State", changes: "Changes", about: "About" } as const;
type PanelTab = keyof typeof tabs;

const changesPage = 100;
/** How soon after one head the next is read. */
const paceMs = 250;

interface Shown {
  readonly checkpoint: CheckpointAnswer;
  readonly diff: ComparisonAnswer;
}

/** The checkpoint that is shown: its state, what it changed, and what may be done from it. */
export class CheckpointPanel {
  readonly #page: RunPage;
  readonly #tree: JsonTree;
  #tab: PanelTab = "state";
  #id: string | undefined;
  #shown: Shown | undefined;
  #error: ApiError | undefined;
  #event: RunEvent | undefined;
  #work = new AbortController();
  #isReading = false;
  #changesShown = changesPage;

  constructor(page: RunPage) {
    this.#page = page;
    this.#tree = new JsonTree(page.app);
  }

  /** `isFollowed` where it is the head of a run that goes on: there will be another soon, and what is on its way is let come. */
  show(id: string | undefined, isFollowed: boolean): void {
    if (id === this.#id) return;
    this.#id = id;
    this.#event = undefined;
    if (isFollowed && this.#isReading) return;
    this.#work.abort();
    this.#work = new AbortController();
    if (id !== undefined) void this.#read(id, this.#work.signal);
  }

  stop(): void {
    this.#work.abort();
  }

  showStep(row: StepRow): void {
    this.#event = undefined;
    if (row.checkpoints.length > 0) this.#tree.reveal(["step_results", row.stepId]);
  }

  showEvent(event: RunEvent): void {
    this.#event = event;
    this.#tab = "about";
  }

  async #read(id: string, signal: AbortSignal): Promise<void> {
    this.#isReading = true;
    const { api } = this.#page.app;
    const path = runPath(this.#page.runId, `/checkpoints/${encodeURIComponent(id)}`);
    try {
      const [checkpoint, diff] = await Promise.all([
        api.get<CheckpointAnswer>(path, signal),
        api.get<ComparisonAnswer>(`${path}/diff`, signal),
      ]);
      this.#shown = { checkpoint, diff };
      this.#changesShown = changesPage;
      this.#error = undefined;
      this.#tree.show(checkpoint.state as JsonObject, diff.changes);
    } catch (error) {
      if (signal.aborted) return;
      this.#error = asApiError(error);
    }
    this.#isReading = false;
    this.#page.app.update();
    // The head has moved on meanwhile.
    if (this.#id !== undefined && this.#id !== id) setTimeout(() => this.#readNext(signal), paceMs);
  }

  #readNext(signal: AbortSignal): void {
    if (!signal.aborted && !this.#isReading && this.#id !== undefined) void this.#read(this.#id, signal);
  }

  render(): TemplateResult {
    const page = this.#page;
    const { checkpoints } = page.log;
    const shown = this.#shown;
    const isLate = shown !== undefined && shown.checkpoint.record.checkpoint_id !== this.#id;
    return html`<aside class="panel" aria-label="Checkpoint" data-keys @keydown=${(event: KeyboardEvent) => this.#onKey(event)}>
      <div class="scrubber">
        <button class="ghosted" aria-label="The checkpoint before" title="The checkpoint before  [" ?disabled=${page.place <= 0} @click=${() => page.choose(page.place - 1)}>${icon("back")}</button>
        <input type="range" min="0" max=${Math.max(0, checkpoints.length - 1)} .value=${String(Math.max(0, page.place))} ?disabled=${checkpoints.length < 2}
          aria-label="Checkpoint" aria-valuetext=${page.place < 0 ? "the checkpoint it came with" : `${page.place + 1} of ${checkpoints.length}`}
          @input=${(event: Event) => page.choose(Number((event.target as HTMLInputElement).value))} />
        <button class="ghosted" aria-label="The next checkpoint" title="The next checkpoint  ]" ?disabled=${page.place < 0 || page.place >= checkpoints.length - 1} @click=${() => page.choose(page.place + 1)}>${icon("next")}</button>
        <span class="number">${page.place < 0 ? "–" : (page.place + 1).toLocaleString("en")} / ${checkpoints.length.toLocaleString("en")}</span>
      </div>
      ${shown === undefined ? this.#missing() : this.#head(shown)}
      ${this.#error === undefined ? nothing : errorNote(this.#error)}
      ${
        shown === undefined
          ? nothing
          : html`<div class="tabs small">
            <div role="tablist" aria-label="Views of the checkpoint">
              ${(Object.keys(tabs) as PanelTab[]).map((tab) => this.#tabButton(tab, shown))}
            </div>
            ${this.#tab === "state" ? html`<span class="gap"></span><label class="check"><input type="checkbox" .checked=${this.#tree.showsEmpty} @change=${() => this.#tree.toggleEmpty()} />Empty fields</label>` : nothing}
          </div>
          <div class="body" id="panel-body" role="tabpanel" aria-labelledby="panel-tab-${this.#tab}" ?data-late=${isLate}>
            ${this.#tab === "state" ? this.#tree.render("State at the checkpoint") : this.#tab === "changes" ? this.#changes(shown) : this.#about(shown)}
          </div>`
      }
    </aside>`;
  }

  #changes({ diff }: Shown): TemplateResult {
    return diffView(this.#page.app, diff, this.#changesShown, () => {
      this.#changesShown += changesPage;
      this.#page.app.update();
    });
  }

  #tabButton(tab: PanelTab, { diff }: Shown): TemplateResult {
    const isChosen = tab === this.#tab;
    return html`<button role="tab" id="panel-tab-${tab}" aria-selected=${isChosen} aria-controls="panel-body" tabindex=${isChosen ? 0 : -1}
      @click=${() => this.#choose(tab)} @keydown=${(event: KeyboardEvent) => this.#moveTab(event)}>${tabs[tab]}${tab === "changes" ? html`<span class="count">${diff.changes.length}</span>` : nothing}</button>`;
  }

  #head({ checkpoint: { record } }: Shown): TemplateResult {
    const { app, run } = this.#page;
    const id = record.checkpoint_id;
    const isOver = run?.status === "completed";
    return html`<div class="which">
      <h2>${kindNames[record.kind] ?? record.kind}${record.step_id === null ? nothing : html` <span class="mono">${record.step_id}</span>`}</h2>
      <p><time datetime=${record.created_at} title=${dateTime(record.created_at)}>${clock(record.created_at)}</time><span class="mono id" title=${id}>${id}</span>
        <button class="ghosted" aria-label="Copy the checkpoint id" title="Copy the checkpoint id" @click=${() => app.dialogs.copy(id)}>${icon("copy")}</button></p>
      ${
        app.can("execute")
          ? html`<div class="actions" role="group" aria-label="From this checkpoint">
        <button ?disabled=${isOver} title=${isOver ? "A completed run is replayed or forked" : "Continue this run from here"} @click=${() => app.dialogs.openResume(this.#page, id)}>${icon("resume")}Resume</button>
        <button title="Execute a new run from here" @click=${() => app.dialogs.openReplay(this.#page, id)}>${icon("replay")}Replay</button>
        <button title="Make a new run that stands here" @click=${() => app.dialogs.openFork(this.#page, id, this.#shown?.checkpoint.state as JsonObject)}>${icon("fork")}Fork</button>
      </div>`
          : nothing
      }
    </div>`;
  }

  #missing(): TemplateResult {
    if (this.#error !== undefined) return html``;
    return html`<div class="empty small" role="status">${this.#id === undefined ? "This run has no checkpoint yet." : "Reading the checkpoint…"}</div>`;
  }

  /** Facts of the checkpoint, of its step, and of the event that was chosen. */
  #about({ checkpoint: { record, state } }: Shown): TemplateResult {
    const row = this.#page.shownStep;
    const result = row && ((state.step_results as JsonObject | undefined)?.[row.stepId] as JsonObject | undefined);
    const value = (name: string, json: Json | undefined) =>
      json === undefined || json === null
        ? nothing
        : html`<div class="wide"><dt>${name}</dt><dd><pre>${JSON.stringify(json, null, 2).slice(0, 20_000)}</pre></dd></div>`;
    const fact = (name: string, text: unknown) => html`<div><dt>${name}</dt><dd class="mono">${text}</dd></div>`;
    return html`<div class="about-body" tabindex="0" role="region" aria-label="About the checkpoint">
      ${this.#event === undefined ? nothing : html`<h3>Event</h3><dl class="sheet">${fact("type", this.#event.event_type)}${fact("at", clock(this.#event.occurred_at))}${fact("id", this.#event.event_id)}${value("payload", this.#event.payload)}</dl>`}
      ${
        row === undefined
          ? nothing
          : html`<h3>Step</h3><dl class="sheet">${fact("step", row.stepId)}${row.uses === "" ? nothing : fact("capability", row.uses)}${fact("status", stepNames[row.status])}${row.attempts > 0 ? fact("attempts", row.attempts) : nothing}
        ${typeof result?.latency_ms === "number" ? fact("took", duration(result.latency_ms)) : nothing}${row.error === undefined ? nothing : fact("error", row.error)}
        ${value("input", result?.resolved_input)}${value("output", result?.produced_output)}</dl>`
      }
      <h3>Checkpoint</h3><dl class="sheet">${fact("id", record.checkpoint_id)}${fact("kind", record.kind)}${fact("saved", record.created_at)}${fact("state", record.state_snapshot_ref)}${record.pending_writes.length > 0 ? fact("pending writes", record.pending_writes.join(", ")) : nothing}</dl>
    </div>`;
  }

  #choose(tab: PanelTab): void {
    this.#tab = tab;
    this.#page.app.update();
  }

  #moveTab(event: KeyboardEvent): void {
    const names = Object.keys(tabs) as PanelTab[];
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const next = names[(names.indexOf(this.#tab) + step + names.length) % names.length];
    if (step === 0 || next === undefined) return;
    event.preventDefault();
    this.#choose(next);
    queueMicrotask(() => this.#page.app.root.querySelector<HTMLElement>(`#panel-tab-${next}`)?.focus());
  }

  #onKey(event: KeyboardEvent): void {
    if (this.#tab === "state" && this.#tree.onKey(event)) event.preventDefault();
  }
}

const kindNames: Readonly<Record<string, string>> = {
  run_created: "Created",
  run_started: "Started",
  step_completed: "Step completed",
  run_waiting_for_human: "Waits for a person",
  waiting_for_signal: "Waits for a signal",
  run_resumed: "Resumed",
  run_finished: "Finished",
  run_failed: "Failed",
  state_edited: "State edited",
};
