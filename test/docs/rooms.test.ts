import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const tests = join(import.meta.dirname, "..");

test("each test is in the folder of what it needs, and a name says at most one project", () => {
  const files = readdirSync(tests, { recursive: true, encoding: "utf8" }).filter((name) => /\.test\.tsx?$/.test(name));
  expect(files.length).toBeGreaterThan(100);
  const room = /^(core|media|http|simulation|docs|system)\/[a-z0-9-]+(\.(node|workerd|object|browser))?\.test\.ts$/;
  expect(files.filter((name) => !room.test(name))).toEqual([]);
});
