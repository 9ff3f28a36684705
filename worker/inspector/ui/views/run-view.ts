import { html, nothing, type TemplateResult } from "lit/html.js";
import { problemOf } from "../state/problem.ts";
import { hashOf, type RunTab, runTabs } from "../state/route.ts";
import type { RunPage } from "../state/run-page.ts";
import { isLate, standingOf } from "../state/standing.ts";
import { isTerminal, type Json, type RunAnswer } from "../state/wire.ts";
import { checkpointView } from "./checkpoint-view.ts";
import { errorNote } from "./error-note.ts";
import { eventsView } from "./events-view.ts";
import { age, dateTime, duration, plural, shortId } from "./format.ts";
import { type IconName, icon } from "./icon.ts";
import { lineageView } from "./lineage-view.ts";
import { originOf, took } from "./run-facts.ts";
import { scheduleView } from "./schedule-view.ts";
import { statusBadge } from "./status-badge.ts";
import { timelineView } from "./timeline-view.ts";

const tabNames: Readonly<Record<RunTab, string>> = { timeline: "Timeline", events: "Events", lineage: "Lineage" };

/** The page of one run. */
export function runView(page: RunPage): TemplateResult {
  const { app, run, runId, tab, problem } = page;
  const back = hashOf(app.listRoute);
  if (run === undefined) {
    return html`<main class="run"><nav class="crumbs" aria-label="Place"><a href=${back}>${icon("back")}Runs</a></nav>
      ${
        problem === undefined
          ? html`<div class="empty" role="status"><div class="ghost"></div><div class="ghost"></div><div class="ghost"></div><span class="unseen">Loading the run…</span></div>`
          : html`<div class="empty"><h2>${problem.code === "not_found" ? "Run not found" : "The run cannot be read"}</h2>${errorNote(problem)}<a class="button" href=${back}>Back to the runs</a></div>`
      }</main>`;
  }
  return html`<main class="run" aria-labelledby="run-title">
    <nav class="crumbs" aria-label="Place"><a href=${back}>${icon("back")}Runs</a></nav>
    <header class="about">
      <div class="title">
        <h1 id="run-title" class="mono" tabindex="-1" title=${runId}>${shortId(runId, 56)}</h1>
        <button class="ghosted" aria-label="Copy the run id" title="Copy the run id" @click=${() => app.dialogs.copy(runId)}>${icon("copy")}</button>
        ${statusBadge(run, app.now)}
        ${page.isLive && !isTerminal(run.status) ? html`<span class="live" title="Events are shown as they happen"><i></i>Live</span>` : nothing}
      </div>
      ${actions(page, run)}
      ${facts(page, run)}
    </header>
    ${problem === undefined ? nothing : html`<div class="strip">${errorNote(problem)}</div>`}
    ${undoingCallout(page, run)}
    ${scheduleView(page)}
    ${page.schedule.answer?.status === "active" || page.schedule.answer?.status === "paused" ? nothing : callout(page, run)}
    <div class="tabs" role="tablist" aria-label="Views of the run">
      ${runTabs.map(
        (
          name,
        ) => html`<a role="tab" id="tab-${name}" href=${page.hashOf(name)} aria-selected=${name === tab} aria-controls="pane"
          @keydown=${(event: KeyboardEvent) => moveTab(page, event)} tabindex=${name === tab ? 0 : -1}>${tabNames[name]}${name === "events" ? html`<span class="count">${page.log.events.length.toLocaleString("en")}</span>` : nothing}</a>`,
      )}
    </div>
    <div class="panes" data-tab=${tab}>
      <section class="pane" id="pane" role="tabpanel" aria-labelledby="tab-${tab}">
        ${tab === "timeline" ? timelineView(page) : tab === "events" ? eventsView(page) : lineageView(page)}
      </section>
      ${tab === "lineage" ? nothing : checkpointView(page)}
    </div>
  </main>`;
}

function moveTab(page: RunPage, event: KeyboardEvent): void {
  const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  const next = runTabs[(runTabs.indexOf(page.tab) + step + runTabs.length) % runTabs.length];
  if (step === 0 || next === undefined) return;
  event.preventDefault();
  page.app.go(
    { page: "run", runId: page.runId, tab: next, ...(page.chosen ? { checkpoint: page.chosen } : {}) },
    "replace",
  );
  queueMicrotask(() => page.app.root.querySelector<HTMLElement>(`#tab-${next}`)?.focus());
}

