import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";

const script = fileURLToPath(new URL("../../scripts/walk.ts", import.meta.url));

/** How many files one request may enter. Whoever follows it reads as many; so this may go down, and not up. */
const mostFiles = 38;

describe("a resume over HTTP, followed through the files whose functions it calls,", () => {
  let files: readonly string[];

  beforeAll(async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [script, "--json"]);
    files = (JSON.parse(stdout) as { readonly resume: readonly string[] }).resume;
  });

  test("goes from its route to the store", () => {
    const whole = [
      "worker/http/index.ts",
      "src/runs/continuation.ts",
      "src/journal/commit.ts",
      "adapters/memory/index.ts",
    ];
    expect(files).toEqual(expect.arrayContaining(whole));
  });

  test(`enters at most ${mostFiles} of them`, () => {
    expect(files.length, files.join("\n")).toBeLessThanOrEqual(mostFiles);
  });

  test("meets no pass: that is not the request's", () => {
    expect(files.filter((file) => /^src\/(engine\/pass|skills\/code\/)/.test(file))).toEqual([]);
  });
});
