import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, expect, test, vi } from "vitest";
import { nodeSqliteStore } from "../../adapters/node-sqlite/index.ts";

const folder = mkdtempSync(join(tmpdir(), "orca-sqlite-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a file that is no database, or in no folder, is an error that names it", () => {
  const text = join(folder, "text");
  writeFileSync(text, "no database, but a text. ".repeat(100));
  for (const path of [text, join(folder, "missing", "runs.sqlite")]) {
    expect(() => nodeSqliteStore(path)).toThrow(
      expect.objectContaining({ code: "store_failed", message: expect.stringContaining(path) }),
    );
  }
});

test("tables of a newer version are refused, and stay as they are", async () => {
  const path = join(folder, "newer.sqlite");
  await nodeSqliteStore(path).close();
  const db = new DatabaseSync(path);
  db.exec("INSERT INTO orca_migrations (name) VALUES ('9999_later.sql')");
  expect(() => nodeSqliteStore(path)).toThrow(expect.objectContaining({ code: "store_outdated" }));
  expect(db.prepare("SELECT count(*) AS count FROM orca_migrations WHERE name = '9999_later.sql'").get()).toEqual({
    count: 1,
  });
  db.close();
});

test("a migration that fails leaves nothing behind", () => {
  const path = join(folder, "half.sqlite");
  const db = new DatabaseSync(path);
  // Of the last migration, so that all before it were executed.
  db.exec("CREATE TABLE numbered_runs (a TEXT)");
  expect(() => nodeSqliteStore(path)).toThrow(expect.objectContaining({ code: "store_failed" }));
  expect(db.prepare("SELECT name FROM sqlite_schema").all()).toEqual([{ name: "numbered_runs" }]);
  db.close();
});

test("where Node has no SQLite, the error says which Node has it", () => {
  vi.stubGlobal("process", { ...process, getBuiltinModule: undefined });
  try {
    expect(() => nodeSqliteStore(":memory:")).toThrow(
      expect.objectContaining({ code: "unsupported", message: expect.stringContaining("Node 22.13") }),
    );
  } finally {
    vi.unstubAllGlobals();
  }
});

test("a closed store says so, and closing it twice is no error", async () => {
  const store = nodeSqliteStore(":memory:");
  await store.close();
  await store.close();
  await expect(store.getRun("t", "r")).rejects.toMatchObject({ code: "store_failed" });
});
