import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

/** What a program prints, a line of JSON each, with the heap of an isolate at the edge. It fails if the process ends early. */
async function outcomesIn128MB<Outcome>(program: string): Promise<readonly Outcome[]> {
  const script = ["--max-old-space-size=128", `test/support/${program}.ts`];
  const { stdout } = await promisify(execFile)(process.execPath, script);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Outcome);
}

// The heap of an isolate at the edge. Whatever the defaults let in must leave the process alive.
test("no request within the default limits, and none beyond them, ends a process of 128 MB", {
  timeout: 300_000,
}, async () => {
  const outcomes = await outcomesIn128MB<Record<string, unknown>>("heap-process");
  const ends = outcomes.map(({ name, status, read }) => [
    name,
    status,
    (read as { status: number } | undefined)?.status,
  ]);
  expect(ends).toEqual([
    ["3,500,000 arrays", 413, undefined],
    ["4 MB of [],", 413, undefined],
    ["deep arrays", 400, undefined],
    ["as many arrays as are taken", 202, 200],
    ["as many objects as are taken", 202, 200],
    ["as many members as are taken", 202, 200],
    ["one long text", 202, 200],
    ["one long text of two bytes each", 202, 200],
    ["the list", 200, undefined],
    ["five at once: arrays", 201, undefined],
    ["five at once: members", 201, undefined],
  ]);
});

test("states that steps grow to the default bounds are read, resumed and forked in 128 MB", {
  timeout: 300_000,
}, async () => {
  const outcomes = await outcomesIn128MB<{ skillId: string; steps: number; ends: readonly string[] }>(
    "heap-growth-process",
  );
  expect(outcomes.map(({ skillId }) => skillId)).toEqual(["texts of 4 MiB", "texts of 8 MiB", "many values"]);
  for (const { steps, ends } of outcomes) {
    expect(steps).toBeGreaterThan(2);
    expect(ends).toEqual(["too_large", "too_large", "too_large"]);
  }
});
