import { ref } from "lit/directives/ref.js";
import { html, nothing, type TemplateResult } from "lit/html.js";
import type { Action, Dialog } from "../state/dialogs.ts";
import type { Inspector } from "../state/inspector.ts";
import { errorNote } from "./error-note.ts";
import { field, jsonArea } from "./form.ts";
import { shortId } from "./format.ts";
import { icon } from "./icon.ts";

const keys: readonly (readonly [keys: readonly (string | TemplateResult)[], what: string])[] = [
  [["/"], "search runs"],
  [[icon("up"), icon("down")], "move through runs, steps, events or the state"],
  [[icon("enter")], "open a run, or select a step"],
  [[icon("left"), icon("right")], "collapse or expand a branch of the state"],
  [["[", "]"], "previous or next checkpoint"],
  [["Esc"], "go back to the runs, or close a dialog"],
  [["?"], "show this help"],
];

const mostText = 500_000;

/** The content of a dialog. Without an `action` it only shows something. */
interface Form {
  readonly title: string;
  readonly body: TemplateResult;
  readonly action?: Action;
  /** The label of the button that performs the action. */
  readonly submit?: string;
  readonly dismiss?: string;
  readonly isDangerous?: boolean;
  readonly isWide?: boolean;
}

/** The open dialog, and the notice at the bottom. */
export function dialogView(app: Inspector): TemplateResult {
  const { open, notice } = app.dialogs;
  return html`${open === undefined ? nothing : dialog(app, formOf(app, open))}
      <div class="notice" role="status" ?data-shown=${notice !== undefined}>${notice ?? nothing}</div>`;
}

/** A form whose button performs an action. */
const asks = (action: Action, title: string, submit: string, body: TemplateResult, more: Partial<Form> = {}): Form => ({
  ...{ action, title, submit, body },
  ...more,
});

function formOf(app: Inspector, dialog: Dialog): Form {
  const { fieldError } = app.dialogs;
  switch (dialog.kind) {
    case "help":
      return {
        title: "Keyboard shortcuts",
        body: html`<dl class="keys-list">${keys.map(([names, what]) => html`<div><dt>${names.map((name) => html`<kbd>${name}</kbd>`)}</dt><dd>${what}</dd></div>`)}</dl>`,
      };
    case "problem":
      return { title: dialog.title, body: errorNote(dialog.problem) };
    case "value": {
      const text = typeof dialog.value === "string" ? dialog.value : JSON.stringify(dialog.value, null, 2);
      return {
        title: dialog.path,
        isWide: true,
        body: html`<pre class="whole-value" tabindex="0">${text.slice(0, mostText)}</pre>`,
      };
    }
    case "start":
      return asks(
        dialog,
        "Start a run",
        "Start",
        html`
        ${skillField(app)}
        ${jsonArea("Inputs", "inputs", "{\n  \n}", fieldError)}
        ${newIdField("Run id")}`,
      );
    case "resume":
      return asks(
        dialog,
        "Resume the run",
        "Resume",
        html`${fromCheckpoint(dialog.checkpointId)}
        <p>The same run continues from this checkpoint. Steps that are completed in it are not executed again; later steps are.
        ${dialog.skipped > 0 ? html`<b>${dialog.skipped === 1 ? "The checkpoint after it stays in the history but is" : `The ${dialog.skipped} checkpoints after it stay in the history but are`} not used.</b>` : nothing}</p>`,
      );
    case "replay":
      return asks(
        dialog,
        "Replay from a checkpoint",
        "Replay",
        html`${fromCheckpoint(dialog.checkpointId)}
        <p>A new run executes from this checkpoint. This run does not change. Recorded effects are reused if their policy allows it.</p>
        ${newIdField("Id of the new run")}`,
      );
    case "fork":
      return asks(
        dialog,
        "Fork from a checkpoint",
        "Fork",
        html`${fromCheckpoint(dialog.checkpointId)}
        <p>A new run starts from this checkpoint and executes nothing until you resume it. Changes to inputs and vars apply to the new run only.</p>
        <div class="columns">${jsonArea("Inputs", "inputs", dialog.inputs, fieldError)}${jsonArea("Vars", "vars", dialog.vars, fieldError)}</div>
        ${newIdField("Id of the new run")}`,
        { isWide: true },
      );
    case "approve":
      return asks(
        dialog,
        "Approve",
        "Approve",
        html`<p>The run continues with <span class="mono">${dialog.stepId}</span>. Its effects may be irreversible.</p>
        ${dialog.asksData ? jsonArea("Answer", "data", "", fieldError) : nothing}${gateFields}`,
      );
    case "deny":
      return asks(
        dialog,
        "Deny, and cancel the run",
        "Deny",
        html`<p><span class="mono">${dialog.stepId}</span> is not executed, and the run is canceled. To continue it later, resume it from a checkpoint.</p>${gateFields}`,
        { isDangerous: true },
      );
    case "signal":
      return asks(
        dialog,
        "Send a signal",
        "Send",
        html`<p>One step of the run consumes the signal, now or when the run reaches it.</p>
        ${field("Name", html`<input name="name" required .value=${dialog.name} autocomplete="off" spellcheck="false" maxlength="200" />`)}
        ${jsonArea("Payload", "payload", "null", fieldError)}`,
      );
    case "cancel":
      return asks(
        dialog,
        "Cancel the run?",
        "Cancel the run",
        html`<p><span class="mono">${shortId(dialog.runId, 48)}</span> stops. A step in progress is aborted; its effects so far remain. You can resume a canceled run from a checkpoint.</p>`,
        { dismiss: "Keep it", isDangerous: true },
      );
    case "delete":
      return asks(
        dialog,
        "Delete the run?",
        "Delete permanently",
        html`<p>This erases all stored data of <span class="mono">${shortId(dialog.runId, 48)}</span>: its history, its ${dialog.checkpoints} checkpoints and its result. <b>This cannot be undone.</b> Its forks and replays are kept.</p>`,
        { dismiss: "Keep it", isDangerous: true },
      );
  }
}

