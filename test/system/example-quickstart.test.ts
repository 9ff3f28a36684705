import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("the quickstart ends with what it says", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["examples/quickstart.ts"]);
  expect(stdout.replaceAll(/\s+/g, " ")).toMatch(
    /^sent “Dear Alice, …” for Bob under the key acme\/run_[0-9a-f]{24}\/send/,
  );
});
