import { afterAll, beforeAll, expect, test } from "vitest";
import { startRun } from "../support/inspector/home.ts";
import { type ServiceWorkerHome, serviceWorkerHome } from "../support/inspector/service-worker-home.ts";
import { testInspector } from "../support/inspector/suite.ts";

// The same inspector, handed out by a service worker, and with no other origin: all of it is in the browser.

let home: ServiceWorkerHome;

beforeAll(async () => {
  home = await serviceWorkerHome();
});

afterAll(() => home?.close());

testInspector(() => home);

test("the element is embedded in a page of another make, whose address and styles it leaves alone", async () => {
  const runId = await startRun(home, "order.ship");
  const page = await home.openSite();
  await page.addScriptTag({ type: "module", url: "/durable/inspector/element.js" });
  await page.evaluate(() => {
    document.body.innerHTML = "<style>* { color: red }</style><h1>The site</h1><div id=frame></div>";
    const frame = document.querySelector<HTMLElement>("#frame");
    if (frame !== null) frame.style.height = "600px";
    const element = document.createElement("orca-inspector");
    element.setAttribute("base", "/durable");
    element.setAttribute("routing", "none");
    frame?.append(element);
  });
  await page.getByRole("link", { name: runId }).click();
  const heading = page.getByRole("heading", { name: runId });
  await heading.waitFor();
  expect(new URL(page.url()).hash).toBe("");
  expect(await heading.evaluate((element) => getComputedStyle(element).color)).not.toBe("rgb(255, 0, 0)");
  expect((await page.locator("orca-inspector").boundingBox())?.height).toBe(600);
  await page.getByRole("link", { name: "Runs", exact: true }).click();
  await page.getByRole("heading", { name: "Runs", exact: true }).waitFor();
  // Taken out and put back, it begins again.
  await page.evaluate(() => {
    const element = document.querySelector("orca-inspector");
    element?.remove();
    document.body.append(element ?? "");
  });
  await page.getByRole("link", { name: runId }).waitFor();
  await page.close();
});

test("a step in progress is shown as running, with what it publishes", async () => {
  const runId = await startRun(home, "story.tell", { words: 100, pace_ms: 50 });
  const page = await home.open(`/runs/${runId}`);
  await page.getByRole("tab", { name: "Output" }).click();
  const output = page.getByRole("region", { name: "Output of tell" });
  await output.getByText('{"told":100,"of":100}').waitFor();
  // The second attempt is not recorded yet.
  await page.getByRole("row").filter({ hasText: "tell" }).getByText(", running").waitFor({ state: "attached" });
  await page.getByTitle("running: running").first().waitFor();
  await page.close();
});
