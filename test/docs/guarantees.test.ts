import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const page = readFileSync("docs/guarantees.md", "utf8");

test("the table of invariants has each one that the simulator judges, and no other", () => {
  const files = readdirSync("test/simulation").filter((name) => name.endsWith(".ts"));
  const texts = files.map((name) => readFileSync(`test/simulation/${name}`, "utf8"));
  const judged = texts.flatMap((text) => [...text.matchAll(/violate\(\s*"([a-z-]+)"/gi)].map(([, name = ""]) => name));
  const [, table = ""] = /\n\| invariant \|.*\n((?:\|.*\n)+)/.exec(page) ?? [];
  const named = table.split("\n").flatMap((row) => {
    const [, names = ""] = row.split("|");
    return [...names.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
  });
  expect(judged.length).toBeGreaterThan(30);
  expect(named.toSorted()).toEqual([...new Set(judged)].sort());
  // And where: each row has what it says, and where it is judged.
  for (const row of table.split("\n").slice(1, -1))
    expect(row.split("|").map((cell) => cell.trim().length > 2)).toEqual([false, true, true, true, false]);
});

test("each promise names the invariants that search it, or says why there is none", () => {
  const [, promises = ""] = /\n\| promise \|.*\n\|[-|]+\n((?:\|.*\n)+)/.exec(page) ?? [];
  const [, invariants = ""] = /\n\| invariant \|.*\n((?:\|.*\n)+)/.exec(page) ?? [];
  const known = new Set([...invariants.matchAll(/^\|([^|]+)\|/gm)].flatMap(([, cell = ""]) => namesIn(cell)));
  const rows = promises.trim().split("\n");
  expect(rows.length).toBeGreaterThan(20);
  for (const row of rows) {
    const [, promise = "", , , searched = ""] = row.split("|");
    const names = namesIn(searched);
    expect([promise, names.filter((name) => !known.has(name))]).toEqual([promise, []]);
    if (names.length === 0) expect([promise, searched]).toEqual([promise, expect.stringMatching(/^ none: .{10,}/)]);
  }
});

function namesIn(cell: string): readonly string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
}
