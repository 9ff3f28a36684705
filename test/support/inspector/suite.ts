import { readFile } from "node:fs/promises";
import type { Page } from "playwright";
import { describe, expect, test } from "vitest";
import { finishedReport, freshId, type InspectorHome, pay, startRun, until, waitingOrder } from "./home.ts";

/** What the inspector promises, asked in a browser of the one that a service hands out. */
export function testInspector(home: () => InspectorHome): void {
  const soon = { interval: 50 };
  const eventually = <T>(look: () => Promise<T>) => expect.poll(look, soon);
  const row = (page: Page, name: string) => page.getByRole("row").filter({ hasText: name });
  const status = (page: Page, name: string) => page.locator(".title .badge").filter({ hasText: name });
  const dialog = (page: Page) => page.getByRole("dialog");

  async function open(place: string, look: (page: Page) => Promise<void>): Promise<void> {
    const page = await home().open(place);
    await look(page);
    await page.close();
  }

  describe("the list of runs", () => {
    test("shows a run that is started meanwhile, and how it goes on", async () => {
      await open("/runs", async (page) => {
        // Far longer than the page takes to show it.
        const runId = await startRun(home(), "slow.walk", { pace_ms: 400 });
        await row(page, runId).getByText("Running").waitFor();
        await row(page, runId).getByText("Completed").waitFor();
        await row(page, runId).getByText("40/40").waitFor();
      });
    });

    test("is filtered by status and by skill, and says where nothing is left", async () => {
      const failed = await startRun(home(), "catalog.import");
      const waiting = await startRun(home(), "order.ship");
      await until(home(), failed, ({ status }) => status === "failed");
      await open("/runs", async (page) => {
        await row(page, waiting).waitFor();
        await page.getByLabel("Status").selectOption("failed");
        await row(page, failed).getByText("Failed", { exact: true }).waitFor();
        await eventually(() => row(page, waiting).count()).toBe(0);
        await eventually(async () => page.url()).toContain("#/runs?status=failed");
        await page.getByLabel("Skill", { exact: true }).selectOption("order.ship");
        await page.getByText("No matching runs").waitFor();
        await page.getByRole("button", { name: "Show all runs" }).click();
        await row(page, waiting).waitFor();
      });
    });

    test("is searched with the keyboard alone", async () => {
      const runId = await startRun(home(), "order.ship", {}, freshId("needle"));
      await open("/runs", async (page) => {
        await row(page, runId).waitFor();
        await page.keyboard.press("/");
        await page.keyboard.type("nothing like it");
        await page.getByText("No run matches").waitFor();
        await page.keyboard.press("Escape");
        await page.keyboard.type(runId);
        await eventually(() => page.locator(".space [role=row]").count()).toBe(1);
        await page.keyboard.press("Enter");
        const heading = page.getByRole("heading", { name: runId });
        await heading.waitFor();
        // The focus goes along, and a screen reader says where it is.
        await eventually(() => heading.evaluate((element) => element.matches(":focus"))).toBe(true);
        await page.keyboard.press("Escape");
        await page.getByRole("heading", { name: "Runs", exact: true }).waitFor();
      });
    });

    test("is walked through with arrows, and Enter opens a run", async () => {
      await startRun(home(), "order.ship");
      const runId = await startRun(home(), "order.ship");
      await open("/runs", async (page) => {
        await row(page, runId).waitFor();
        await page.keyboard.press("ArrowDown");
        await page.keyboard.press("ArrowDown");
        await page.keyboard.press("ArrowUp");
        const selected = page.locator("[role=row][aria-selected=true]");
        await eventually(() => selected.textContent()).toContain(runId);
        const active = await page.getByRole("grid").getAttribute("aria-activedescendant");
        await eventually(() => selected.getAttribute("id")).toBe(active);
        await page.keyboard.press("Enter");
        await page.getByRole("heading", { name: runId }).waitFor();
      });
    });

    test("tells its keys", async () => {
      await open("/runs", async (page) => {
        await page.getByRole("heading", { name: "Runs", exact: true }).waitFor();
        await page.keyboard.press("?");
        await dialog(page).getByRole("heading", { name: "Keyboard shortcuts" }).waitFor();
        await page.keyboard.press("Escape");
        await dialog(page).waitFor({ state: "detached" });
      });
    });
  });

  describe("a run", () => {
    test("has a timeline with steps side by side, a retry, a wait and effects", async () => {
      const runId = await finishedReport(home());
      await open(`/runs/${runId}`, async (page) => {
        await row(page, "send").locator(".bar[data-kind=attempt]").waitFor();
        const bars = async (step: string, kind: string) => {
          const found = row(page, step).locator(`.bar[data-kind=${kind}]`);
          return Promise.all((await found.all()).map(async (bar) => (await bar.boundingBox()) ?? { x: 0, width: 0 }));
        };
        const [[sales], [traffic], [collect]] = [
          await bars("sales", "attempt"),
          await bars("traffic", "attempt"),
          await bars("collect", "attempt"),
        ];
        if (!sales || !traffic || !collect) throw new Error("a step has no bar");
        expect(traffic.x).toBeLessThan(sales.x + sales.width);
        expect(sales.x).toBeLessThan(traffic.x + traffic.width);
        expect(collect.x + collect.width).toBeLessThanOrEqual(sales.x + 4);
        expect(await bars("reviews", "failed")).toHaveLength(1);
        expect(await bars("reviews", "backoff")).toHaveLength(1);
        expect(await bars("reviews", "attempt")).toHaveLength(1);
        expect(await bars("send", "approval")).toHaveLength(1);
        await eventually(() => row(page, "announce").getByTitle("side effect recorded").count()).toBe(1);
        await eventually(() => row(page, "reviews").textContent()).toContain("2 attempts");
      });
    });

    test("shows the state at each checkpoint as a tree, and the difference to the one before", async () => {
      const runId = await finishedReport(home());
      await open(`/runs/${runId}`, async (page) => {
        await row(page, "sales").locator(".bar").click();
        await page.getByRole("heading", { name: "Step completed sales" }).waitFor();
        const tree = page.getByRole("tree");
        const node = (name: string) =>
          tree.getByRole("treeitem").filter({ has: page.locator(".key", { hasText: new RegExp(`^${name}$`) }) });
        // The step's own result is opened, and marked as changed.
        await tree.getByRole("treeitem").filter({ hasText: "step_results" }).waitFor();
        await eventually(() => node("sales").last().getAttribute("data-changed")).not.toBeNull();
        await node("vars").click();
        await eventually(() => node("vars").getAttribute("aria-expanded")).toBe("false");
        await tree.focus();
        await page.keyboard.press("ArrowRight");
        await eventually(() => node("vars").getAttribute("aria-expanded")).toBe("true");

        await page.getByRole("tab", { name: "Changes" }).click();
        const change = page.getByRole("region", { name: "Changes" }).getByRole("listitem").filter({ hasText: "vars" });
        await change.getByText("Harbour lamp").waitFor();
        expect(await change.first().getAttribute("data-op")).toBe("add");

        const slider = page.getByRole("slider", { name: "Checkpoint" });
        const place = await slider.getAttribute("aria-valuetext");
        await slider.focus();
        await page.keyboard.press("ArrowLeft");
        await eventually(() => slider.getAttribute("aria-valuetext")).not.toBe(place);
        await eventually(async () => page.url()).toContain("checkpoint=");
        await page.getByRole("tab", { name: "About" }).click();
        await page.getByText("checkpoint://").waitFor();
      });
    });

    test("shows events as they happen, up to its end", async () => {
      const runId = await waitingOrder(home());
      await open(`/runs/${runId}/events`, async (page) => {
        const events = () => page.getByRole("grid", { name: "Events" }).getAttribute("aria-rowcount").then(Number);
        await page.getByText("Live").waitFor();
        const first = await events();
        await pay(home(), runId);
        await eventually(events).toBeGreaterThan(first);
        await status(page, "Completed").waitFor();
        const all = await home().ask<{ events: unknown[] }>(`/v1/runs/${runId}/events?limit=500`);
        await eventually(events).toBe(all.events.length);
        await page.keyboard.press("End");
        await row(page, "run.completed").waitFor();
      });
    });

    test("shows the output of a step while it is written, by the attempts that wrote it", async () => {
      const runId = await startRun(home(), "story.tell", { words: 40, pace_ms: 50 });
      await open(`/runs/${runId}`, async (page) => {
        await page.getByRole("tab", { name: "Output" }).click();
        const output = page.getByRole("region", { name: "Output of tell" });
        await output.getByText("Attempt 2: the output begins anew").waitFor();
        await status(page, "Completed").waitFor();
        await output.getByText('{"end":true}').waitFor();
        await eventually(() => output.locator(".chunks").count()).toBe(2);
        for (const part of await output.locator(".chunks").allTextContents()) expect(part).toContain("word 1, word 2,");
      });
    });

    test("whose steps are undone says so, which and why", async () => {
      const runId = await startRun(home(), "trip.book");
      await until(home(), runId, ({ status }) => status === "failed");
      await open(`/runs/${runId}`, async (page) => {
        const rollback = page.getByRole("region", { name: "Rollback" });
        await rollback.getByText("3 of 3 steps undone").waitFor();
        await rollback.getByText("It failed: the card was declined").waitFor();
        for (const step of ["flight", "hotel", "flight#2"]) {
          await page.getByTitle(`${step}: completed, undone`).waitFor();
        }
        expect(await page.locator(".step[data-undone]").count()).toBe(3);
      });
    });

    test("that is not there is said to be missing", async () => {
      await open("/runs/never-was", async (page) => {
        await page.getByRole("heading", { name: "Run not found" }).waitFor();
        await page.getByText("not_found").waitFor();
        await page.getByText("trace", { exact: false }).first().waitFor();
      });
    });

    test("is drawn with its forks and replays, each linked", async () => {
      const runId = await finishedReport(home());
      const [fork, replay, second] = [freshId("fork"), freshId("replay"), freshId("second")];
      await home().ask(`/v1/runs/${runId}/fork`, { run_id: fork });
      await home().ask(`/v1/runs/${runId}/replay`, { run_id: replay });
      await home().ask(`/v1/runs/${fork}/fork`, { run_id: second });
      await open(`/runs/${runId}/lineage`, async (page) => {
        const nodes = page.getByRole("region", { name: "Lineage" }).getByRole("link");
        await eventually(() => nodes.count()).toBe(4);
        await eventually(() => page.locator(".kinship").count()).toBe(3);
        await nodes.filter({ hasText: second }).click();
        await page.getByRole("heading", { name: second }).waitFor();
        // Its line goes back to the first, and the replay is no kin of it.
        await eventually(() => nodes.count()).toBe(3);
        await eventually(() => nodes.filter({ hasText: second }).getAttribute("aria-current")).toBe("true");
      });
    });

    test("is drawn with its child runs, and a child names its parent", async () => {
      const runId = await startRun(home(), "letters.send");
      await until(home(), runId, ({ status }) => status === "completed");
      await open(`/runs/${runId}/lineage`, async (page) => {
        const nodes = page.getByRole("region", { name: "Lineage" }).getByRole("link");
        await eventually(() => nodes.filter({ hasText: "child" }).count()).toBe(2);
        await eventually(async () => (await page.locator(".from title").allTextContents()).sort()).toEqual([
          "started by the step letter 1",
          "started by the step letter 2",
        ]);
        const child = nodes.filter({ hasText: "child" }).first();
        await child.filter({ hasText: "Completed" }).click();
        await page
          .locator("dl.facts")
          .getByRole("link", { name: runId.slice(0, 8) })
          .click();
        await page.getByRole("heading", { name: runId.slice(0, 8) }).waitFor();
      });
    });
  });

  describe("actions", () => {
    test("start a run, after what was wrong with it is said", async () => {
      const taken = await startRun(home(), "order.ship");
      const runId = freshId("started");
      await open("/runs", async (page) => {
        await page.getByRole("button", { name: "Start a run" }).first().click();
        await dialog(page).locator("select[name=skill_id]").selectOption("order.ship");
        await dialog(page).getByLabel("Inputs").fill("{ no json");
        await dialog(page).getByLabel("Run id").fill(taken);
        await dialog(page).getByRole("button", { name: "Start" }).click();
        await dialog(page).getByText("Invalid JSON").waitFor();
        await dialog(page).getByLabel("Inputs").fill('{ "parcel": 1 }');
        await dialog(page).getByRole("button", { name: "Start" }).click();
        const refusal = dialog(page).getByRole("alert");
        await refusal.getByText("conflict").waitFor();
        await refusal.getByText("HTTP 409").waitFor();
        await refusal.getByText("trace").waitFor();
        await dialog(page).getByLabel("Run id").fill(runId);
        await dialog(page).getByRole("button", { name: "Start" }).click();
        await page.getByRole("heading", { name: runId }).waitFor();
      });
      const { result } = await until(home(), runId, ({ status }) => status === "waiting_for_signal");
      expect(result).toBeNull();
    });

    test("approve with a note", async () => {
      const runId = await startRun(home(), "report.weekly", { pace_ms: 5 });
      await open(`/runs/${runId}`, async (page) => {
        await page.getByRole("button", { name: "Approve" }).click();
        await dialog(page).getByLabel("Your name").fill("Ada");
        await dialog(page).getByLabel("Note").fill("Send it.");
        await dialog(page).getByRole("button", { name: "Approve" }).click();
        await status(page, "Completed").waitFor();
      });
      const run = await until(home(), runId, ({ status }) => status === "completed");
      expect(run.approval_request).toMatchObject({ approver: "Ada", notes: "Send it." });
    });

    test("approve what is shown, with an answer that may be corrected", async () => {
      const runId = await startRun(home(), "desk.refund", { order: "A-4711" });
      await open(`/runs/${runId}`, async (page) => {
        const shown = page.getByRole("region", { name: "Approval" });
        await shown.getByText("A-4711").waitFor();
        await shown.getByText("It arrived broken.").waitFor();
        await page.getByRole("button", { name: "Approve" }).click();
        await dialog(page).getByLabel("Answer").fill('{ "amount": "much" }');
        await dialog(page).getByRole("button", { name: "Approve" }).click();
        await dialog(page).getByText("data.amount: expected a number").waitFor();
        await dialog(page).getByLabel("Answer").fill('{ "amount": 12 }');
        await dialog(page).getByRole("button", { name: "Approve" }).click();
        await status(page, "Completed").waitFor();
      });
      expect((await until(home(), runId, () => true)).result).toEqual({ amount: 12 });
    });

    test("see why a run does not go on", async () => {
      const runId = await startRun(home(), "desk.nap");
      await open(`/runs/${runId}`, async (page) => {
        await status(page, "Sleeping").waitFor();
        await page.getByRole("region", { name: "Why it does not go on" }).getByText("sleeps until").waitFor();
      });
      await home().ask(`/v1/runs/${runId}/cancel`, {});
    });

    test("approve a gate of any name", async () => {
      const gate = 'Freigabe für "Müller" / 😀';
      const runId = await startRun(home(), "desk.gate", { gate });
      await open(`/runs/${runId}`, async (page) => {
        await page.getByRole("button", { name: "Approve" }).click();
        await dialog(page).getByText(gate).waitFor();
        await dialog(page).getByRole("button", { name: "Approve" }).click();
        await status(page, "Completed").waitFor();
      });
      const run = await until(home(), runId, ({ status }) => status === "completed");
      expect(run.approval_request).toMatchObject({ step_id: gate, status: "approved" });
    });

    test("deny with a note, which cancels", async () => {
      const runId = await startRun(home(), "report.weekly", { pace_ms: 5 });
      await open(`/runs/${runId}`, async (page) => {
        await page.getByRole("button", { name: "Deny" }).click();
        await dialog(page).getByLabel("Note").fill("Not this week.");
        await dialog(page).getByRole("button", { name: "Deny" }).click();
        await status(page, "Canceled").waitFor();
        await page.getByText("“Not this week.”").waitFor();
      });
      expect((await home().ask(`/v1/runs/${runId}`)).status).toBe("canceled");
    });

    test("send the signal that a run waits for", async () => {
      const runId = await startRun(home(), "order.ship");
      await open(`/runs/${runId}`, async (page) => {
        await page.getByRole("button", { name: "Send signal" }).click();
        await eventually(() => dialog(page).getByLabel("Name").inputValue()).toBe("paid");
        await dialog(page).getByLabel("Payload").fill('{ "amount": 30 }');
        await dialog(page).getByRole("button", { name: "Send" }).click();
        await status(page, "Completed").waitFor();
      });
      expect((await home().ask(`/v1/runs/${runId}`)).result).toMatchObject({ amount: 30 });
    });

    test("cancel only once it is confirmed", async () => {
      const runId = await startRun(home(), "order.ship");
      await open(`/runs/${runId}`, async (page) => {
        await page.getByRole("button", { name: "Cancel" }).click();
        await dialog(page).getByRole("button", { name: "Keep it" }).click();
        expect((await home().ask(`/v1/runs/${runId}`)).status).not.toBe("canceled");
        await page.getByRole("button", { name: "Cancel" }).click();
        await dialog(page).getByRole("button", { name: "Cancel the run" }).click();
        await status(page, "Canceled").waitFor();
      });
      expect((await home().ask(`/v1/runs/${runId}`)).status).toBe("canceled");
    });

    test("fork from a chosen checkpoint with other inputs, and resume the fork", async () => {
      const runId = await finishedReport(home());
      const fork = freshId("edited");
      await open(`/runs/${runId}`, async (page) => {
        await row(page, "collect").locator(".bar").click();
        await page.getByRole("heading", { name: "Step completed collect" }).waitFor();
        await page.getByRole("button", { name: "Fork" }).click();
        const inputs = dialog(page).getByLabel("Inputs");
        await eventually(async () => JSON.parse(await inputs.inputValue())).toMatchObject({ title: "Week 47" });
        await inputs.fill(JSON.stringify({ week: 47, title: "Another title", pace_ms: 5, to: "desk@example.com" }));
        await dialog(page).getByLabel("Id of the new run").fill(fork);
        await dialog(page).getByRole("button", { name: "Fork" }).click();
        await page.getByRole("heading", { name: fork }).waitFor();
        await page.getByText("Not started yet").waitFor();
        await page.getByRole("link", { name: runId }).waitFor();
        await page.getByRole("button", { name: "Resume" }).click();
        await dialog(page).getByRole("button", { name: "Resume" }).click();
        await status(page, "Needs approval").waitFor();
      });
      const { metadata } = await home().ask(`/v1/runs/${fork}`);
      expect(metadata.source_run_id).toBe(runId);
      const { checkpoint_head: head } = await home().ask<{ checkpoint_head: string }>(`/v1/runs/${fork}/checkpoints`);
      const { state } = await home().ask<{ state: { vars: { report: { title: string } } } }>(
        `/v1/runs/${fork}/checkpoints/${head}`,
      );
      expect(state.vars.report.title).toBe("Another title");
    });

    test("replay from a chosen checkpoint, which uses recorded effects again", async () => {
      const runId = await finishedReport(home());
      const replay = freshId("again");
      await open(`/runs/${runId}`, async (page) => {
        await row(page, "collect").locator(".bar").click();
        await page.getByRole("heading", { name: "Step completed collect" }).waitFor();
        await page.getByRole("button", { name: "Replay" }).click();
        await dialog(page).getByLabel("Id of the new run").fill(replay);
        await dialog(page).getByRole("button", { name: "Replay" }).click();
        await page.getByRole("heading", { name: replay }).waitFor();
        await status(page, "Completed").waitFor();
        await row(page, "announce").getByTitle("recorded effect reused").waitFor();
        await row(page, "collect").getByText("from the source run").waitFor();
      });
    });

    test("show what the service refuses", async () => {
      const runId = await startRun(home(), "order.ship");
      await until(home(), runId, ({ status }) => status === "waiting_for_signal");
      await open(`/runs/${runId}`, async (page) => {
        await page.getByRole("button", { name: "Signal" }).first().click();
        await dialog(page).getByLabel("Name").fill("näme");
        await dialog(page).getByRole("button", { name: "Send" }).click();
        await dialog(page).getByRole("alert").getByText("invalid_request").waitFor();
      });
    });

    test("export a run as a file, and delete it for good", async () => {
      const runId = await startRun(home(), "catalog.import", { pace_ms: 1 });
      await until(home(), runId, ({ status }) => status === "failed");
      await open(`/runs/${runId}`, async (page) => {
        const [download] = await Promise.all([
          page.waitForEvent("download"),
          page.getByRole("button", { name: "Export" }).click(),
        ]);
        expect(download.suggestedFilename()).toBe(`${runId}.ndjson`);
        const lines = (await readFile(await download.path(), "utf8")).trim().split("\n");
        expect(lines.length).toBeGreaterThan(1);
        expect(lines.every((line) => typeof JSON.parse(line) === "object")).toBe(true);
        await page.getByRole("button", { name: "Delete" }).click();
        await dialog(page).getByText("This cannot be undone").waitFor();
        await dialog(page).getByRole("button", { name: "Delete permanently" }).click();
        await page.getByRole("heading", { name: "Runs", exact: true }).waitFor();
        await eventually(() => row(page, runId).count()).toBe(0);
      });
      await expect(home().ask(`/v1/runs/${runId}`)).rejects.toThrow("not_found");
    });
  });
}
