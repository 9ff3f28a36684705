import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("the housekeeping says what its comments say", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["examples/housekeeping.ts"]);
  expect(stdout.trim().split("\n")).toEqual([
    "{ receipt: 'sent to Alice' }",
    '{"_checkpoint_version":1,"skill_id":"letter"',
    "too_large",
    "0",
  ]);
});
