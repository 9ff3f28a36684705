import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("a runtime that serves does not keep a process alive that has nothing else to do", async () => {
  const script = fileURLToPath(new URL("../support/idle-process.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script], { timeout: 60_000 });
  expect(stdout.trim()).toBe("running");
});
