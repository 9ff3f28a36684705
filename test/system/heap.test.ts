import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

// The heap of an isolate at the edge. Whatever the defaults let in must leave the process alive.
test("no request within the default limits, and none beyond them, ends a process of 128 MB", {
  timeout: 300_000,
}, async () => {
  const script = ["--max-old-space-size=128", "test/support/heap-process.ts"];
  const { stdout } = await promisify(execFile)(process.execPath, script);
  const outcomes = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
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
