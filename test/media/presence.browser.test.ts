import { deleteDB } from "idb";
import { afterEach, describe, expect, test } from "vitest";
import { executorPath } from "../support/engines/site-paths.ts";
import type { ExecutorPage } from "../support/presence/page.ts";

// Pages of one origin that execute over one IndexedDB, each in a frame. A frame that is removed dies as a tab does that is
// closed: its locks go with it. What needs more than frames is in test/system/presence.test.ts.

const frames: HTMLIFrameElement[] = [];

interface PageOptions {
  readonly serves?: "no";
  readonly presence?: "no";
  readonly leaseMs?: string;
}

const hour = "3600000";
/** No lease of an hour lapses meanwhile. */
const patience = { interval: 20 };

async function open(name: string, options: PageOptions = {}): Promise<HTMLIFrameElement> {
  const frame = document.createElement("iframe");
  frame.src = `${executorPath}?${new URLSearchParams({ name, ...options })}`;
  frames.push(frame);
  document.body.append(frame);
  await expect.poll(() => frame.contentWindow?.executor, patience).toBeDefined();
  return frame;
}

function executor(frame: HTMLIFrameElement): ExecutorPage {
  if (frame.contentWindow === null) throw new Error("this page is closed");
  return frame.contentWindow.executor;
}

afterEach(async () => {
  for (const frame of frames.splice(0)) frame.remove();
  localStorage.clear();
  await deleteDB("presence");
});

/** Made here: what another page made has other prototypes. */
const copied = <T>(value: T): T => JSON.parse(JSON.stringify(value));
const events = async (page: HTMLIFrameElement, runId: string) => copied(await executor(page).events(runId));
const run = async (page: HTMLIFrameElement, runId: string) => copied(await executor(page).get(runId));
const calls = (page: HTMLIFrameElement, runId: string) => copied(executor(page).calls(runId));
const go = () => localStorage.setItem("go", "now");

const called = (page: HTMLIFrameElement, runId: string, names: readonly string[]) =>
  expect.poll(() => calls(page, runId), patience).toEqual(names);
const ends = (page: HTMLIFrameElement, runId: string, by: string) =>
  expect.poll(() => run(page, runId), patience).toEqual({ status: "completed", result: { by } });

describe("pages that serve one tenant", () => {
  test("race for one due run 40 times, and one of them executes it each time", async () => {
    const [clerk] = [await open("clerk", { serves: "no" }), await open("a"), await open("b")];
    go();
    for (let round = 0; round < 40; round++) {
      const runId = await executor(clerk).start();
      await expect.poll(() => run(clerk, runId), patience).toMatchObject({ status: "completed" });
      expect(calls(clerk, runId)).toHaveLength(1);
      const log = await events(clerk, runId);
      expect(log.filter((type) => type === "step.completed")).toHaveLength(3);
      expect(log).not.toContain("run.recovered");
    }
  });

  test.each(["close", "leave"] as const)("hand over at once when the one that executes dies: %s", async (way) => {
    const [winner, other] = [await open("winner", { leaseMs: hour }), await open("other", { leaseMs: hour })];
    const runId = await executor(winner).start();
    await called(other, runId, ["winner"]);
    // The other one has seen it and leaves it alone.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(calls(other, runId)).toEqual(["winner"]);
    if (way === "close") winner.remove();
    else winner.src = "about:blank";
    await called(other, runId, ["winner", "other"]);
    go();
    await ends(other, runId, "other");
    const log = await events(other, runId);
    expect(log.filter((type) => type === "run.recovered")).toHaveLength(1);
    expect(log.filter((type) => type === "step.completed")).toHaveLength(3);
  });

  test("a page that is reloaded takes up its own run again at once", async () => {
    const page = await open("page", { leaseMs: hour });
    const runId = await executor(page).start();
    await called(page, runId, ["page"]);
    page.contentWindow?.location.reload();
    // While it is reloaded there is no page to ask.
    const noted = () => Object.keys(localStorage).filter((key) => key.startsWith(`calls:${runId}:`));
    await expect.poll(noted, patience).toHaveLength(2);
    await expect.poll(() => page.contentWindow?.executor, patience).toBeDefined();
    expect(calls(page, runId)).toEqual(["page", "page"]);
    go();
    await ends(page, runId, "page");
  });

  test("a page that opens later takes what a dead one left, on load", async () => {
    const first = await open("first", { leaseMs: hour });
    const runId = await executor(first).start();
    await called(first, runId, ["first"]);
    first.remove();
    const later = await open("later", { leaseMs: hour });
    await called(later, runId, ["first", "later"]);
    go();
    await ends(later, runId, "later");
  });

  test("without Web Locks a dead page's run is taken when its lease lapses", async () => {
    // Longer than a busy machine stands still before the page dies.
    const options = { presence: "no", leaseMs: "8000" } as const;
    const [winner, other] = [await open("winner", options), await open("other", options)];
    const runId = await executor(winner).start();
    await called(winner, runId, ["winner"]);
    winner.remove();
    await called(other, runId, ["winner", "other"]);
    go();
    await ends(other, runId, "other");
  });
});

test("a page that executes nothing hears of every event through the BroadcastChannel, without looking for them", async () => {
  const [home, watcher] = [await open("home"), await open("watcher", { serves: "no" })];
  const runId = await executor(home).start();
  await called(watcher, runId, ["home"]);
  const seen = executor(watcher).watch(runId);
  await new Promise((resolve) => setTimeout(resolve, 300));
  go();
  expect(copied(await seen)).toEqual(await events(home, runId));
});
