import { ref } from "lit/directives/ref.js";
import { html, nothing, type TemplateResult } from "lit/html.js";
import type { Inspector } from "../state/inspector.ts";
import { hashOf } from "../state/route.ts";
import type { RunsPage } from "../state/runs-page.ts";
import { statuses, statusNames } from "../state/status.ts";
import type { RunAnswer } from "../state/wire.ts";
import { errorNote } from "./error-note.ts";
import { age, dateTime, plural, shortId } from "./format.ts";
import { icon } from "./icon.ts";
import { rowsInView } from "./rows-in-view.ts";
import { originOf, took } from "./run-facts.ts";
import { statusBadge } from "./status-badge.ts";

/** The page with the list of runs. */
export function runsView(page: RunsPage): TemplateResult {
  const { app, list, book } = page;
  const runs = page.rows;
  const rows = list.rows(runs.length);
  const last = rows.at(-1)?.index ?? 0;
  page.inView = [rows[0]?.index ?? 0, last];
  // More runs are loaded before the end is reached. A search loads more only on request: the matches may be far apart.
  if (last >= runs.length - 30 && page.search === "" && page.problem === undefined)
    queueMicrotask(() => page.readMore());
  return html`<main class="runs" aria-labelledby="runs-title">
    <header class="heading">
      <h1 id="runs-title" tabindex="-1">Runs</h1>
      <span class="live" title="Updated every two seconds"><i></i>Live</span>
      <span class="gap"></span>
      ${app.can("execute") ? html`<button class="primary" @click=${() => app.dialogs.show({ kind: "start" })}>${icon("play")}Start a run</button>` : nothing}
    </header>
    <div class="tools" role="search">
      <label class="search">
        ${icon("search")}
        <input id="search" type="search" placeholder="Search by run id or skill" aria-label="Search by run id or skill"
          autocomplete="off" spellcheck="false" .value=${page.search}
          @input=${(event: InputEvent) => page.lookFor((event.target as HTMLInputElement).value)}
          @keydown=${(event: KeyboardEvent) => page.onSearchKey(event)} />
        <kbd aria-hidden="true">/</kbd>
      </label>
      <select aria-label="Status" ?data-set=${book.filter.status !== undefined}
        @change=${(event: Event) => filterBy(page, "status", (event.target as HTMLSelectElement).value)}>
        <option value="" ?selected=${book.filter.status === undefined}>Any status</option>
        ${statuses.map((status) => html`<option value=${status} ?selected=${book.filter.status === status}>${statusNames[status]}</option>`)}
      </select>
      <select aria-label="Skill" ?data-set=${book.filter.skill !== undefined}
        @change=${(event: Event) => filterBy(page, "skill", (event.target as HTMLSelectElement).value)}>
        <option value="" ?selected=${book.filter.skill === undefined}>Any skill</option>
        ${knownSkills(page).map((skill) => html`<option value=${skill} ?selected=${book.filter.skill === skill}>${skill}</option>`)}
      </select>
    </div>
    ${page.problem !== undefined && runs.length > 0 ? html`<div class="strip">${errorNote(page.problem)}</div>` : nothing}
    <div class="grid" role="grid" aria-label="Runs" tabindex="0" aria-rowcount=${book.isComplete ? runs.length + 1 : -1}
      aria-colcount="5" aria-busy=${page.isReading} aria-activedescendant=${rows.some(({ index }) => index === list.active) ? `run-${list.active}` : nothing}
      ${ref(list.attach)}>
      <div class="row head" role="row" aria-rowindex="1">
        <span role="columnheader">Status</span><span role="columnheader">Run</span>
        <span role="columnheader">Progress</span><span role="columnheader" class="end">Duration</span>
        <span role="columnheader" class="end">Age</span>
      </div>
      ${rowsInView(
        list,
        runs,
        ({ run_id }) => run_id,
        (run, index, start) => runRow(app, run, index, start, index === list.active),
      )}
      ${runs.length === 0 ? emptiness(page) : nothing}
    </div>
    <footer class="foot">
      <span>${page.search === "" ? count(runs.length, book) : `${plural(runs.length, "match", "matches")} in ${plural(book.runs.length, "run")}`}</span>
      ${page.isReading && runs.length > 0 ? html`<span class="busy">Loading…</span>` : nothing}
      ${page.search !== "" && !book.isComplete ? html`<button class="plain" ?disabled=${page.isReading} @click=${() => page.lookFurther()}>Search older runs</button>` : nothing}
      <span class="gap"></span>
      <span class="keys" aria-hidden="true"><kbd>${icon("up")}</kbd><kbd>${icon("down")}</kbd> move <kbd>${icon("enter")}</kbd> open <kbd>?</kbd> keys</span>
    </footer>
  </main>`;
}

