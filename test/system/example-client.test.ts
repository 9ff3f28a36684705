import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startWorker } from "../../scripts/local-worker.ts";
import { migratedTo } from "../support/migrated.ts";

test("the client's example does what its comments say, against a Worker", async () => {
  const persistTo = await mkdtemp(join(tmpdir(), "orca-durable-client-"));
  await migratedTo(persistTo);
  const worker = await startWorker({ persistTo, vars: { API_KEY: "own" } });
  try {
    const env = { ...process.env, ORCA_URL: worker.url, ORCA_KEY: "own" };
    const { stdout } = await promisify(execFile)(process.execPath, ["examples/client.ts"], { env });
    const lines = stdout.trim().split("\n");
    expect(lines[0]).toBe("run.started");
    expect(lines.filter((line) => line === "step.completed")).toHaveLength(3);
    expect(lines).toContain("run.completed");
    expect(stdout).toContain("completed { summary: 'Down, down, down.' }");
    expect(stdout).toMatch(/op: 'replace',\s+path: '\/status',\s+before: 'running',\s+after: 'completed'/);
    expect(stdout).toMatch(/^run "fork_.+" is now at revision \d+$/m);
    expect(stdout).toMatch(/The fork: \{\s+summary: 'Alice fell down a well\./);
    expect(lines.at(-1)).toMatch(/^\d{4,} characters$/);
  } finally {
    await worker.stop();
    await rm(persistTo, { recursive: true, force: true });
  }
});
