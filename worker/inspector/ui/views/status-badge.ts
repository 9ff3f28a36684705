import { html, type SVGTemplateResult, svg, type TemplateResult } from "lit/html.js";
import { standingOf } from "../state/standing.ts";
import type { RunAnswer, Status } from "../state/wire.ts";

const ring = svg`<circle cx="8" cy="8" r="6.25" fill="none" stroke="currentColor" stroke-width="1.5"></circle>`;
const disc = svg`<circle cx="8" cy="8" r="7" fill="currentColor"></circle>`;
const stroke = (d: string) => svg`<path class="ink" d=${d}></path>`;

// The shape repeats what the color says, for readers who cannot see the color.
const glyphs: Readonly<Record<Status, SVGTemplateResult>> = {
  pending: svg`<circle cx="8" cy="8" r="6.25" fill="none" stroke="currentColor" stroke-width="1.5" stroke-dasharray="2.6 2.3"></circle>`,
  running: svg`<circle cx="8" cy="8" r="6.25" fill="none" stroke="currentColor" stroke-opacity=".28" stroke-width="1.75"></circle>
    <path class="spin" d="M8 1.75a6.25 6.25 0 0 1 6.25 6.25" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round"></path>`,
  waiting_for_human: svg`${disc}${stroke("M8 4.4v4.1M8 11.3v.1")}`,
  waiting_for_signal: svg`${ring}${svg`<circle cx="8" cy="8" r="2.2" fill="currentColor"></circle>`}`,
  replaying: svg`<path d="M13.6 6A6.1 6.1 0 1 0 14 9.4M13.9 2.6V6.2H10.3" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"></path>`,
  completed: svg`${disc}${stroke("M4.9 8.3l2.1 2.1 4.1-4.6")}`,
  failed: svg`${disc}${stroke("M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8")}`,
  canceled: svg`${ring}${svg`<path d="M4 12L12 4" stroke="currentColor" stroke-width="1.5"></path>`}`,
};

function statusIcon(status: Status): TemplateResult {
  return html`<svg class="glyph" data-status=${status} viewBox="0 0 16 16" aria-hidden="true">${glyphs[status]}</svg>`;
}

/** How the run stands, as an icon and a few words. */
export function statusBadge(run: RunAnswer, now: number): TemplateResult {
  const { tone, name } = standingOf(run, now);
  return html`<span class="badge" data-status=${tone} title=${run.status}>${statusIcon(tone)}${name}</span>`;
}
