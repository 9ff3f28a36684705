import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("a bank that turned a charge away is asked again at once, and one that broke off only after a person's approval", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["examples/charge.ts"]);
  expect(JSON.parse(stdout)).toEqual({ asks: "charge", asked: "attempted", result: { receipt: "r-1" }, left: 0 });
});
