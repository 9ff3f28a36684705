import { html, nothing, type TemplateResult } from "lit/html.js";
import type { ApiError } from "./api.ts";

/** What the service said, as it said it. */
export function errorNote(error: ApiError): TemplateResult {
  return html`<div class="problem" role="alert">
    <p><b>${error.message}</b></p>
    ${error.hint === undefined ? nothing : html`<p>${error.hint}</p>`}
    <p class="facts"><span class="mono">${error.code}</span>${error.status === 0 ? nothing : html`<span>HTTP ${error.status}</span>`}${error.traceId === undefined ? nothing : html`<span>trace <span class="mono">${error.traceId}</span></span>`}</p>
  </div>`;
}
