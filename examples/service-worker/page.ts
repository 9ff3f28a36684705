import { createPage } from "../../worker/browser/page.ts";
import { createClient } from "../../worker/client/index.ts";
import { capabilities, skills } from "../edge/skill.ts";
import serviceWorker from "./service-worker.ts?worker&url";

const page = createPage({
  tenant: "me",
  skills,
  capabilities,
  serviceWorker,
  registration: { type: "module" },
});
await page.ready; // from here on, fetch("/v1/…") is answered on this device

const client = createClient(location.origin); // the same client that calls a service at the edge
const [form, list] = [element<HTMLFormElement>("form"), element("ol")];

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const inputs = { to: String(new FormData(form).get("to")) };
  const { run } = await client.start({ skillId: "letter", inputs });
  void follow(run.runId);
});
for (const { runId } of (await client.list({ limit: 20 })).items.toReversed()) void follow(runId);
document.body.dataset.is = "ready";

/** Shows a run, and shows it again at each of its events. */
async function follow(runId: string): Promise<void> {
  const item = document.createElement("li");
  list.prepend(item);
  const show = async () => {
    const { status, result } = await client.get(runId);
    item.dataset.status = status;
    item.textContent = `${runId}: ${status} ${JSON.stringify(result)} `;
    if (status !== "waiting_for_human") return;
    const approve = document.createElement("button");
    approve.textContent = "Approve";
    approve.addEventListener("click", () => client.approve(runId, { approver: "you" }));
    item.append(approve);
  };
  await show();
  for await (const _event of client.watch(runId)) await show();
}

function element<T extends HTMLElement = HTMLElement>(selector: string): T {
  const found = document.querySelector<T>(selector);
  if (found === null) throw new Error(`the page has no ${selector}`);
  return found;
}
