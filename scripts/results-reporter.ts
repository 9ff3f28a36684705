import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import type { Reporter, TestModule } from "vitest/node";

/** The results of the tests of one file in one project. */
export interface FileResult {
  /** The path from the root of the repository. */
  readonly path: string;
  readonly project: string;
  readonly tests: readonly {
    /** The titles of the groups around the test, and its own. */
    readonly titles: readonly string[];
    /** The state in the words of vitest: `passed`, `failed`, `skipped` or `pending`. */
    readonly state: string;
    readonly durationMs: number;
  }[];
}

/**
 * Writes the result of each test, by file and project, into the file that `ORCA_RESULTS` names. Vitest's own JSON reporter
 * does not name the project of a test.
 */
export default class ResultsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const file = process.env.ORCA_RESULTS;
    if (file === undefined) throw new Error("set ORCA_RESULTS to the file to write the results to");
    mkdirSync(dirname(file), { recursive: true });
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
