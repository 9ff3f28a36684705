import { FieldError } from "./form.ts";
import { type Problem, problemOf } from "./problem.ts";
import type { Json } from "./wire.ts";

/** What is done to a run, or makes one, once a dialog has been filled in and confirmed. */
export type Action =
  | { readonly kind: "start" }
  /** `skipped` checkpoints come after this one, and are not used. */
  | { readonly kind: "resume"; readonly runId: string; readonly checkpointId: string; readonly skipped: number }
  | { readonly kind: "replay"; readonly runId: string; readonly checkpointId: string }
  /** With the inputs and vars of the checkpoint, as texts of JSON. */
  | {
      readonly kind: "fork";
      readonly runId: string;
      readonly checkpointId: string;
      readonly inputs: string;
      readonly vars: string;
    }
  | { readonly kind: "approve" | "deny"; readonly runId: string; readonly stepId: string }
  | { readonly kind: "signal"; readonly runId: string; readonly name: string }
  | { readonly kind: "cancel"; readonly runId: string }
  | { readonly kind: "delete"; readonly runId: string; readonly checkpoints: number };

/** What a dialog is about. What is no action only shows something. */
export type Dialog =
  | Action
  | { readonly kind: "help" }
  | { readonly kind: "problem"; readonly title: string; readonly problem: Problem }
  | { readonly kind: "value"; readonly path: string; readonly value: Json };

/** Does what a dialog was confirmed for, and resolves with what was done. The key is the same whenever it is tried again. */
export type Perform = (action: Action, data: FormData, idempotencyKey: () => string) => Promise<string>;

const noticeMs = 8_000;

/** The one dialog that may be open, and the notice at the bottom. */
export class Dialogs {
  open: Dialog | undefined;
  isBusy = false;
  /** Why it could not be done. */
  problem: Problem | undefined;
  fieldError: FieldError | undefined;
  notice: string | undefined;
  readonly #update: () => void;
  readonly #perform: Perform;
  #element: HTMLDialogElement | undefined;
  #key: string | undefined;
  #noticeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(update: () => void, perform: Perform) {
    this.#update = update;
    this.#perform = perform;
  }

  /** For the directive `ref` of the dialog's element. */
  readonly attach = (element?: Element): void => {
    this.#element = element instanceof HTMLDialogElement ? element : undefined;
    // Modal: the rest of the page is inert, Escape closes it, and the focus goes back to where it was.
    queueMicrotask(() => {
      if (this.#element?.isConnected && !this.#element.open) this.#element.showModal();
    });
  };

  show(dialog: Dialog): void {
    this.open = dialog;
    this.problem = undefined;
    this.fieldError = undefined;
    this.isBusy = false;
    this.#key = undefined;
    this.#update();
  }

  /** Shows what was done, for some seconds. */
  say(text: string): void {
    this.notice = text;
    clearTimeout(this.#noticeTimer);
    this.#noticeTimer = setTimeout(() => {
      this.notice = undefined;
      this.#update();
    }, noticeMs);
    this.#update();
  }

  copy(text: string): void {
    navigator.clipboard.writeText(text).then(
      () => this.say("Copied."),
      () => this.show({ kind: "value", path: "Copy it from here", value: text }),
    );
  }

  /** Closes what is open, unless it is being done. */
  dismiss(): void {
    if (this.open !== undefined && !this.isBusy) this.close();
  }

  close(): void {
    this.#element?.close();
    this.open = undefined;
    this.#update();
  }

  async submit(action: Action, data: FormData): Promise<void> {
    if (this.isBusy) return;
    this.problem = undefined;
    this.fieldError = undefined;
    this.isBusy = true;
    this.#update();
    try {
      const done = await this.#perform(action, data, () => (this.#key ??= crypto.randomUUID()));
      this.isBusy = false;
      if (this.open === action) this.close();
      this.say(done);
    } catch (thrown) {
      this.isBusy = false;
      if (thrown instanceof FieldError) this.fieldError = thrown;
      else this.problem = problemOf(thrown);
      this.#update();
    }
  }
}
