import { ref } from "lit/directives/ref.js";
import { repeat } from "lit/directives/repeat.js";
import { html, nothing, svg, type TemplateResult } from "lit/html.js";
import type { LoggedCheckpoint } from "../state/run-log.ts";
import { type RunPage, stepRowHeight } from "../state/run-page.ts";
import type { Segment, SegmentKind, StepRow, StepStatus, Timeline } from "../state/step-rows.ts";
import { isTerminal } from "../state/wire.ts";
import { duration } from "./format.ts";
import { icon } from "./icon.ts";
import { stepNames } from "./step-names.ts";
import { type Interval, lateFrom, type TimeScale, timeScale } from "./time-scale.ts";

/** Up to this many steps the axis shows the whole run; beyond it, the axis follows the steps in view. */
const wholeRunSteps = 60;
/** The approximate widths of a tick's text and of the step names. */
const tickPixels = 62;
const namesPixels = 200;

/** The steps of a run on one axis of time. */
export function timelineView(page: RunPage): TemplateResult {
  const { timeline, steps, run, app } = page;
  const rows = steps.rows(timeline.rows.length);
  const shown = rows.flatMap(({ index }) => timeline.rows[index] ?? []);
  const isLive = run !== undefined && !isTerminal(run.status) && run.status !== "pending";
  const now = isLive ? Math.max(app.now, timeline.to) : timeline.to;
  const zoom = page.zoom ?? (timeline.rows.length > wholeRunSteps ? "view" : "run");
  const scale = zoom === "run" ? wholeScale(timeline, now) : viewScale(shown, timeline, now);
  const chosen = page.log.checkpoints[page.place];
  const isRow = steps.active >= 0 && rows.some(({ index }) => index === steps.active);
  return html`<div class="timeline">
    <div class="axis">
      <div class="corner"><span>${timeline.count.toLocaleString("en")} ${timeline.count === 1 ? "step" : "steps"}</span>
        ${timeline.rows.length > 12 ? zoomSwitch(page, zoom) : nothing}</div>
      <div class="track" aria-hidden="true">
        ${scale.ticks(tickPixels / Math.max(steps.width - namesPixels, tickPixels)).map(({ at, ms }) => html`<span class="tick" ?data-late=${at > lateFrom} .style=${`left:${at * 100}%`}>${ms === 0 ? "0" : duration(ms)}</span>`)}
        ${checkpointMarks(page.log.checkpoints, scale, chosen, (checkpoint) => page.choose(page.log.checkpoints.indexOf(checkpoint)))}
      </div>
    </div>
    <div class="steps" role="grid" aria-label="Steps" tabindex="0" aria-rowcount=${timeline.rows.length} data-scroll
      aria-activedescendant=${isRow ? `step-${steps.active}` : nothing} ${ref(steps.attach)}>
      <div class="space" role="presentation" .style=${`height:${steps.height + (scale.folds.length > 0 ? 26 : 0)}px`}>
        <div class="lines" role="presentation" aria-hidden="true"><div class="track">
          ${scale.folds.map(({ at, width, ms }) => html`<div class="fold" title="No activity for ${duration(ms)}" .style=${`left:${at * 100}%;width:${width * 100}%`}><b>${duration(ms)}</b></div>`)}
          ${timeline.moments.slice(-40).map(({ at, type, label }) => (isInside(at, scale) ? html`<i class="moment" data-type=${type} title=${label} .style=${`left:${scale.at(at) * 100}%`}></i>` : nothing))}
          ${chosen !== undefined && isInside(chosen.at, scale) ? html`<i class="chosen" .style=${`left:${scale.at(chosen.at) * 100}%`}></i>` : nothing}
        </div></div>
        ${repeat(
          rows,
          ({ index }) => timeline.rows[index]?.stepId ?? index,
          ({ index, start }) => {
            const row = timeline.rows[index];
            return row === undefined ? nothing : stepRow(page, row, index, start, scale, now, chosen);
          },
        )}
      </div>
      ${timeline.rows.length === 0 ? html`<div class="empty small">No step has started.</div>` : nothing}
    </div>
    ${legend(timeline)}
  </div>`;
}

