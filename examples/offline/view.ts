import { html, nothing, svg, type TemplateResult } from "lit";
import { type CheckpointRecord, isTerminal } from "../../src/index.ts";
import type { Run } from "../../src/types.ts";
import type { Chart } from "./chart.ts";
import type { Settings } from "./settings.ts";
import type { Shown, ShownStep } from "./shown.ts";

/** Everything that the page shows. */
export interface View {
  readonly runs: readonly Run[];
  readonly selected: Shown | undefined;
  /** The run from which the selected one descends, if it exists. */
  readonly source: Shown | undefined;
  readonly settings: Settings;
  readonly error: string | undefined;
}

/** What the visitor can do. */
export interface Actions {
  take(file: File): void;
  takeSample(name: string): void;
  choose(settings: Settings): void;
  select(runId: string): void;
  approve(runId: string): void;
  deny(runId: string): void;
  cancel(runId: string): void;
  delete(runId: string): void;
  replay(runId: string, checkpointId: string): void;
  /** Forks with the settings of the form, and resumes the fork. */
  forkWithSettings(runId: string, checkpointId: string): void;
  download(fileName: string): void;
}

export function page(view: View, actions: Actions): TemplateResult {
  const { selected, source, error } = view;
  return html`
    ${error === undefined ? nothing : html`<p class="error" role="alert">${error}</p>`}
    <div class="columns">
      <div>
        ${dropZone(actions)} ${settingsForm(view.settings, actions)} ${runList(view, actions)}
      </div>
      <div>
        ${selected === undefined ? html`<section class="empty"><p>No run yet.</p></section>` : runView(selected, actions)}
        ${selected !== undefined && source !== undefined ? comparison(source, selected) : nothing}
      </div>
    </div>
  `;
}

function dropZone(actions: Actions): TemplateResult {
  const drop = (event: DragEvent) => {
    event.preventDefault();
    const file = event.dataTransfer?.files[0];
    if (file !== undefined) actions.take(file);
  };
  const pick = ({ target }: Event) => {
    const input = target as HTMLInputElement;
    const file = input.files?.[0];
    if (file !== undefined) actions.take(file);
    input.value = "";
  };
  return html`
    <section class="drop" id="drop" @dragover=${(event: Event) => event.preventDefault()} @drop=${drop}>
      <h2>Your file</h2>
      <label class="pick">
        <input type="file" id="file" accept=".txt,.md,.csv,.tsv,text/*" @change=${pick} />
        <span>Drop a text or CSV file here, or choose one</span>
      </label>
      <p class="note">
        None at hand? Take
        <button type="button" class="link" @click=${() => actions.takeSample("alice.txt")}>a chapter of a novel</button>
        or
        <button type="button" class="link" @click=${() => actions.takeSample("coffee.csv")}>a month of a coffee bar</button>.
      </p>
    </section>
  `;
}

function settingsForm(settings: Settings, actions: Actions): TemplateResult {
  const number = (name: keyof Settings, label: string, min: number, max: number, step = 1) => html`
    <label>
      <span>${label}</span>
      <input
        type="number" name=${name} min=${min} max=${max} step=${step} .value=${String(settings[name])}
        @change=${({ target }: Event) => {
          const input = target as HTMLInputElement;
          if (input.reportValidity()) actions.choose({ ...settings, [name]: Number(input.value) });
        }}
      />
    </label>
  `;
  return html`
    <section class="settings">
      <h2>Settings</h2>
      ${number("phrases", "Key phrases", 1, 30)} ${number("minLetters", "Letters of a word, at least", 1, 12)}
      ${number("paceMs", "Milliseconds a step, at least, so that you can watch", 0, 10_000, 100)}
    </section>
  `;
}

function runList({ runs, selected }: View, actions: Actions): TemplateResult {
  if (runs.length === 0) return html``;
  return html`
    <section>
      <h2>Runs in this browser</h2>
      <ul class="runs">
        ${runs.map(
          (run) => html`
            <li>
              <button
                type="button" data-run=${run.runId} aria-current=${run.runId === selected?.run.runId ? "true" : "false"}
                @click=${() => actions.select(run.runId)}
              >
                <span>${String(run.metadata.file ?? run.skillId)}</span>
                <small>${descentOf(run)}${timeOf(run.createdAt)}</small>
                ${statusChip(run)}
              </button>
            </li>
          `,
        )}
      </ul>
    </section>
  `;
}

function descentOf({ metadata }: Run): string {
  if (metadata.fork_mode !== undefined) return "fork · ";
  return metadata.replay_mode === undefined ? "" : "replay · ";
}

