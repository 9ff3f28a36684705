import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, expect, test } from "vitest";
import { nodeSqliteStore } from "../../adapters/node-sqlite/index.ts";
import { createRuntime } from "../../src/index.ts";
import { threeSteps } from "../support/sqlite-process.ts";

const folder = mkdtempSync(join(tmpdir(), "orca-sqlite-kill-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Starts runs in the file until it is killed after that many, and returns those that were acknowledged. */
async function killedAfter(path: string, name: string, count: number): Promise<readonly string[]> {
  const child: ChildProcess = spawn(process.execPath, ["test/support/sqlite-process.ts", path, name], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const acknowledged: string[] = [];
  if (child.stdout === null) throw new Error("no output");
  for await (const line of createInterface(child.stdout)) {
    acknowledged.push(line);
    if (acknowledged.length === count) child.kill("SIGKILL");
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  expect(child.signalCode).toBe("SIGKILL");
  return acknowledged;
}

test("two processes write one file, both are killed three times, and no acknowledged run is lost", async () => {
  const path = join(folder, "runs.sqlite");
  const acknowledged: string[] = [];
  for (const round of [1, 2, 3]) {
    const both = ["a", "b"].map((name) => killedAfter(path, `${name}${round}`, 5 + 7 * round));
    acknowledged.push(...(await Promise.all(both)).flat());
  }
  const store = nodeSqliteStore(path);
  const runtime = createRuntime({ store, skills: [threeSteps], leaseMs: 500 });
  const runs = runtime.for("t");
  for (const runId of acknowledged) {
    expect(await runs.settled(runId)).toMatchObject({ status: "completed", result: "done" });
  }
  expect(acknowledged.length).toBeGreaterThanOrEqual(2 * (12 + 19 + 26));
  await runtime.stop();
  await store.close();
});
