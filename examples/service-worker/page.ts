import { createPage } from "../../worker/page.ts";
import { capabilities, skills } from "../edge/skill.ts";
import serviceWorker from "./service-worker.ts?worker&url";

const page = createPage({
  tenant: "me",
  skills,
  capabilities,
  serviceWorker,
  registration: { type: "module" },
});
await page.ready; // from here on fetch("/v1/…") is answered on this device

const [form, list] = [element<HTMLFormElement>("form"), element("ol")];

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const to = String(new FormData(form).get("to"));
  const { run_id } = await call("POST", "/v1/runs", { skill_id: "letter", inputs: { to } });
  follow(run_id);
});
for (const { run_id } of (await call("GET", "/v1/runs?limit=20")).runs.toReversed()) follow(run_id);
document.body.dataset.is = "ready";

/** Shows a run, and shows it again at each of its events. */
function follow(runId: string): void {
  const item = document.createElement("li");
  list.prepend(item);
  const show = async () => {
    const run = await call("GET", `/v1/runs/${runId}`);
    item.dataset.status = run.status;
    item.textContent = `${runId}: ${run.status} ${run.result?.receipt ?? ""} `;
    if (run.status !== "waiting_for_human") return;
    const approve = document.createElement("button");
    approve.textContent = "Approve";
    approve.addEventListener("click", () => call("POST", `/v1/runs/${runId}/approve`, { approver: "you" }));
    item.append(approve);
  };
  const events = new EventSource(`/v1/runs/${runId}/stream`);
  events.onmessage = show;
  events.addEventListener("end", () => {
    events.close();
    void show();
  });
  void show();
}

// biome-ignore lint/suspicious/noExplicitAny: what the service answers is described in /openapi.json.
async function call(method: "GET" | "POST", path: string, body?: object): Promise<any> {
  const response = await fetch(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error.message);
  return answer;
}

function element<T extends HTMLElement = HTMLElement>(selector: string): T {
  const found = document.querySelector<T>(selector);
  if (found === null) throw new Error(`the page has no ${selector}`);
  return found;
}
