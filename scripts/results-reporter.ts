import { writeFileSync } from "node:fs";
import { relative } from "node:path";
import type { Reporter, TestModule } from "vitest/node";

/** What became of the tests of one file in one project. */
export interface FileResult {
  /** From the root of the repository. */
  readonly path: string;
  readonly project: string;
  readonly tests: readonly {
    /** The titles of the groups that it is in, and its own. */
    readonly titles: readonly string[];
    /** As vitest calls it: `passed`, `failed`, `skipped` or `pending`. */
    readonly state: string;
    readonly durationMs: number;
  }[];
}

/**
 * Writes what became of each test, by file and project, into the file that `ORCA_RESULTS` names. Vitest's own JSON
 * reporter does not say in which project a test ran.
 */
export default class ResultsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const file = process.env.ORCA_RESULTS;
    if (file === undefined) throw new Error("ORCA_RESULTS names no file to write the results to");
    writeFileSync(file, JSON.stringify(modules.map(resultOf)));
  }
}

function resultOf(module: TestModule): FileResult {
  const path = relative(module.project.vitest.config.root, module.moduleId).replaceAll("\\", "/");
  const tests = [...module.children.allTests()].map((test) => ({
    titles: test.fullName.split(" > "),
    state: test.result().state,
    durationMs: test.diagnostic()?.duration ?? 0,
  }));
  return { path, project: module.project.name, tests };
}
