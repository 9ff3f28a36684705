import { ref } from "lit/directives/ref.js";
import { html, nothing, type TemplateResult } from "lit/html.js";
import { type ApiError, runPath } from "./api.ts";
import { type App, asApiError } from "./app.ts";
import { type DialogForm, FieldError, field, jsonArea, jsonOf, optional, pretty } from "./dialog-form.ts";
import { errorNote } from "./error-note.ts";
import { shortId } from "./format.ts";
import { icon } from "./icon.ts";
import type { RunPage } from "./run-page.ts";
import type { Json, JsonObject, RunAnswer } from "./wire.ts";

const keys: readonly (readonly [keys: readonly (string | TemplateResult)[], what: string])[] = [
  [["/"], "search the runs"],
  [[icon("up"), icon("down")], "move through runs, steps, events or the state"],
  [[icon("enter")], "open the run, or choose the step"],
  [[icon("left"), icon("right")], "close and open a branch of the state"],
  [["[", "]"], "the checkpoint before, the next one"],
  [["Esc"], "back to the runs, close a dialog"],
  [["?"], "this help"],
];

/** The one dialog that may be open, and the notice at the bottom. */
export class Dialogs {
  readonly #app: App;
  #form: DialogForm | undefined;
  #isBusy = false;
  #error: ApiError | undefined;
  #fieldError: FieldError | undefined;
  #element: HTMLDialogElement | undefined;
  #notice: string | undefined;
  #noticeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(app: App) {
    this.#app = app;
  }

  get isOpen(): boolean {
    return this.#form !== undefined;
  }

  render(): TemplateResult {
    return html`${this.#form === undefined ? nothing : this.#dialog(this.#form)}
      <div class="notice" role="status" ?data-shown=${this.#notice !== undefined}>${this.#notice ?? nothing}</div>`;
  }

  /** Tells what was done, for some seconds. */
  say(text: string): void {
    this.#notice = text;
    clearTimeout(this.#noticeTimer);
    this.#noticeTimer = setTimeout(() => {
      this.#notice = undefined;
      this.#app.update();
    }, 8_000);
    this.#app.update();
  }

  copy(text: string): void {
    navigator.clipboard.writeText(text).then(
      () => this.say("Copied."),
      () => this.openValue("Copy it from here", text),
    );
  }

  openHelp(): void {
    this.#open({
      title: "Keys",
      body: () =>
        html`<dl class="keys-list">${keys.map(([names, what]) => html`<div><dt>${names.map((name) => html`<kbd>${name}</kbd>`)}</dt><dd>${what}</dd></div>`)}</dl>`,
    });
  }

  openError(title: string, error: ApiError): void {
    this.#open({ title, body: () => errorNote(error) });
  }

  openValue(path: string, value: Json): void {
    const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
    this.#open({
      title: path,
      isWide: true,
      body: () => html`<pre class="whole-value" tabindex="0">${text.slice(0, 500_000)}</pre>`,
    });
  }

  openStart(): void {
    const { skills } = this.#app;
    const idempotencyKey = crypto.randomUUID();
    this.#open({
      title: "Start a run",
      submit: "Start",
      body: () => html`
        ${
          skills.length > 0
            ? field(
                "Skill",
                html`<select name="skill_id">${skills.map(({ skill_id: id }) => html`<option value=${id}>${id}</option>`)}</select>`,
                skills.length === 1 ? (skills[0]?.description ?? "") : "",
              )
            : field("Skill", html`<input name="skill_id" required autocomplete="off" spellcheck="false" />`)
        }
        ${jsonArea("Inputs", "inputs", "{\n  \n}", this.#fieldError)}
        ${field("Run id", html`<input name="run_id" autocomplete="off" spellcheck="false" placeholder="made up where empty" maxlength="200" />`)}`,
      run: async (data) => {
        const body = { skill_id: data.get("skill_id"), inputs: jsonOf(data, "inputs"), ...optional(data, "run_id") };
        const { value } = await this.#post<RunAnswer>("/v1/runs", body, { "idempotency-key": idempotencyKey });
        this.#goTo(value.run_id);
        return "The run was started.";
      },
    });
  }

  openResume(page: RunPage, checkpointId: string): void {
    const idempotencyKey = crypto.randomUUID();
    const skipped = page.log.checkpoints.length - 1 - page.place;
    this.#open({
      title: "Resume the run",
      submit: "Resume",
      body: () => html`${fromCheckpoint(checkpointId)}
        <p>The same run goes on from this checkpoint: what is completed in it is not executed again, what comes after is.
        ${page.place >= 0 && skipped > 0 ? html`<b>The ${skipped === 1 ? "checkpoint" : `${skipped} checkpoints`} after it stay in the history, and are not used.</b>` : nothing}</p>`,
      run: async () => {
        const body = { checkpoint_id: checkpointId };
        const { value } = await this.#post<{ run: RunAnswer }>(runPath(page.runId, "/resume"), body, {
          "idempotency-key": idempotencyKey,
        });
        page.feed.took(value.run);
        this.#app.go({ page: "run", runId: page.runId, tab: page.tab }, "replace");
        return "The run was resumed.";
      },
    });
  }

  openReplay(page: RunPage, checkpointId: string): void {
    const idempotencyKey = crypto.randomUUID();
    this.#open({
      title: "Replay from a checkpoint",
      submit: "Replay",
      body: () => html`${fromCheckpoint(checkpointId)}
        <p>A new run executes from this checkpoint. This run stays as it is. Recorded effects are used again where their policy says so.</p>
        ${field("Id of the new run", html`<input name="run_id" autocomplete="off" spellcheck="false" placeholder="made up where empty" maxlength="200" />`)}`,
      run: async (data) => {
        const body = { checkpoint_id: checkpointId, ...optional(data, "run_id") };
        const { value } = await this.#post<{ run: RunAnswer }>(runPath(page.runId, "/replay"), body, {
          "idempotency-key": idempotencyKey,
        });
        this.#goTo(value.run.run_id);
        return "The replay was started.";
      },
    });
  }

  openFork(page: RunPage, checkpointId: string, state: JsonObject | undefined): void {
    const idempotencyKey = crypto.randomUUID();
    const inputs = pretty(state?.inputs ?? {});
    const vars = pretty(state?.vars ?? {});
    this.#open({
      title: "Fork from a checkpoint",
      submit: "Fork",
      isWide: true,
      body: () => html`${fromCheckpoint(checkpointId)}
        <p>A new run stands on this checkpoint and executes nothing until it is resumed. What you change here is its first step away from its source.</p>
        <div class="columns">${jsonArea("Inputs", "inputs", inputs, this.#fieldError)}${jsonArea("Vars", "vars", vars, this.#fieldError)}</div>
        ${field("Id of the new run", html`<input name="run_id" autocomplete="off" spellcheck="false" placeholder="made up where empty" maxlength="200" />`)}`,
      run: async (data) => {
        const edit = {
          ...(data.get("inputs") === inputs ? {} : { inputs: jsonOf(data, "inputs") }),
          ...(data.get("vars") === vars ? {} : { vars: jsonOf(data, "vars") }),
        };
        const body = {
          checkpoint_id: checkpointId,
          ...optional(data, "run_id"),
          ...(Object.keys(edit).length === 0 ? {} : { edit }),
        };
        const { value } = await this.#post<{ run: RunAnswer }>(runPath(page.runId, "/fork"), body, {
          "idempotency-key": idempotencyKey,
        });
        this.#goTo(value.run.run_id);
        return "The fork was made. It begins when it is resumed.";
      },
    });
  }

  openGate(page: RunPage, run: RunAnswer, decision: "approve" | "deny"): void {
    const idempotencyKey = crypto.randomUUID();
    const stepId = run.approval_request?.step_id;
    const isDenial = decision === "deny";
    this.#open({
      title: isDenial ? "Deny, and cancel the run" : "Approve",
      submit: isDenial ? "Deny" : "Approve",
      isDangerous: isDenial,
      body: () => html`<p>${isDenial ? html`<span class="mono">${stepId}</span> is not executed, and the run is canceled. It can only be resumed by hand then.` : html`The run goes on with <span class="mono">${stepId}</span>. What it does may not be taken back.`}</p>
        ${field("Your name", html`<input name="approver" autocomplete="name" />`)}
        ${field("Note", html`<textarea name="notes" rows="3" class="note"></textarea>`)}`,
      run: async (data) => {
        const body = {
          ...optional(data, "approver"),
          ...optional(data, "notes"),
          ...(stepId === undefined ? {} : { step_id: stepId }),
        };
        const path = runPath(page.runId, `/${decision}`);
        const { value } = await this.#post<RunAnswer | { run: RunAnswer }>(path, body, {
          "idempotency-key": idempotencyKey,
        });
        page.feed.took("run" in value ? value.run : value);
        return isDenial ? "Denied. The run is canceled." : "Approved. The run goes on.";
      },
    });
  }

  openSignal(page: RunPage, _run: RunAnswer, name = ""): void {
    const idempotencyKey = crypto.randomUUID();
    this.#open({
      title: "Send a signal",
      submit: "Send",
      body: () => html`<p>One step of the run takes it, now or when it comes to it.</p>
        ${field("Name", html`<input name="name" required .value=${name} autocomplete="off" spellcheck="false" maxlength="200" />`)}
        ${jsonArea("Payload", "payload", "null", this.#fieldError)}`,
      run: async (data) => {
        const body = { name: data.get("name"), payload: jsonOf(data, "payload") };
        const { value } = await this.#post<RunAnswer>(runPath(page.runId, "/signal"), body, {
          "idempotency-key": idempotencyKey,
        });
        page.feed.took(value);
        return "The signal was sent.";
      },
    });
  }

  openCancel(page: RunPage, run: RunAnswer): void {
    this.#open({
      title: "Cancel the run?",
      submit: "Cancel the run",
      dismiss: "Keep it",
      isDangerous: true,
      body: () =>
        html`<p><span class="mono">${shortId(run.run_id, 48)}</span> stops. A step that is under way is told to end; what it has done already stays done. A canceled run can be resumed by hand.</p>`,
      run: async () => {
        const { value } = await this.#post<RunAnswer>(runPath(page.runId, "/cancel"));
        page.feed.took(value);
        return "The run was canceled.";
      },
    });
  }

  openDelete(page: RunPage, run: RunAnswer): void {
    this.#open({
      title: "Delete the run?",
      submit: "Delete for good",
      dismiss: "Keep it",
      isDangerous: true,
      body: () =>
        html`<p>All that is stored of <span class="mono">${shortId(run.run_id, 48)}</span> is erased: its history, its ${page.log.checkpoints.length} checkpoints and its result. <b>This cannot be undone.</b> Its forks and replays stay.</p>`,
      run: async () => {
        await this.#app.api.call(runPath(page.runId), { method: "DELETE" });
        page.stop();
        this.#app.go({ page: "runs" });
        return "The run was deleted.";
      },
    });
  }

  #post<T>(path: string, body: unknown = {}, headers: Readonly<Record<string, string>> = {}) {
    return this.#app.api.call<T>(path, { method: "POST", body, headers });
  }

  #goTo(runId: string): void {
    this.#app.go({ page: "run", runId, tab: "timeline" });
  }

  #open(form: DialogForm): void {
    this.#form = form;
    this.#error = undefined;
    this.#fieldError = undefined;
    this.#isBusy = false;
    this.#app.update();
  }

  /** Closes what is open, unless it is being done. */
  dismiss(): void {
    if (this.#form !== undefined && !this.#isBusy) this.#close();
  }

  #close(): void {
    this.#element?.close();
    this.#form = undefined;
    this.#app.update();
  }

  readonly #attach = (element?: Element): void => {
    if (!(element instanceof HTMLDialogElement)) {
      this.#element = undefined;
      return;
    }
    this.#element = element;
    // Modal: the rest of the page is inert, Escape closes it, and the focus goes back to where it was.
    if (!element.open) queueMicrotask(() => element.isConnected && !element.open && element.showModal());
  };

  #dialog(form: DialogForm): TemplateResult {
    const {
      title,
      submit,
      dismiss = submit === undefined ? "Close" : "Not now",
      isDangerous = false,
      isWide = false,
    } = form;
    return html`<dialog aria-labelledby="dialog-title" ?data-wide=${isWide} ${ref(this.#attach)} @close=${() => this.#close()}
      @cancel=${(event: Event) => this.#isBusy && event.preventDefault()}
      @click=${(event: Event) => event.target === this.#element && !this.#isBusy && submit === undefined && this.#close()}>
      <form @submit=${(event: SubmitEvent) => void this.#submit(event, form)} novalidate>
        <header><h2 id="dialog-title">${title}</h2><button type="button" class="ghosted" aria-label="Close" @click=${() => this.#close()}>${icon("close")}</button></header>
        <div class="content">${form.body()}${this.#error === undefined ? nothing : errorNote(this.#error)}</div>
        <footer><button type="button" @click=${() => this.#close()} ?autofocus=${isDangerous || submit === undefined}>${dismiss}</button>
          ${submit === undefined ? nothing : html`<button type="submit" class=${isDangerous ? "primary danger" : "primary"} ?disabled=${this.#isBusy} aria-busy=${this.#isBusy}>${this.#isBusy ? "Working…" : submit}</button>`}</footer>
      </form>
    </dialog>`;
  }

  async #submit(event: SubmitEvent, form: DialogForm): Promise<void> {
    event.preventDefault();
    const element = event.target as HTMLFormElement;
    if (form.run === undefined || this.#isBusy || !element.reportValidity()) return;
    this.#error = undefined;
    this.#fieldError = undefined;
    this.#isBusy = true;
    this.#app.update();
    try {
      const done = await form.run(new FormData(element));
      this.#isBusy = false;
      if (this.#form === form) this.#close();
      this.say(done);
    } catch (thrown) {
      this.#isBusy = false;
      if (thrown instanceof FieldError) {
        this.#fieldError = thrown;
        element.querySelector<HTMLElement>(`[name="${thrown.name}"]`)?.focus();
      } else this.#error = asApiError(thrown);
      this.#app.update();
    }
  }
}

function fromCheckpoint(id: string): TemplateResult {
  return html`<p class="from-checkpoint"><span>From the checkpoint</span> <span class="mono">${id}</span></p>`;
}
