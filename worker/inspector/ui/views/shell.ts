import { html, nothing, type TemplateResult } from "lit/html.js";
import type { App } from "../state/app.ts";
import type { Problem } from "../state/problem.ts";
import { hashOf } from "../state/route.ts";
import { dialogView } from "./dialog-view.ts";
import { errorNote } from "./error-note.ts";
import { icon } from "./icon.ts";
import { runView } from "./run-view.ts";
import { runsView } from "./runs-view.ts";

/** The whole inspector. */
export function shell(app: App): TemplateResult {
  const { connection } = app;
  return html`<div class="app" @click=${(event: MouseEvent) => app.follow(event)}>
    <header class="top">
      <a class="brand" href=${hashOf({ page: "runs" })}>${mark}<b>orca</b><span>inspector</span></a>
      <span class="gap"></span>
      ${connection.kind === "ready" ? who(app, connection.who) : nothing}
      <button class="ghosted" aria-label="Keyboard shortcuts" title="Keyboard shortcuts  ?" @click=${() => app.dialogs.show({ kind: "help" })}>${icon("help")}</button>
    </header>
    ${content(app)}
    ${dialogView(app)}
  </div>`;
}

// A fin over the water line.
const mark = html`<svg class="logo" viewBox="0 0 24 24" aria-hidden="true"><path d="M3 17.5c5.2-.6 7.8-6.5 7.2-13 5 1.6 8.3 6.5 8.6 13z"></path><path class="water" d="M2 20.5c1.7-1.3 3.3-1.3 5 0s3.3 1.3 5 0 3.3-1.3 5 0 3.3 1.3 5 0"></path></svg>`;

function who(app: App, { tenant, role }: { readonly tenant: string; readonly role: string }): TemplateResult {
  return html`<span class="who-am-i"><span class="unseen">Signed in to </span>${tenant}<i title="The role of this key">${role}</i></span>
    ${app.key === undefined ? nothing : html`<button class="ghosted" aria-label="Use another key" title="Use another key" @click=${() => app.useKey(undefined)}>${icon("key")}</button>`}`;
}

function content(app: App): TemplateResult {
  const { connection, route } = app;
  switch (connection.kind) {
    case "connecting":
      return html`<main class="hello" role="status"><p class="busy">Connecting…</p></main>`;
    case "unreachable":
      return html`<main class="hello"><h1>The service does not answer</h1>${errorNote(connection.problem)}
        <button @click=${() => app.connect()}>Try again</button></main>`;
    case "keyless":
      return keyForm(app, connection.refusal);
    case "ready": {
      if (route.page === "run" && app.run !== undefined) return runView(app.run);
      if (route.page === "runs" && app.runs !== undefined) return runsView(app.runs);
      return html`<main class="hello"></main>`;
    }
  }
}

function keyForm(app: App, refusal: Problem | undefined): TemplateResult {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const key = new FormData(event.target as HTMLFormElement).get("key");
    if (typeof key === "string" && key.trim() !== "") app.useKey(key.trim());
  };
  return html`<main class="hello"><form class="card" @submit=${submit}>
    ${mark}<h1>Sign in with an API key</h1>
    <p>The service requires a key. This tab keeps it until you close the tab.</p>
    ${refusal === undefined ? nothing : errorNote(refusal)}
    <label class="field"><span>API key</span>
      <input name="key" type="password" autocomplete="off" spellcheck="false" required autofocus aria-invalid=${refusal !== undefined} /></label>
    <button class="primary" type="submit">Continue</button>
  </form></main>`;
}
