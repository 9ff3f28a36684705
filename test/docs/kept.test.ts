import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestOf, digestOfFiles, keptFolder } from "../../scripts/kept.ts";
import { compile, compilerVersion } from "../support/compile.ts";

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "orca-durable-kept-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("what a tool has made", () => {
  test("is made once, and is there again for the same digest alone", async () => {
    const [one, other] = [digestOf(folder, "one"), digestOf(folder, "other")];
    let made = 0;
    const make = (place: string) => writeFileSync(join(place, "made.txt"), String(++made));
    const kept = await keptFolder(one, make);
    try {
      expect(await keptFolder(one, make)).toBe(kept);
      expect(made).toBe(1);
      expect(readdirSync(kept)).toEqual(["made.txt"]);
      const another = await keptFolder(other, make);
      expect([another === kept, made]).toEqual([false, 2]);
      rmSync(another, { recursive: true });
    } finally {
      rmSync(kept, { recursive: true });
    }
  });

  test("is not kept if the tool failed", async () => {
    const digest = digestOf(folder, "failed");
    const failing = keptFolder(digest, async (place) => {
      writeFileSync(join(place, "half.txt"), "half");
      expect(existsSync(join(place, "half.txt"))).toBe(true);
      throw new Error("it failed");
    });
    await expect(failing).rejects.toThrow("it failed");
    const kept = await keptFolder(digest, () => {});
    expect(readdirSync(kept)).toEqual([]);
    rmSync(kept, { recursive: true });
  });

  test("is made anew if a file is changed, renamed, added or removed", () => {
    const base = join(folder, "files");
    mkdirSync(join(base, "deep"), { recursive: true });
    const digests: string[] = [];
    const look = () => digests.push(digestOfFiles(base, "deep"));
    writeFileSync(join(base, "deep/a.ts"), "a");
    look();
    writeFileSync(join(base, "deep/a.ts"), "b");
    look();
    writeFileSync(join(base, "deep/b.ts"), "b");
    look();
    rmSync(join(base, "deep/a.ts"));
    look();
    expect(new Set(digests).size).toBe(4);
    writeFileSync(join(base, "deep/a.ts"), "b");
    rmSync(join(base, "deep/b.ts"));
    expect(digestOfFiles(base, "deep")).toBe(digests[1]);
  });
});

describe("a compiler", () => {
  test("that is not there is an error, and not a project without one", async () => {
    expect(() => compilerVersion(join(folder, "nowhere"))).toThrow("ENOENT");
    await expect(compile(join(folder, "nowhere"), folder)).rejects.toThrow("bin/tsc");
  });
});