function dialog({ dialogs }: Inspector, form: Form): TemplateResult {
  const { title, action, submit, isDangerous = false, isWide = false } = form;
  const { dismiss = submit === undefined ? "Close" : "Not now" } = form;
  const { isBusy, problem } = dialogs;
  const onClick = ({ target, currentTarget }: Event) => {
    // A click on the dialog element itself is on its backdrop. A form stays open, so that a slip does not lose what was
    // filled in.
    if (target === currentTarget && action === undefined) dialogs.dismiss();
  };
  const onSubmit = async (event: SubmitEvent) => {
    event.preventDefault();
    const element = event.target as HTMLFormElement;
    if (action === undefined || dialogs.isBusy || !element.reportValidity()) return;
    await dialogs.submit(action, new FormData(element));
    const { fieldError } = dialogs;
    if (fieldError !== undefined) element.querySelector<HTMLElement>(`[name="${fieldError.name}"]`)?.focus();
  };
  return html`<dialog aria-labelledby="dialog-title" ?data-wide=${isWide} ${ref(dialogs.attach)} @close=${() => dialogs.close()}
      @cancel=${(event: Event) => dialogs.isBusy && event.preventDefault()} @click=${onClick}>
      <form @submit=${onSubmit} novalidate>
        <header><h2 id="dialog-title">${title}</h2><button type="button" class="ghosted" aria-label="Close" @click=${() => dialogs.close()}>${icon("close")}</button></header>
        <div class="content">${form.body}${problem === undefined ? nothing : errorNote(problem)}</div>
        <footer><button type="button" @click=${() => dialogs.close()} ?autofocus=${isDangerous || submit === undefined}>${dismiss}</button>
          ${submit === undefined ? nothing : html`<button type="submit" class=${isDangerous ? "primary danger" : "primary"} ?disabled=${isBusy} aria-busy=${isBusy}>${isBusy ? "Working…" : submit}</button>`}</footer>
      </form>
    </dialog>`;
}

function skillField({ skills }: Inspector): TemplateResult {
  if (skills.length === 0) {
    return field("Skill", html`<input name="skill_id" required autocomplete="off" spellcheck="false" />`);
  }
  const options = skills.map(({ skill_id: id }) => html`<option value=${id}>${id}</option>`);
  const note = skills.length === 1 ? (skills[0]?.description ?? "") : "";
  return field("Skill", html`<select name="skill_id">${options}</select>`, note);
}

function newIdField(label: string): TemplateResult {
  return field(
    label,
    html`<input name="run_id" autocomplete="off" spellcheck="false" placeholder="generated if empty" maxlength="200" />`,
  );
}

const gateFields = html`${field("Your name", html`<input name="approver" autocomplete="name" />`)}
        ${field("Note", html`<textarea name="notes" rows="3" class="note"></textarea>`)}`;

function fromCheckpoint(id: string): TemplateResult {
  return html`<p class="from-checkpoint"><span>From the checkpoint</span> <span class="mono">${id}</span></p>`;
}
