import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";

const script = fileURLToPath(new URL("../../scripts/walk.ts", import.meta.url));

/** How many files each may enter. A reader who follows it reads as many; so these may go down, and not up. */
// A resume answers with why its run does not go on at this moment: src/runs/why.ts and src/record/waiting.ts.
const mostFiles = { resume: 29, step: 16 };

let walks: { readonly resume: readonly string[]; readonly "step.do": readonly string[] };

beforeAll(async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [script, "--json"]);
  walks = JSON.parse(stdout) as typeof walks;
});

describe("a step.do, followed through the files whose functions it calls,", () => {
  test(`enters at most ${mostFiles.step} of them`, () => {
    const files = walks["step.do"];
    expect(files).toEqual(expect.arrayContaining(["src/engine/kernel.ts", "adapters/memory/index.ts"]));
    expect(files.length, files.join("\n")).toBeLessThanOrEqual(mostFiles.step);
  });

  test("meets nothing of what it does not have: an effect, a gate, a wait, a migration, a lineage", () => {
    const absent =
      /^src\/(engine\/(ledger|waiting)|record\/(gate|lineage|precondition)|skills\/(renaming|code\/recorded))\.ts$/;
    expect(walks["step.do"].filter((file) => absent.test(file))).toEqual([]);
  });
});

describe("a resume over HTTP, followed through the files whose functions it calls,", () => {
  test("goes from its route to the store", () => {
    const whole = [
      "worker/http/index.ts",
      "src/runs/continuation.ts",
      "src/journal/commit.ts",
      "adapters/memory/index.ts",
    ];
    expect(walks.resume).toEqual(expect.arrayContaining(whole));
  });

  test(`enters at most ${mostFiles.resume} of them`, () => {
    expect(walks.resume.length, walks.resume.join("\n")).toBeLessThanOrEqual(mostFiles.resume);
  });

  test("meets neither a pass, which is not the request's, nor what it does not have: lineage, origins of pages", () => {
    const absent = /^(src\/(engine\/pass|skills\/code\/|record\/lineage)|worker\/http\/middleware\/cors)/;
    expect(walks.resume.filter((file) => absent.test(file))).toEqual([]);
  });
});