function facts(page: RunPage, run: RunAnswer): TemplateResult {
  const { now } = page.app;
  const { source_run_id: source, source_checkpoint_id: from } = run.metadata;
  const fact = (name: string, value: unknown, title = "") =>
    html`<div><dt>${name}</dt><dd title=${title}>${value}</dd></div>`;
  return html`<dl class="facts">
    ${fact("Skill", html`<a href=${hashOf({ page: "runs", skill: run.skill_id })}>${run.skill_id}</a>${run.skill_version === null ? nothing : html` <i>${run.skill_version}</i>`}`)}
    ${fact("Created", `${age(now - Date.parse(run.created_at))}${now - Date.parse(run.created_at) < 5_000 ? "" : " ago"}`, dateTime(run.created_at))}
    ${fact("Duration", took(run, now))}
    ${fact("Checkpoints", page.log.checkpoints.length.toLocaleString("en"))}
    ${run.current_step_id === null ? nothing : fact("Last step", html`<span class="mono">${run.current_step_id}</span>`)}
    ${typeof source === "string" ? fact(originOf(run) === "fork" ? "Fork of" : "Replay of", html`<a class="mono" href=${hashOf({ page: "run", runId: source, tab: "timeline", ...(typeof from === "string" ? { checkpoint: from } : {}) })}>${shortId(source)}</a>`, source) : nothing}
    ${run.parent_run_id === undefined ? nothing : fact("Child of", html`<a class="mono" href=${hashOf({ page: "run", runId: run.parent_run_id, tab: "timeline" })}>${shortId(run.parent_run_id)}</a> <i>${run.parent_step_id}</i>`, run.parent_run_id)}
    ${run.trace_id === null ? nothing : fact("Trace", html`<span class="mono">${shortId(run.trace_id, 20)}</span>`, run.trace_id)}
  </dl>`;
}

function actions(page: RunPage, run: RunAnswer): TemplateResult {
  const { app } = page;
  const isOver = isTerminal(run.status);
  const button = (name: IconName, label: string, onClick: () => void, className = "") =>
    html`<button class=${className} @click=${onClick}>${icon(name)}${label}</button>`;
  return html`<div class="actions" role="group" aria-label="Actions">
    ${app.can("execute") && !isOver ? button("signal", "Signal", () => app.dialogs.show({ kind: "signal", runId: page.runId, name: "" })) : nothing}
    ${app.can("execute") && !isOver ? button("cancel", "Cancel", () => app.dialogs.show({ kind: "cancel", runId: page.runId })) : nothing}
    ${button("export", "Export", () => void exportRun(page))}
    ${app.can("admin") ? button("delete", "Delete", () => app.dialogs.show({ kind: "delete", runId: page.runId, checkpoints: page.log.checkpoints.length }), "danger") : nothing}
  </div>`;
}

async function exportRun({ app, runId }: RunPage): Promise<void> {
  try {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await new Response(await app.service.export(runId)).blob());
    link.download = `${runId.replace(/[^\w.-]/g, "_")}.ndjson`;
    link.click();
    // A download that has begun keeps its own copy.
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    app.dialogs.say("Run exported.");
  } catch (error) {
    app.dialogs.show({ kind: "problem", title: "The run could not be exported", problem: problemOf(error) });
  }
}

/** What the reader should know or do now, if there is anything. */
function callout(page: RunPage, run: RunAnswer): TemplateResult | typeof nothing {
  const { app } = page;
  const { approval_request: gate, error, status } = run;
  if (!isTerminal(status) && gate?.status === "pending") {
    const { step_id: stepId, show } = gate;
    const at = { runId: page.runId, stepId };
    return html`<section class="callout" data-status="waiting_for_human" aria-label="Approval">
      <div><h2><span class="mono">${stepId}</span> needs approval</h2>
        <p>${gate.capability_id === null ? "The step asks for a decision" : html`<span class="mono">${gate.capability_id}</span> runs only after approval`}. Waiting since ${dateTime(gate.requested_at)}.</p></div>
      ${
        app.can("execute")
          ? html`<div class="actions"><button class="primary" @click=${() => app.dialogs.show({ kind: "approve", ...at, asksData: show !== undefined })}>${icon("check")}Approve…</button>
            <button @click=${() => app.dialogs.show({ kind: "deny", ...at })}>${icon("close")}Deny…</button></div>`
          : nothing
      }${show === undefined || show === null ? nothing : shownView(show as Json)}</section>`;
  }
  const wait = waitCallout(page, run);
  if (wait !== undefined) return wait;
  if (run.waiting_on === "signal") {
    const name = run.waiting_for?.signal ?? undefined;
    return html`<section class="callout" data-status=${status} aria-label="Signal">
      <div><h2>Waiting for ${name === undefined ? "a signal" : html`the signal <span class="mono">${name}</span>`}</h2><p>The run continues when it receives the signal${run.next_at === null ? "" : `, or at ${dateTime(run.next_at)}`}.</p></div>
      ${app.can("execute") && name !== undefined ? html`<div class="actions"><button class="primary" @click=${() => app.dialogs.show({ kind: "signal", runId: page.runId, name })}>${icon("signal")}Send signal…</button></div>` : nothing}
    </section>`;
  }
  if (status === "failed" && error !== null) {
    return html`<section class="callout" data-status=${status} aria-label="Failure">
      <div><h2>${error.step_id === null ? "The run failed" : html`<span class="mono">${error.step_id}</span> failed`}</h2>
      ${folded(error.message, error.code)}</div></section>`;
  }
  if (status === "pending") {
    return html`<section class="callout" data-status=${status} aria-label="Pending">
      <div><h2>Not started yet</h2><p>Resume the run to start it${originOf(run) === "fork" ? " from the checkpoint of its source" : ""}.</p></div></section>`;
  }
  if (status === "canceled" && gate?.status === "denied") {
    return html`<section class="callout" data-status=${status} aria-label="Denial">
      <div><h2><span class="mono">${gate.step_id}</span> was denied${gate.approver === null ? "" : ` by ${gate.approver}`}</h2>${gate.notes === null ? nothing : html`<p>“${gate.notes}”</p>`}</div></section>`;
  }
  return nothing;
}

