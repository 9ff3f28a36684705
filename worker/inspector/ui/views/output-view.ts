import { html, nothing, type TemplateResult } from "lit/html.js";
import type { OutputPanel, OutputPart } from "../state/output-panel.ts";
import type { LoggedChunk } from "../state/run-log.ts";
import type { Json } from "../state/wire.ts";
import { clock, plural } from "./format.ts";

/** The longest text of a value that is no text itself, in characters. */
const mostText = 2_000;

/** The output of a step, oldest first, and what it has published. The end stays in view. */
export function outputView(output: OutputPanel): TemplateResult {
  const { steps, stepId, parts, earlier, published } = output;
  return html`<div class="output" tabindex="0" role="region" aria-label="Output of ${stepId}"><div>
    <p class="against">${
      steps.length > 1
        ? html`<label>Output of <select aria-label="Step" @change=${(event: Event) => output.choose((event.target as HTMLSelectElement).value)}>
            ${steps.map((step) => html`<option value=${step} ?selected=${step === stepId}>${step}</option>`)}</select></label>`
        : html`Output of <span class="mono">${stepId}</span>`
    }</p>
    ${earlier === 0 ? nothing : html`<button class="more" @click=${() => output.showEarlier()}>Earlier (${plural(earlier, "chunk")})</button>`}
    ${parts.map((part, index) => partView(part, index > 0))}
    ${
      published.length === 0
        ? nothing
        : html`<h3>Published</h3><p class="against">Shown live, and not stored.</p>
          <ol class="published">${published.map(({ iso, value }) => html`<li><time datetime=${iso}>${clock(iso)}</time><code>${textOf(value)}</code></li>`)}</ol>`
    }
  </div></div>`;
}

function partView({ part, chunks }: OutputPart, isAnew: boolean): TemplateResult {
  const attempt = part.split(".").at(-1);
  const [first] = chunks;
  return html`<h3>Attempt ${attempt}${isAnew ? ": the output begins anew" : ""}${first === undefined ? nothing : html` <time datetime=${first.iso}>${clock(first.iso)}</time>`}</h3>
    <pre class="chunks">${chunks.map(chunkView)}</pre>`;
}

// Texts are shown one after the other, as the tokens of a model are read.
function chunkView({ value, iso }: LoggedChunk): TemplateResult {
  return typeof value === "string"
    ? html`<span title=${clock(iso)}>${value}</span>`
    : html`<span class="value" title=${clock(iso)}>${textOf(value)}</span>`;
}

function textOf(value: Json): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > mostText ? `${text.slice(0, mostText)}…` : text;
}
