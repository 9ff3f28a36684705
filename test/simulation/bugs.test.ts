import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { bugs } from "./bugs.ts";
import { withBug } from "./plant.ts";

// Known at once, and not after the search for those before it.
test.each(bugs.map((bug) => [bug.name, bug] as const))("the place of a bug is in its file: %s", (_name, bug) => {
  expect(withBug(bug)).not.toBe(readFileSync(bug.file, "utf8"));
});

test("a place that is not there is an error that names the bug", () => {
  const bug = { name: "none", file: "src/runtime.ts", find: "this is nowhere in it", replace: "" };
  expect(() => withBug(bug)).toThrow('"none": "this is nowhere in it" is 0 times in src/runtime.ts');
});
