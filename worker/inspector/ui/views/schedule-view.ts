import { html, nothing, type TemplateResult } from "lit/html.js";
import { hashOf } from "../state/route.ts";
import type { RunPage } from "../state/run-page.ts";
import type { ScheduleAction } from "../state/schedule-panel.ts";
import type { ScheduleAnswer } from "../state/wire.ts";
import { errorNote } from "./error-note.ts";
import { dateTime, duration, plural } from "./format.ts";
import { type IconName, icon } from "./icon.ts";

/** The schedule that the run is: when it ticks next, what its last ticks became, and what can be done with it. */
export function scheduleView({ app, schedule }: RunPage): TemplateResult | typeof nothing {
  const { answer, problem, acting } = schedule;
  if (answer === undefined) {
    return problem === undefined || problem.code === "not_found"
      ? nothing
      : html`<div class="strip">${errorNote(problem)}</div>`;
  }
  const { status, skill_id: skill, next_at: next, queued, recent } = answer;
  const button = (action: ScheduleAction, name: IconName, label: string) =>
    html`<button ?disabled=${acting !== undefined} @click=${() => void schedule.act(action)}>${icon(name)}${label}</button>`;
  return html`<section class="callout" data-status=${status === "active" ? "waiting_for_signal" : "canceled"} aria-label="Schedule">
    <div><h2>${status === "paused" ? "Paused" : status === "ended" ? "Ended" : next === null ? "No further tick" : `Next at ${dateTime(next)}`}</h2>
      <p>Starts <a class="mono" href=${hashOf({ page: "runs", skill })}>${skill}</a> ${times(answer)}.${queued === 0 ? "" : ` ${plural(queued, "tick waits", "ticks wait")} for an earlier run.`}</p></div>
    ${
      app.can("execute") && status !== "ended"
        ? html`<div class="actions">${status === "paused" ? button("resume", "resume", "Resume schedule") : button("pause", "pause", "Pause schedule")}${button("trigger", "play", "Trigger")}</div>`
        : nothing
    }
    ${recent.length === 0 ? nothing : html`<ol class="shown ticks" tabindex="0" aria-label="Last ticks">${recent.map(tick)}</ol>`}
  </section>`;
}

function times({ cron, every_ms: every, time_zone: zone }: ScheduleAnswer): TemplateResult {
  return every === null ? html`by <span class="mono">${cron}</span> in ${zone}` : html`every ${duration(every)}`;
}

function tick({ at, cause, outcome, run_id: runId, message }: ScheduleAnswer["recent"][number]): TemplateResult {
  return html`<li><time datetime=${at}>${dateTime(at)}</time>
    <span>${outcome}${cause === "tick" ? "" : `, ${cause}`}</span>
    ${runId === null ? nothing : html`<a class="mono" href=${hashOf({ page: "run", runId, tab: "timeline" })}>${runId}</a>`}
    ${message === null ? nothing : html`<span>${message}</span>`}</li>`;
}
