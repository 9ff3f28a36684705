import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("the demo is killed in the middle of a step, goes on, and shows that it did", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["examples/demo/demo.ts"]);
  const lines = stdout.split("\n");
  const line = (start: string) => lines.find((text) => text.startsWith(start))?.slice(start.length);
  const counts = (name: string) => line(name)?.trim().split(/\s+/).map(Number);

  // Times and counts differ from run to run, and so does which of two parallel steps ends first.
  const alike = (text: string) => text.replaceAll(/\d+/g, "0").replaceAll(/statistics|phrases/g, "either");
  const shown = /^```text\n(.*?SIGKILL.*?)^```$/ms
    .exec(readFileSync("README.md", "utf8"))?.[1]
    ?.split("\n")
    .filter(Boolean);
  expect(shown?.length).toBeGreaterThan(10);
  expect(shown?.filter((text) => !alike(stdout).includes(alike(text)))).toEqual([]);
  expect(stdout).toMatch(/SIGKILL to the whole server, in the middle of score/);
  expect(stdout).toMatch(/resumed from the checkpoint after (statistics|phrases), /);
  expect(counts("the run ")).toEqual([2, 1, 1, 1, 2, 1, 1]);
  expect(counts("replay after clean ")).toEqual([0, 0, 1, 1, 1, 1, 0]);
  expect(counts("fork after score ")).toEqual([0, 0, 0, 0, 0, 1, 1]);
  expect(lines.filter((text) => text.startsWith("holds  ")).length).toBeGreaterThanOrEqual(13);
  expect(stdout).not.toContain("FAILS");
  // The times of the timeline are since its beginning.
  const times = lines.flatMap((text) => /^ *(\d+\.\d) s {2}/.exec(text)?.[1] ?? []).map(Number);
  expect(Math.max(...times)).toBeLessThan(3_600);
});
