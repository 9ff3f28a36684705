import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { askedEngines } from "../support/engines/asked.ts";
import { drivenFiles } from "../support/engines/driven-files.ts";
import type { Engine } from "../support/engines/find.ts";
import { type House, startHouse } from "../support/engines/house.ts";
import { type LaunchedBrowser, type LaunchOptions, launchBrowser } from "../support/engines/launch.ts";
import type { Saved, Task, Told } from "../support/engines/page.ts";
import { hasTornLog, isTorn } from "../support/engines/torn-log.ts";

// Whole browsers, with a profile on the disk, as they are: no driver, no developer tools.

const { run: engines } = askedEngines();

let house: House;
let profile: string;
const launched: LaunchedBrowser[] = [];

beforeAll(async () => {
  house = await startHouse();
});

afterAll(() => house?.stop());

beforeEach(async () => {
  profile = await mkdtemp(join(tmpdir(), "orca-durable-engines-"));
});

afterEach(async () => {
  for (const browser of launched.splice(0)) await browser.kill();
  await rm(profile, { recursive: true, force: true, maxRetries: 5 });
});

async function open(engine: Engine, task: Task, options: Partial<LaunchOptions> = {}): Promise<LaunchedBrowser> {
  house.give(task);
  const browser = await launchBrowser(engine, { profile, url: house.url, ...options });
  launched.push(browser);
  return browser;
}

/** Less than any test here has, so that a page that stands still says how far it came. */
const mostMs = 200_000;

/** Takes what the page tells until it is enough. */
async function listen(browser: LaunchedBrowser, isEnough: (all: readonly Told[]) => boolean): Promise<readonly Told[]> {
  const all: Told[] = [];
  let hasEnded = false;
  void browser.ended.then(() => {
    hasEnded = true;
  });
  const since = performance.now();
  while (!isEnough(all)) {
    if (performance.now() - since > mostMs) {
      throw new Error(
        `${browser.engine} has told nothing more for long: ${JSON.stringify(all)} ${browser.complaints()}`,
      );
    }
    const failure = all.find(({ kind }) => kind === "failed");
    if (failure !== undefined) throw new Error(JSON.stringify(failure));
    if (hasEnded) throw new Error(`${browser.engine} ended by itself: ${browser.complaints()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    all.push(...house.told());
  }
  return all;
}

const count = (told: readonly Told[], kind: Told["kind"]) => told.filter((one) => one.kind === kind).length;

/** The run was taken up by another service worker, which did what was not recorded and nothing else. */
function expectGoneOn({ run, callers, events }: Told & { kind: "released" }): void {
  const by = "service worker";
  expect(run).toEqual({ status: "completed", result: { by, endedBy: by } });
  expect(callers).toEqual([by, by]);
  const counted = (type: string) => events.filter((event) => event === type).length;
  expect([counted("step.completed"), counted("run.recovered")]).toEqual([3, 1]);
}

describe.each(engines)("%s", { timeout: 900_000 }, (engine) => {
  test("after kill -9 of the whole browser under load every acknowledged run and checkpoint is there, and every run goes on", async () => {
    const runs: string[] = [];
    const saved: Saved[] = [];
    const acknowledge = (told: readonly Told[]) => {
      for (const one of told) {
        if (one.kind === "started") runs.push(one.runId);
        if (one.kind === "saved") saved.push(one.saved);
      }
    };
    const found = { runs: 0, saved: 0, torn: 0 };
    /** Everything that was acknowledged in this profile is there, and goes on. */
    const expectAll = async () => {
      if (runs.length === 0) return;
      const browser = await open(engine, { do: "read", runs, saved });
      const told = await listen(browser, (all) => count(all, "read") === 1);
      // What is lost is not enough to know where it went.
      const files = (await readdir(profile, { recursive: true })).filter((name) =>
        /IndexedDB|QuotaManager|idb/i.test(name),
      );
      expect(told, files.join("\n")).toEqual([{ kind: "read", lost: [], statuses: { completed: runs.length } }]);
      await browser.kill();
      found.runs += runs.splice(0).length;
      found.saved += saved.splice(0).length;
    };
    for (let round = 0; round < 3; round++) {
      const browser = await open(engine, { do: "work", round, lanes: 3 });
      acknowledge(await listen(browser, (all) => count(all, "started") >= 20 && count(all, "saved") >= 20));
      await browser.kill();
      acknowledge(house.told());
      if (!(await hasTornLog(profile))) continue;
      // All of it is there, and Chromium would delete it at the start after the next.
      found.torn++;
      await expectAll();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
      profile = await mkdtemp(join(tmpdir(), "orca-durable-engines-"));
    }
    await expectAll();
    const torn = found.torn === 0 ? "" : `, ${found.torn} logs torn`;
    console.log(`kill -9 of ${engine}: ${found.runs} runs, ${found.saved} checkpoints, none lost${torn}`);
  });

  test("after kill -9 in the middle of a step of its service worker the next one goes on from there", async () => {
    const first = await open(engine, { do: "hold" });
    const [held] = await listen(first, (all) => count(all, "held") === 1);
    await first.kill();
    const { runId } = held as Told & { kind: "held" };
    const second = await open(engine, { do: "release", runId });
    const [told] = await listen(second, (all) => count(all, "released") === 1);
    expectGoneOn(told as Told & { kind: "released" });
  });

  test("answers and executes without its server", async () => {
    const browser = await open(engine, { do: "dispense" });
    await listen(browser, (all) => count(all, "ready") === 1);
    await house.close();
    try {
      const [told] = await listen(browser, (all) => count(all, "dispensed") === 1);
      const run = { status: "completed", result: { value: "alone" } };
      expect(told).toEqual({ kind: "dispensed", run, other: "none" });
    } finally {
      await house.open();
    }
  });

  test.runIf(process.platform === "linux")("does not outlive the process that launched it", async () => {
    const launcher = join(import.meta.dirname, "..", "support", "engines", "launch-and-wait.ts");
    house.give({ do: "work", round: 0, lanes: 1 });
    const runner = spawn(process.execPath, [launcher, engine, profile, house.url], { stdio: "inherit" });
    const exited = once(runner, "exit");
    try {
      const told: Told[] = [];
      while (count(told, "started") === 0) {
        if (runner.exitCode !== null) throw new Error(`the launcher exited with ${runner.exitCode}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
        told.push(...house.told());
      }
      expect((await processesWith(profile)).length).toBeGreaterThan(2);
    } finally {
      runner.kill("SIGKILL");
      await exited;
    }
    await expect.poll(() => processesWith(profile)).toEqual([]);
    house.told();
  });
});

