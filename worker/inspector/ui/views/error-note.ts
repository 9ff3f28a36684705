import { html, nothing, type TemplateResult } from "lit/html.js";
import type { Problem } from "../state/problem.ts";

/** The message of the service, unchanged. */
export function errorNote({ code, message, hint, status, traceId }: Problem): TemplateResult {
  return html`<div class="problem" role="alert">
    <p><b>${message}</b></p>
    ${hint === undefined ? nothing : html`<p>${hint}</p>`}
    <p class="facts"><span class="mono">${code}</span>${status === undefined ? nothing : html`<span>HTTP ${status}</span>`}${traceId === undefined ? nothing : html`<span>trace <span class="mono">${traceId}</span></span>`}</p>
  </div>`;
}