function stepRow(
  page: RunPage,
  row: StepRow,
  index: number,
  start: number,
  scale: TimeScale,
  now: number,
  chosen: LoggedCheckpoint | undefined,
): TemplateResult {
  const isChosen = chosen !== undefined && row.checkpoints.includes(chosen.id);
  const busy = row.segments.filter(({ kind }) => kind === "attempt" || kind === "failed" || kind === "now");
  const ms = busy.reduce((sum, { from, to = now }) => sum + to - from, 0);
  const end = row.segments.reduce((latest, { to = now }) => Math.max(latest, to), 0);
  const place = scale.at(end) * 100;
  const isReused = ms === 0 && row.marks.some(({ kind }) => kind === "reused");
  const items = row.map && `${row.map.done.toLocaleString("en")} of ${row.map.count.toLocaleString("en")}`;
  const failures = row.map?.failed ? `, ${row.map.failed.toLocaleString("en")} failed` : "";
  const undone = page.undoing?.steps.get(row.stepId);
  const label = `${row.stepId}: ${stepNames[row.status]}${undone === undefined ? "" : `, ${undone}`}${items === undefined ? "" : `, ${items} items completed${failures}`}${busy.length > 0 ? `, ${duration(ms)}` : ""}${row.attempts > 1 ? `, ${row.attempts} attempts` : ""}${row.error === undefined ? "" : `, ${row.error}`}`;
  return html`<div class="step" role="row" id="step-${index}" aria-rowindex=${index + 1} aria-selected=${isChosen} aria-expanded=${row.map === undefined ? nothing : row.map.isOpen} data-row
    ?data-map=${row.map !== undefined} ?data-undone=${undone === "undone"} ?data-item=${row.map === undefined && page.isItem(row)}
    ?data-active=${index === page.steps.active} .style=${`transform:translateY(${start}px);height:${stepRowHeight}px`} @click=${() => page.chooseStep(index)}>
    <span class="name" role="gridcell" title=${label}>${stepGlyph(row.status)}<b class="mono">${row.stepId}</b>${undone === undefined ? nothing : html`<small class="items">${undone}</small>`}${items === undefined ? nothing : html`<small class="items">${items}${failures}</small>`}${row.attempts > 1 ? html`<small title="${row.attempts} attempts">×${row.attempts}</small>` : nothing}<span class="unseen">, ${stepNames[row.status]}${items === undefined ? "" : ", items completed"}${row.attempts > 1 ? `, ${row.attempts} attempts` : ""}</span></span>
    <span class="track" role="gridcell">
      ${row.segments.map((segment) => bar(segment, scale, now))}
      ${row.marks.map(({ kind, at }) => html`<i class="mark" data-kind=${kind} title=${markNames[kind]} .style=${`left:${scale.at(at) * 100}%`}>${markSigns[kind]}<span class="unseen">${markNames[kind]}</span></i>`)}
      ${row.status === "carried" ? html`<span class="say">from the source run</span>` : row.status === "to_come" ? html`<span class="say">not started</span>` : nothing}
      ${busy.length > 0 && !isReused ? html`<span class="took number" ?data-left=${place > 82} .style=${place > 82 ? `right:${100 - scale.at(row.segments[0]?.from ?? end) * 100}%` : `left:${place}%`}>${duration(ms)}</span>` : nothing}
    </span>
  </div>`;
}

function bar(segment: Segment, scale: TimeScale, now: number): TemplateResult | typeof nothing {
  const { kind, from, to = now, note } = segment;
  if (to < scale.domain.from || from > scale.domain.to) return nothing;
  const [left, right] = [scale.at(from) * 100, scale.at(to) * 100];
  const title = `${segmentNames[kind]}: ${note}${to > from ? `, ${duration(to - from)}` : ""}`;
  return html`<i class="bar" data-kind=${kind} title=${title} .style=${`left:${left}%;width:${right - left}%`}></i>`;
}

function wholeScale({ rows, moments, from, to }: Timeline, now: number): TimeScale {
  const end = Math.max(now, to, from + 1);
  const busy = rows.flatMap((row) => activityOf(row, now));
  return timeScale({ from, to: end }, [...busy, ...moments.map(({ at }) => ({ from: at, to: at }))]);
}

function viewScale(rows: readonly StepRow[], timeline: Timeline, now: number): TimeScale {
  const busy = rows.flatMap((row) => activityOf(row, now));
  if (busy.length === 0) return wholeScale(timeline, now);
  const from = busy.reduce((least, interval) => Math.min(least, interval.from), Number.POSITIVE_INFINITY);
  const to = busy.reduce((most, interval) => Math.max(most, interval.to), 0);
  return timeScale({ from, to: Math.max(to, from + 1) }, busy);
}

// A wait is not activity, so it is folded.
function activityOf({ segments }: StepRow, now: number): readonly Interval[] {
  return segments.flatMap(({ kind, from, to = now }) => {
    const isWait = kind === "approval" || kind === "signal" || kind === "sleep" || kind === "backoff";
    return isWait
      ? [
          { from, to: from },
          { from: to, to },
        ]
      : [{ from, to }];
  });
}

