import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newContext } from "../support/chromium.ts";
import { pay, startRun, until, waitingOrder } from "../support/inspector/home.ts";
import { testInspector } from "../support/inspector/suite.ts";
import { adminKey, type WorkerHome, workerHome } from "../support/inspector/worker-home.ts";

// The inspector that the Worker serves, in Chromium, against that Worker on workerd with D1.

let home: WorkerHome;

beforeAll(async () => {
  home = await workerHome();
});

afterAll(() => home?.close());

testInspector(() => home);

describe("the key", () => {
  const fresh = async () => {
    const page = await (await newContext(home.browser)).newPage();
    await page.goto(`${home.url}/inspector`);
    return page;
  };

  test("is asked for, is refused where it is wrong, and is kept for the tab alone", async () => {
    const page = await fresh();
    await page.getByLabel("API key").fill("wrong");
    await page.keyboard.press("Enter");
    await page.getByText("this API key is not valid").waitFor();
    await page.getByLabel("API key").fill(adminKey);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Runs", exact: true }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "Runs", exact: true }).waitFor();
    expect(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie])).toEqual([
      0,
      1,
      "",
    ]);
    await page.getByRole("button", { name: "Use another key" }).click();
    await page.getByLabel("API key").waitFor();
    expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
    await page.close();
  });

  test("that may only read is offered nothing else", async () => {
    const runId = await startRun(home, "order.ship");
    await until(home, runId, ({ status }) => status === "waiting_for_signal");
    const { key } = await home.ask<{ key: string }>("/v1/keys", { name: "a reader", role: "read" });
    const page = await fresh();
    await page.getByLabel("API key").fill(key);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Runs", exact: true }).waitFor();
    expect(await page.getByRole("button", { name: "Start a run" }).count()).toBe(0);
    await page.getByRole("link", { name: runId }).click();
    await page.getByRole("button", { name: "Export" }).waitFor();
    await page.getByRole("tree").waitFor();
    for (const name of ["Signal", "Cancel", "Delete", "Resume", "Replay", "Fork"]) {
      expect(await page.getByRole("button", { name }).count()).toBe(0);
    }
    await page.close();
  });
});

test("a service that is away is asked again until it answers", async () => {
  const page = await (await newContext(home.browser)).newPage();
  await page.route("**/v1/**", (route) => route.abort());
  await page.goto(`${home.url}/inspector`);
  await page.getByText("The service cannot be reached.").waitFor();
  await page.unroute("**/v1/**");
  await page.getByLabel("API key").waitFor();
  await page.close();
});

test("a list that could not be read goes on by itself", async () => {
  const page = await home.open();
  await page.locator("[data-row]").first().waitFor();
  await page.route("**/v1/runs?*", (route) => route.abort());
  await page.getByText("The service cannot be reached.").waitFor();
  await page.unroute("**/v1/runs?*");
  await page.getByText("The service cannot be reached.").waitFor({ state: "detached" });
  await page.close();
});

test("a stream that breaks off is taken up again, and no event is lost or shown twice", async () => {
  const runId = await waitingOrder(home);
  const page = await home.open(`/runs/${runId}/events`);
  let cuts = 0;
  // The service closes each stream after what is there already; the inspector asks again from where it was.
  await page.route("**/stream", async (route) => {
    cuts++;
    const last = route.request().headers()["last-event-id"];
    const path = `/v1/runs/${runId}/events?limit=500${last === undefined ? "" : `&after=${last}`}`;
    const { events } = await home.ask<{ events: readonly { event_id: string }[] }>(path);
    const body = events.map(
      (event) => `id: ${event.event_id.split(":").slice(-2).join("-")}\ndata: ${JSON.stringify(event)}\n\n`,
    );
    await route.fulfill({ status: 200, contentType: "text/event-stream", body: body.join("") });
  });
  await page.reload();
  await expect.poll(() => cuts).toBeGreaterThan(1);
  await pay(home, runId);
  await page.locator(".title .badge").filter({ hasText: "Completed" }).waitFor();
  const { events } = await home.ask<{ events: readonly unknown[] }>(`/v1/runs/${runId}/events?limit=500`);
  await expect
    .poll(() => page.getByRole("grid", { name: "Events" }).getAttribute("aria-rowcount"))
    .toBe(String(events.length));
  await page.close();
});

test("a schedule shows its next tick and its last runs, and is paused, resumed and triggered", async () => {
  await home.ask("/v1/schedules", {
    schedule_id: "nightly",
    skill_id: "letters.write",
    inputs: { to: 7 },
    cron: "0 3 * * *",
  });
  const page = await home.open("/runs/nightly");
  const schedule = page.getByRole("region", { name: "Schedule" });
  await schedule.getByText("Next at").waitFor();
  // The first reading after it comes before the run is noted. No event announces that.
  const early = await home.ask<object>("/v1/schedules/nightly");
  await page.route("**/v1/schedules/nightly", (route) => route.fulfill({ json: early }), { times: 1 });
  await schedule.getByRole("button", { name: "Trigger" }).click();
  await schedule.getByRole("link", { name: "nightly" }).first().waitFor();
  await schedule.getByRole("button", { name: "Pause schedule" }).click();
  await schedule.getByRole("heading", { name: "Paused" }).waitFor();
  await schedule.getByRole("button", { name: "Resume schedule" }).click();
  await schedule.getByText("Next at").waitFor();
  await schedule.getByRole("link", { name: "nightly" }).first().click();
  await page.locator(".title .badge").filter({ hasText: "Completed" }).waitFor();
  await page.close();
});
