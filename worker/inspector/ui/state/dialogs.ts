import { FieldError } from "./form.ts";
import { type Problem, problemOf } from "./problem.ts";
import type { Json } from "./wire.ts";

/** An action on a run, or one that creates a run. It is performed when its dialog is submitted. */
export type Action =
  | { readonly kind: "start" }
  /** `skipped` is the number of later checkpoints, which are not used. */
  | { readonly kind: "resume"; readonly runId: string; readonly checkpointId: string; readonly skipped: number }
  | { readonly kind: "replay"; readonly runId: string; readonly checkpointId: string }
  /** `inputs` and `vars` are those of the checkpoint, as JSON text. */
  | {
      readonly kind: "fork";
      readonly runId: string;
      readonly checkpointId: string;
      readonly inputs: string;
      readonly vars: string;
    }
  /** `asksData` if the gate takes data. */
  | { readonly kind: "approve"; readonly runId: string; readonly stepId: string; readonly asksData: boolean }
  | { readonly kind: "deny"; readonly runId: string; readonly stepId: string }
  | { readonly kind: "signal"; readonly runId: string; readonly name: string }
  | { readonly kind: "cancel"; readonly runId: string }
  | { readonly kind: "delete"; readonly runId: string; readonly checkpoints: number };

/** What a dialog shows. A dialog that is not an action has nothing to submit. */
export type Dialog =
  | Action
  | { readonly kind: "help" }
  | { readonly kind: "problem"; readonly title: string; readonly problem: Problem }
  | { readonly kind: "value"; readonly path: string; readonly value: Json };

/** Performs the action of a dialog and resolves with a message. Every retry uses the same idempotency key. */
export type Perform = (action: Action, data: FormData, idempotencyKey: () => string) => Promise<string>;

const noticeMs = 8_000;

/** The one dialog that can be open, and the notice at the bottom. */
export class Dialogs {
  open: Dialog | undefined;
  isBusy = false;
  /** Why the action failed. */
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

  /** For the `ref` directive on the dialog element. */
  readonly attach = (element?: Element): void => {
    this.#element = element instanceof HTMLDialogElement ? element : undefined;
    // Modal: the rest of the page is inert, Escape closes the dialog, and the focus returns to where it was.
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

  /** Shows the message of an action for a few seconds. */
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
      () => this.show({ kind: "value", path: "Copy this text", value: text }),
    );
  }

  /** Closes the open dialog, unless its action is in progress. */
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
