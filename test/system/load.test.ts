import { expect, test } from "vitest";
import { miscounts } from "../../scripts/load/count.ts";
import { countsLine, load } from "../../scripts/load.ts";

test("under load no run is lost or doubled, and each effect happens once", { timeout: 300_000 }, async () => {
  const report = await load(30, 4);
  console.log([...report.lines, countsLine(report)].join("\n"));
  expect(report).toMatchObject({ acknowledged: 30, stored: 30, effects: 30 });
  expect(report.miscounts).toEqual({ lost: [], doubled: [], miscounted: [] });
});

test("what is counted afterwards finds each way to be wrong", () => {
  const run = (run_id: string, status = "completed", steps = 3) => ({ run_id, status, steps });
  const effects = new Map([
    ["good", 1],
    ["twice", 2],
    ["few", 1],
    ["stuck", 1],
    ["other", 1],
  ]);
  const stored = [run("good"), run("twice"), run("few", "completed", 2), run("stuck", "running"), run("other")];
  expect(miscounts(["good", "twice", "few", "stuck", "gone"], stored, effects, 3)).toEqual({
    lost: ["stuck", "gone"],
    doubled: ["other"],
    miscounted: ["few: 2 steps", "twice: 2 effects", "gone: 0 effects"],
  });
});
