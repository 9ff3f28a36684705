import { html, nothing, type TemplateResult } from "lit/html.js";
import type { FieldError } from "../state/form.ts";

export function field(label: string, control: TemplateResult, note = ""): TemplateResult {
  return html`<label class="field"><span>${label}</span>${control}${note === "" ? nothing : html`<small>${note}</small>`}</label>`;
}

/** A text area for JSON. */
export function jsonArea(label: string, name: string, value: string, error: FieldError | undefined): TemplateResult {
  const isWrong = error?.name === name;
  return html`<label class="field"><span>${label} <small>JSON</small></span>
    <textarea class="mono" name=${name} rows=${Math.min(14, Math.max(4, value.split("\n").length + 1))} spellcheck="false" autocapitalize="off"
      aria-invalid=${isWrong} aria-describedby=${isWrong ? `${name}-error` : nothing} .defaultValue=${value}></textarea>
    ${isWrong ? html`<small class="wrong" id="${name}-error" role="alert">${error.message}</small>` : nothing}</label>`;
}
