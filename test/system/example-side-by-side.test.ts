import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("a step ends with its timeout, and an editor is asked while a draft is written", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["examples/side-by-side.ts"]);
  expect(JSON.parse(stdout)).toEqual({ draft: "Who was first? Nothing was found in time.", approver: "ada" });
});