/** How many runs are in the list, of how many. */
function count(shown: number, { isComplete, total }: RunsPage["book"]): string {
  if (isComplete) return plural(shown, "run");
  return total === undefined
    ? `${plural(shown, "run")} so far`
    : `${shown.toLocaleString("en")} of ${plural(total, "run")}`;
}

function runRow(app: Inspector, run: RunAnswer, index: number, start: number, isActive: boolean): TemplateResult {
  const { run_id: id, skill_id: skill, skill_version: version, created_at: created } = run;
  const origin = originOf(run);
  return html`<div class="row" role="row" id="run-${index}" aria-rowindex=${index + 2} aria-selected=${isActive}
    data-row .style=${`transform:translateY(${start}px)`}>
    <span role="gridcell">${statusBadge(run, app.now)}</span>
    <span role="gridcell" class="who">
      <a href=${hashOf({ page: "run", runId: id, tab: "timeline" })} tabindex="-1" title=${id}>
        <b class="mono">${shortId(id, 40)}</b>
      </a>
      <small>${skill}${version === null ? "" : html`<i> ${version}</i>`}${origin === undefined ? nothing : html` · ${icon(origin)}${origin}`}</small>
    </span>
    <span role="gridcell" class="progress">${progress(app, run)}</span>
    <span role="gridcell" class="end number">${took(run, app.now)}</span>
    <span role="gridcell" class="end number" title=${dateTime(created)}>${age(app.now - Date.parse(created))}</span>
  </div>`;
}

function progress(app: Inspector, { skill_id, current_step_id: current, status, error }: RunAnswer): TemplateResult {
  const steps = app.skills.find((skill) => skill.skill_id === skill_id)?.steps ?? [];
  // For a waiting run the current step is the one that waits; for any other run it is the last one that ended.
  const isWaiting = status === "waiting_for_human" || status === "waiting_for_signal";
  const last = steps.findIndex((step) => step.step_id === current) + (isWaiting ? 0 : 1);
  const place = status === "completed" ? steps.length : last;
  const word = status === "failed" && error !== null ? error.code : status === "completed" ? "" : (current ?? "");
  if (steps.length === 0) return html`<span class="current">${word}</span>`;
  const label = `${place} of ${steps.length} steps`;
  return html`<span class="meter" role="img" aria-label=${label} title=${label} data-status=${status}>
      <i .style=${`width:${(100 * place) / steps.length}%`}></i>
    </span><span class="count">${place}/${steps.length}</span><span class="current">${word}</span>`;
}

function emptiness(page: RunsPage): TemplateResult {
  const { problem, book, app } = page;
  if (problem !== undefined) {
    const isUnsupported = problem.code === "invalid_request";
    return html`<div class="empty">${errorNote(problem)}
      <button @click=${() => page.readMore()}>${isUnsupported ? "Try once more" : "Try again"}</button></div>`;
  }
  if (page.isReading || (!book.isComplete && page.search === "")) {
    return html`<div class="empty" role="status">${Array.from({ length: 8 }, () => html`<div class="ghost"></div>`)}<span class="unseen">Loading the runs…</span></div>`;
  }
  if (page.search !== "") {
    return html`<div class="empty" role="status"><h2>No run matches “${page.search}”</h2>
      <p>${book.isComplete ? "All runs were searched." : `The newest ${plural(book.runs.length, "run")} were searched. A complete run id is also found in older runs.`}</p>
      <button @click=${() => page.lookFor("")}>Clear the search</button></div>`;
  }
  if (book.filter.status !== undefined || book.filter.skill !== undefined) {
    return html`<div class="empty" role="status"><h2>No matching runs</h2><p>No run matches the filter.</p>
      <button @click=${() => app.go({ page: "runs" })}>Show all runs</button></div>`;
  }
  return html`<div class="empty" role="status"><h2>No runs yet</h2><p>New runs appear here immediately.</p>
    ${app.can("execute") ? html`<button class="primary" @click=${() => app.dialogs.show({ kind: "start" })}>Start a run</button>` : nothing}</div>`;
}

function knownSkills({ app, book }: RunsPage): readonly string[] {
  const names = new Set(app.skills.map(({ skill_id }) => skill_id));
  for (const { skill_id } of book.runs) names.add(skill_id);
  if (book.filter.skill !== undefined) names.add(book.filter.skill);
  return [...names].sort();
}

function filterBy({ app, book }: RunsPage, name: "status" | "skill", value: string): void {
  const { [name]: _, ...others } = book.filter;
  app.go({ page: "runs", ...others, ...(value === "" ? {} : { [name]: value }) });
}