const mostMarks = 120;

/** The checkpoints on the axis. One mark stands for several that are close together. */
function checkpointMarks(
  checkpoints: readonly LoggedCheckpoint[],
  scale: TimeScale,
  chosen: LoggedCheckpoint | undefined,
  choose: (checkpoint: LoggedCheckpoint) => void,
): readonly TemplateResult[] {
  const bins = new Map<number, { shown: LoggedCheckpoint; count: number; hasChosen: boolean }>();
  for (const checkpoint of checkpoints) {
    if (!isInside(checkpoint.at, scale)) continue;
    const bin = Math.round(scale.at(checkpoint.at) * mostMarks);
    const known = bins.get(bin);
    const isChosen = checkpoint === chosen;
    bins.set(bin, {
      shown: isChosen || known === undefined ? checkpoint : known.shown,
      count: (known?.count ?? 0) + 1,
      hasChosen: isChosen || (known?.hasChosen ?? false),
    });
  }
  return [...bins.values()].map(
    ({ shown, count, hasChosen }) => html`<i class="checkpoint" ?data-chosen=${hasChosen} ?data-many=${count > 1}
      title=${count > 1 ? `${count} checkpoints` : `${shown.kind}${shown.stepId === undefined ? "" : ` · ${shown.stepId}`}`}
      .style=${`left:${scale.at(shown.at) * 100}%`} @click=${() => choose(shown)}></i>`,
  );
}

function isInside(time: number, { domain }: TimeScale): boolean {
  return time >= domain.from && time <= domain.to;
}

function zoomSwitch(page: RunPage, zoom: "run" | "view"): TemplateResult {
  const choose = (next: "run" | "view") => {
    page.zoom = next;
    page.app.update();
  };
  return html`<span class="switch" role="group" aria-label="Axis">
    <button aria-pressed=${zoom === "run"} @click=${() => choose("run")}>All</button>
    <button aria-pressed=${zoom === "view"} title="Only the steps in view" @click=${() => choose("view")}>In view</button></span>`;
}

function legend({ rows }: Timeline): TemplateResult {
  const kinds = new Set<SegmentKind>();
  const marks = new Set<"reused" | "effect" | "signal">();
  for (const row of rows) {
    for (const { kind } of row.segments) kinds.add(kind);
    for (const { kind } of row.marks) marks.add(kind);
  }
  return html`<div class="legend" aria-hidden="true">
    ${[...kinds].map((kind) => html`<span><i class="bar" data-kind=${kind}></i>${segmentNames[kind]}</span>`)}
    ${[...marks].map((kind) => html`<span><i class="mark" data-kind=${kind}>${markSigns[kind]}</i>${markNames[kind]}</span>`)}
    <span><i class="checkpoint"></i>checkpoint</span>
  </div>`;
}

const segmentNames: Readonly<Record<SegmentKind, string>> = {
  attempt: "attempt",
  failed: "failed attempt",
  skipped: "skipped",
  backoff: "backoff",
  sleep: "sleep",
  approval: "waiting for approval",
  signal: "waiting for a signal",
  now: "running",
};

const markNames = {
  reused: "recorded effect reused",
  effect: "side effect recorded",
  signal: "signal delivered",
} as const;
const markSigns = { reused: icon("replay"), effect: icon("effect"), signal: icon("signal") } as const;

function stepGlyph(status: StepStatus): TemplateResult {
  const tone = tones[status];
  return html`<svg class="glyph" data-status=${tone} viewBox="0 0 16 16" aria-hidden="true">${
    tone === "completed"
      ? svg`<path d="M3.5 8.5l3 3 6-7" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"></path>`
      : tone === "failed"
        ? svg`<path d="M4.5 4.5l7 7M11.5 4.5l-7 7" stroke="currentColor" stroke-width="1.8" stroke-linecap="round"></path>`
        : tone === "running"
          ? svg`<path class="spin" d="M8 2.5a5.5 5.5 0 0 1 5.5 5.5" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round"></path>`
          : svg`<circle cx="8" cy="8" r="3" fill=${status === "to_come" || status === "carried" ? "none" : "currentColor"} stroke="currentColor" stroke-width="1.4"></circle>`
  }</svg>`;
}

const tones: Readonly<Record<StepStatus, string>> = {
  completed: "completed",
  degraded: "waiting_for_human",
  skipped: "canceled",
  failed: "failed",
  running: "running",
  backing_off: "waiting_for_human",
  sleeping: "waiting_for_signal",
  waiting: "waiting_for_human",
  canceled: "canceled",
  carried: "completed",
  to_come: "pending",
};