/** That the run undoes its steps or has undone them, and why. */
function undoingCallout({ undoing }: RunPage, { status }: RunAnswer): TemplateResult | typeof nothing {
  if (undoing === undefined) return nothing;
  const { reason, error, count, done } = undoing;
  const steps = count === undefined ? "" : `${done.toLocaleString("en")} of ${plural(count, "step")}`;
  const title = isTerminal(status) ? `${steps} undone` : `The run undoes its steps${steps === "" ? "" : `: ${steps}`}`;
  const why =
    reason === "canceled" ? "It was canceled with a rollback." : `It failed${error === undefined ? "." : `: ${error}`}`;
  return html`<section class="callout" data-status=${done === count || !isTerminal(status) ? "waiting_for_human" : "failed"} aria-label="Rollback">
    <div><h2>${title}</h2><p>${why}</p></div></section>`;
}

/** Why a run does not go on, if it waits neither for a decision nor for a signal. */
function waitCallout(page: RunPage, run: RunAnswer): TemplateResult | undefined {
  const { now } = page.app;
  const { waiting_on: on, waiting_for: what, next_at: next, last_error: last } = run;
  const note = (title: TemplateResult, text: TemplateResult | string) => {
    return html`<section class="callout" data-status=${standingOf(run, now).tone} aria-label="Why it does not go on"><div><h2>${title}</h2>${text}</div></section>`;
  };
  const step = html`<span class="mono">${what?.step_id}</span>`;
  const at = next === null ? "" : dateTime(next);
  if (on === "unserved") {
    return note(
      html`No server has this skill`,
      html`<p>Nothing that looked at the run has <span class="mono">${run.skill_id}</span> ${run.skill_version}, or can read its state. It is looked at again at ${at}.</p>`,
    );
  }
  if (isLate(run, now)) {
    return note(html`No server takes what is due`, html`<p>The run has been due since ${at}.</p>`);
  }
  switch (on) {
    case "sleep":
      return what === null
        ? note(html`Starts at ${at}`, "")
        : note(html`${step} sleeps until ${at}`, html`<p>${inTime(next, now)} left.</p>`);
    case "retry":
      return note(
        html`${step} tries again at ${at}`,
        last === null ? "" : html`<p>Attempt ${last.attempt} failed:</p>${folded(last.message, last.code)}`,
      );
    case "child":
      return note(
        html`${step} waits for a child run`,
        html`<p><a class="mono" href=${hashOf({ page: "run", runId: what?.child_run_id ?? "", tab: "timeline" })}>${what?.child_run_id}</a></p>`,
      );
    case "executing":
      return last === null
        ? undefined
        : note(
            html`<span class="mono">${last.step_id}</span> is at attempt ${last.attempt + 1}`,
            html`<p>The one before failed:</p>${folded(last.message, last.code)}`,
          );
  }
  return undefined;
}

function inTime(next: string | null, now: number): string {
  return next === null ? "" : duration(Date.parse(next) - now);
}

/** From this length on a message is folded, in characters. */
const longMessage = 160;

function folded(message: string, code: string): TemplateResult {
  const mark = html`<span class="mono code">${code}</span>`;
  if (message.length <= longMessage) return html`<p>${message} ${mark}</p>`;
  return html`<details><summary>${message.slice(0, longMessage)}… ${mark}</summary><pre tabindex="0">${message}</pre></details>`;
}

/** What a gate shows: an object as a list of its members, anything else as it is. */
function shownView(show: Json): TemplateResult {
  const text = (value: Json) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
  if (typeof show !== "object" || show === null || Array.isArray(show)) {
    return html`<pre class="shown" tabindex="0">${text(show)}</pre>`;
  }
  return html`<dl class="shown">${Object.entries(show).map(([name, value]) => html`<div><dt>${name}</dt><dd>${text(value)}</dd></div>`)}</dl>`;
}
