import { html, nothing, type TemplateResult } from "lit/html.js";
import type { Inspector } from "../state/inspector.ts";
import type { Change, ComparisonAnswer, Json } from "../state/wire.ts";
import { plural } from "./format.ts";
import { icon } from "./icon.ts";

const mostLines = 12;

const signs = { add: "+", remove: "−", replace: "~" } as const;
const words = { add: "added", remove: "removed", replace: "changed" } as const;

/** The changes of the state since the previous checkpoint. */
export function diffView(
  app: Inspector,
  { changes, from }: ComparisonAnswer,
  shown: number,
  showMore: () => void,
): TemplateResult {
  if (changes.length === 0) {
    return html`<div class="empty small">${from === null ? "This is the first checkpoint." : "The state did not change."}</div>`;
  }
  return html`<div class="diff" tabindex="0" role="region" aria-label="Changes since the previous checkpoint">
    <p class="against">Since <span class="mono">${from ?? "the beginning"}</span></p>
    <ul>
      ${changes.slice(0, shown).map((change) => entry(app, change))}
    </ul>
    ${changes.length > shown ? html`<button class="more" @click=${showMore}>Show more (${plural(changes.length - shown, "further change")})</button>` : nothing}
  </div>`;
}

function entry(app: Inspector, change: Change): TemplateResult {
  const { op, path, before, after } = change;
  return html`<li class="change" data-op=${op}>
    <div class="path"><i aria-hidden="true">${signs[op]}</i><span class="unseen">${words[op]}</span>${crumbs(path)}
      <button class="ghosted whole" aria-label="Show the whole change of ${path}" title="Show the whole value" @click=${() => app.dialogs.show({ kind: "value", path, value: (op === "remove" ? before : after) ?? null })}>${icon("expand")}</button></div>
    ${op === "add" ? nothing : side("before", before)}${op === "remove" ? nothing : side("after", after)}
  </li>`;
}

function crumbs(path: string): TemplateResult {
  const names = path
    .split("/")
    .slice(1)
    .map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
  const last = names.pop() ?? "";
  return html`<code>${names.map((name) => html`${name}<s>›</s>`)}<b>${last === "" ? "(the whole state)" : last}</b></code>`;
}

function side(which: "before" | "after", value: Json | undefined): TemplateResult {
  const text = JSON.stringify(value ?? null, null, 2);
  const lines = text.split("\n");
  const shown = lines.slice(0, mostLines).map((line) => (line.length > 400 ? `${line.slice(0, 400)}…` : line));
  const rest = lines.length - shown.length;
  return html`<pre data-side=${which}><span class="unseen">${which}: </span>${shown.join("\n")}${rest > 0 ? `\n… ${plural(rest, "more line")}` : ""}</pre>`;
}
