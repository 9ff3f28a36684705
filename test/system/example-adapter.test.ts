import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { sqliteStore } from "../../examples/adapter-author/store.ts";
import { storeCases } from "../../src/conformance/index.ts";
import { createRuntime, defineCapability, defineGraphSkill } from "../../src/index.ts";

test("the SQLite adapter of the docs keeps every clause of the Store contract", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["examples/adapter-author/prove.ts"]);
  expect(stdout.trim().split("\n").at(-1)).toBe(`${storeCases.length} passed, 0 failed`);
});

test("a run over SQLite waits in the file and goes on over another connection", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sqlite-store-"));
  const path = join(folder, "runs.db");
  const shout = defineCapability({ id: "shout", version: "1", requiresConfirmation: true }, (text) => `${text}!`);
  const skill = defineGraphSkill({
    id: "shouting",
    version: "1",
    steps: [{ id: "shout", uses: "shout", input: "inputs.text", output: "outputs.text" }],
  });

  const before = sqliteStore(path);
  const first = createRuntime({ serves: false, store: before, skills: [skill], capabilities: [shout] });
  const { run } = await first.for("t").start({ skillId: "shouting", inputs: { text: "hello" } });
  await first.idle();
  await before.close();

  const after = sqliteStore(path);
  const runs = createRuntime({ serves: false, store: after, skills: [skill], capabilities: [shout] }).for("t");
  expect((await runs.get(run.runId)).status).toBe("waiting_for_human");
  await runs.approve(run.runId);
  expect((await runs.settled(run.runId)).result).toEqual({ text: "hello!" });
  await after.close();
  await rm(folder, { recursive: true });
});