describe.runIf(engines.includes("firefox"))("Firefox, whose service workers die soon", () => {
  test("loses nothing that was acknowledged: the next request has the run go on", async () => {
    // In milliseconds. The second begins when the first is over and `waitUntil` still holds it.
    const preferences = { "dom.serviceWorkers.idle_timeout": 1_500, "dom.serviceWorkers.idle_extended_timeout": 1_500 };
    const browser = await open("firefox", { do: "wake" }, { preferences });
    const [told] = await listen(browser, (all) => count(all, "released") === 1);
    expectGoneOn(told as Told & { kind: "released" });
  });
});

test("a log of Chromium's database that ends within a record is torn", () => {
  const record = (type: number, length: number) => {
    const bytes = new Uint8Array(7 + length);
    new DataView(bytes.buffer).setUint16(4, length, true);
    bytes[6] = type;
    return bytes;
  };
  const log = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
  const [whole, large] = [record(1, 100), log(record(2, 32_768 - 7), record(4, 50))];
  // The rest of a block that has no room for a header stays empty.
  const filled = log(record(1, 32_768 - 7 - 3), new Uint8Array(3), whole);
  for (const good of [log(), whole, log(whole, whole), log(large, whole), filled]) {
    expect(isTorn(good)).toBe(false);
  }
  const header = record(1, 212).subarray(0, 7);
  for (const bad of [log(whole, header), whole.subarray(0, 50), header.subarray(0, 3), record(2, 32_768 - 7)]) {
    expect(isTorn(bad)).toBe(true);
  }
});

test("each test that is driven in Chromium alone is listed with its reason", async () => {
  const driven: string[] = [];
  const tests = join(import.meta.dirname, "..");
  for (const name of await readdir(tests, { recursive: true })) {
    if (!name.endsWith(".test.ts")) continue;
    const text = await readFile(join(tests, name), "utf8");
    if (/from "(playwright|.*chromium\.ts|.*inspector\/(worker|service-worker|large)-home\.ts)"/.test(text)) {
      driven.push(`test/${name}`);
    }
  }
  expect(Object.keys(drivenFiles).sort()).toEqual(driven.sort());
});

test("an engine that is asked for and missing is an error, and one that is not asked for is not run", () => {
  const before = { ...process.env };
  try {
    process.env.ORCA_BROWSERS = "all";
    process.env.PATH = "/nowhere";
    process.env.FIREFOX_PATH = join(profile, "firefox");
    expect(() => askedEngines()).toThrow(/FIREFOX_PATH names a file that does not exist/);
    process.env.ORCA_BROWSERS = "chromium";
    expect(askedEngines()).toMatchObject({ run: ["chromium"], notRun: [{ engine: "firefox" }, { engine: "webkit" }] });
    process.env.ORCA_BROWSERS = "chrome";
    expect(() => askedEngines()).toThrow('expected "all" or some of chromium, firefox, webkit, not "chrome"');
  } finally {
    process.env = before;
  }
});

/** The processes whose home is that folder. */
async function processesWith(home: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    // One that has ended meanwhile has no environment.
    const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    if (environment.split("\0").includes(`HOME=${home}`)) found.push(pid);
  }
  return found;
}

describe.runIf(engines.includes("firefox"))("Firefox with little room", () => {
  test("says quota_exceeded with the estimate, and what was stored before is there", async () => {
    // In kB. A site gets a fifth of it, and no less than ten megabytes.
    const preferences = { "dom.quotaManager.temporaryStorage.fixedLimit": 51_200 };
    const browser = await open("firefox", { do: "fill" }, { preferences });
    const told = await listen(browser, (all) => count(all, "filled") === 1);
    const outOfRoom = { code: "quota_exceeded", details: { quota: expect.any(Number), usage: expect.any(Number) } };
    const refused = { create: outOfRoom, signal: outOfRoom, save: outOfRoom };
    expect(told).toEqual([{ kind: "filled", stored: expect.any(Number), refused, isWhole: true }]);
    expect((told[0] as Told & { kind: "filled" }).stored).toBeGreaterThan(2);
  });
});