function runView(shown: Shown, actions: Actions): TemplateResult {
  const { run, steps, recoveries, chart, report, file } = shown;
  return html`
    <section id="run" data-run=${run.runId} data-status=${run.status} data-recoveries=${recoveries}>
      <h2>${String(run.metadata.file ?? run.skillId)} ${statusChip(run)}</h2>
      <p class="sentence" role="status">${sentence(shown)}</p>
      <ol class="steps">${steps.map(stepItem)}</ol>
      ${
        run.status === "waiting_for_human"
          ? html`
              <p class="buttons">
                <button type="button" id="approve" @click=${() => actions.approve(run.runId)}>Approve, and write the file</button>
                <button type="button" id="deny" class="quiet" @click=${() => actions.deny(run.runId)}>Do not write it</button>
              </p>
            `
          : nothing
      }
      ${
        file === undefined
          ? nothing
          : html`
              <p class="buttons">
                <button type="button" id="download" @click=${() => actions.download(file.fileName)}>Download ${file.fileName}</button>
                <small>${file.bytes} bytes, in the files of this origin</small>
              </p>
            `
      }
      <p class="buttons">
        ${
          isTerminal(run.status)
            ? html`<button type="button" id="delete" class="quiet" @click=${() => actions.delete(run.runId)}>Delete this run</button>`
            : html`<button type="button" id="cancel" class="quiet" @click=${() => actions.cancel(run.runId)}>Cancel this run</button>`
        }
      </p>
      <a class="inspect" href=${`/inspector#/runs/${encodeURIComponent(run.runId)}`}>Look at this run in the inspector</a>
    </section>
    ${chart === undefined ? nothing : html`<section><h2>${chart.title}</h2>${bars(chart)}</section>`}
    ${report === undefined ? nothing : html`<section><h2>${file === undefined ? "Draft" : "Report"}</h2><pre id="report">${report}</pre></section>`}
    ${checkpointList(shown, actions)}
  `;
}

function sentence({ run, recoveries, steps }: Shown): string {
  const again = recoveries === 0 ? "" : " Its executor was gone, and the run continued from its last checkpoint.";
  switch (run.status) {
    case "running": {
      const busy = steps.filter(({ state }) => state === "running").map(({ id }) => id);
      return `Working: ${busy.join(" and ") || "beginning"}.${again}`;
    }
    case "waiting_for_human":
      return `Waiting for you, for as long as you like. You may close the page.${again}`;
    case "completed":
      return `Done.${again}`;
    case "failed":
      return `Failed: ${run.error?.message ?? "for no known reason"}`;
    case "canceled":
      return "You did not want it written.";
    default:
      return `The run is ${run.status}.`;
  }
}

function stepItem({ id, does, state }: ShownStep): TemplateResult {
  return html`
    <li data-step=${id} data-state=${state}>
      <b>${id}</b><span>${does}</span><em class="chip">${state}</em>
    </li>
  `;
}

function checkpointList({ run, checkpoints }: Shown, actions: Actions): TemplateResult {
  return html`
    <section>
      <h2>Checkpoints</h2>
      <p class="note">Each holds everything that the run knew. Go on from any of them, as a new run.</p>
      <ol class="checkpoints">
        ${checkpoints.map(
          (checkpoint) => html`
            <li data-checkpoint=${checkpoint.stepId ?? checkpoint.kind}>
              <time>${timeOf(checkpoint.createdAt)}</time>
              <span>${nameOf(checkpoint)}</span>
              <button type="button" class="quiet" @click=${() => actions.replay(run.runId, checkpoint.checkpointId)}>Replay</button>
              <button type="button" class="quiet" @click=${() => actions.forkWithSettings(run.runId, checkpoint.checkpointId)}>
                Fork with the settings
              </button>
            </li>
          `,
        )}
      </ol>
    </section>
  `;
}

function nameOf({ kind, stepId }: CheckpointRecord): string {
  return stepId === undefined ? kind.replaceAll("_", " ") : `after ${stepId}`;
}

function comparison(source: Shown, selected: Shown): TemplateResult {
  const column = (title: string, { inputs: { settings }, phrases, chart }: Shown) => html`
    <div>
      <h3>${title}</h3>
      <p class="note">${settings.phrases} key phrases, words of at least ${settings.minLetters} letters</p>
      ${phrases === undefined ? html`<p>Not there yet.</p>` : html`<p>${phrases.map(({ phrase, count }) => `${phrase} (${count})`).join(", ")}</p>`}
      ${chart === undefined ? nothing : bars(chart)}
    </div>
  `;
  return html`
    <section id="comparison">
      <h2>Compared with the run it came from</h2>
      <div class="compared">${column("Before", source)} ${column("Now", selected)}</div>
    </section>
  `;
}

function bars({ title, bars }: Chart): TemplateResult {
  const most = Math.max(...bars.map(({ value }) => value), 1);
  const rowHeight = 26;
  return html`
    <svg class="bars" role="img" aria-label=${title} viewBox="0 0 480 ${bars.length * rowHeight}">
      ${bars.map(
        ({ label, value }, row) => svg`
          <g transform="translate(0 ${row * rowHeight})">
            <text x="164" y="17" text-anchor="end">${label}</text>
            <rect x="172" y="4" height="18" rx="3" width=${Math.max((262 * value) / most, 1)}></rect>
            <text x=${178 + (262 * value) / most} y="17">${value}</text>
          </g>
        `,
      )}
    </svg>
  `;
}

function statusChip({ status }: Run): TemplateResult {
  return html`<em class="chip" data-status=${status}>${status.replaceAll("_", " ")}</em>`;
}

function timeOf(iso: string): string {
  return new Date(iso).toLocaleTimeString("en-GB");
}
