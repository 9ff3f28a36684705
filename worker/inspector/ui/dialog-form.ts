import { html, nothing, type TemplateResult } from "lit/html.js";
import type { Json } from "./wire.ts";

/** A dialog: what it says and asks, and what it does. Without `run` it only shows something. */
export interface DialogForm {
  readonly title: string;
  readonly body: () => TemplateResult;
  /** What the button says that does it. */
  readonly submit?: string;
  readonly dismiss?: string;
  readonly isDangerous?: boolean;
  readonly isWide?: boolean;
  /** Does it, and answers what was done. */
  readonly run?: (data: FormData) => Promise<string>;
}

/** What is wrong with what stands in a field. */
export class FieldError extends Error {
  override readonly name: string;

  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}

export function field(label: string, control: TemplateResult, note = ""): TemplateResult {
  return html`<label class="field"><span>${label}</span>${control}${note === "" ? nothing : html`<small>${note}</small>`}</label>`;
}

/** A field for JSON. */
export function jsonArea(label: string, name: string, value: string, error: FieldError | undefined): TemplateResult {
  const isWrong = error?.name === name;
  return html`<label class="field"><span>${label} <small>JSON</small></span>
    <textarea class="mono" name=${name} rows=${Math.min(14, Math.max(4, value.split("\n").length + 1))} spellcheck="false" autocapitalize="off"
      aria-invalid=${isWrong} aria-describedby=${isWrong ? `${name}-error` : nothing} .defaultValue=${value}></textarea>
    ${isWrong ? html`<small class="wrong" id="${name}-error" role="alert">${error.message}</small>` : nothing}</label>`;
}

/**
 * The JSON of a field.
 *
 * @throws FieldError where it is none.
 */
export function jsonOf(data: FormData, name: string): Json {
  const text = String(data.get(name) ?? "").trim();
  if (text === "") return {};
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new FieldError(name, `This is no JSON: ${error instanceof Error ? error.message : error}`);
  }
}

/** The field by its name, unless it is empty. */
export function optional(data: FormData, name: string): Readonly<Record<string, string>> {
  const text = String(data.get(name) ?? "").trim();
  return text === "" ? {} : { [name]: text };
}

export function pretty(value: Json): string {
  return JSON.stringify(value, null, 2);
}
