import type { UserConsoleLog } from "vitest";
import type { Reporter, TestCase, TestModule, TestRunEndReason, TestSpecification, Vitest } from "vitest/node";

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * Prints the slowest files, how many points the tests reached on all media, the counts of each project, the skipped tests,
 * what was not run and, as the last line of the process, the sum. A file that failed to load, an error outside any test and,
 * in a run of the whole suite, a project without a test each count as a failure.
 */
export default class CountsReporter implements Reporter {
  readonly #notes: readonly string[];
  #vitest: Vitest | undefined;
  #counts = new Map<string, Counts>();
  /** The skipped tests, each with its reason. */
  #skipped: string[] = [];
  /** The number of points that tests reported, such as `crash matrix`, by medium. */
  #points = new Map<string, Map<string, number>>();
  /** The time that each file took to load and to run. */
  #durations = new Map<string, number>();

  /** `notes` are the lines that say what this machine does not run. They are printed after a run of the whole suite. */
  constructor(notes: readonly string[]) {
    this.#notes = notes;
  }

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
    if (!vitest.config.watch) process.once("exit", () => this.#print());
  }

  onTestRunStart(specifications: readonly TestSpecification[]): void {
    const names = isWholeSuite(this.#vitest)
      ? this.#vitest?.projects.map((project) => project.name)
      : specifications.map((specification) => specification.project.name);
    this.#counts = new Map(names?.map((name) => [name, { passed: 0, failed: 0, skipped: 0 }]));
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[], reason: TestRunEndReason): void {
    for (const module of modules) this.#add(module);
    for (const [project, counts] of this.#counts) {
      if (counts.passed + counts.failed === 0 && isWholeSuite(this.#vitest)) this.#fail(project);
    }
    for (const _error of errors) this.#fail("outside the tests");
    if (reason === "interrupted") this.#fail("interrupted");
    if (this.#vitest?.config.watch) this.#print();
  }

  onUserConsoleLog({ content }: UserConsoleLog): void {
    const [, what, points, medium] = /^(.+): (\d+) points on (.+)$/m.exec(content) ?? [];
    if (what === undefined || medium === undefined) return;
    const media = this.#points.get(what) ?? new Map<string, number>();
    this.#points.set(what, media.set(medium, Number(points)));
  }

  #add(module: TestModule): void {
    const counts = this.#of(module.project.name);
    const { setupDuration, collectDuration, duration } = module.diagnostic();
    const file = `${module.project.name} ${module.relativeModuleId}`;
    this.#durations.set(file, setupDuration + collectDuration + duration);
    if (module.errors().length > 0) this.#fail(module.project.name);
    let tests = 0;
    for (const test of module.children.allTests()) {
      tests += 1;
      const { state } = test.result();
      if (state === "passed") counts.passed += 1;
      else if (state === "failed") counts.failed += 1;
      else if (state === "skipped") this.#skip(test);
      else this.#fail(module.project.name);
    }
    if (tests === 0 && module.errors().length === 0) this.#fail(module.project.name);
    for (const suite of module.children.allSuites()) {
      // A hook that throws fails its suite, while the tests of the suite are reported as skipped.
      if (suite.errors().length > 0) this.#fail(module.project.name);
    }
  }

  #skip(test: TestCase): void {
    const { name } = test.project;
    const result = test.result();
    const because = result.state === "skipped" ? result.note : undefined;
    this.#of(name).skipped += 1;
    // If only some tests were requested, all others are skipped.
    if (because === undefined && !isWholeSuite(this.#vitest)) return;
    this.#skipped.push(`${name}: skipped "${test.name}", ${because ?? "without a reason"}`);
  }

  #of(project: string): Counts {
    const counts = this.#counts.get(project) ?? { passed: 0, failed: 0, skipped: 0 };
    this.#counts.set(project, counts);
    return counts;
  }

  #fail(project: string): void {
    this.#of(project).failed += 1;
    process.exitCode = 1;
  }

  /** A line for each of the slowest files, if there are more files than lines. */
  #slowest(count: number): string[] {
    if (this.#durations.size <= count) return [];
    const byDuration = [...this.#durations].toSorted(([, a], [, b]) => b - a);
    const total = byDuration.reduce((sum, [, duration]) => sum + duration, 0);
    const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
    const lines = byDuration.slice(0, count).map(([file, duration]) => `${seconds(duration).padStart(9)}  ${file}`);
    return [`slowest of ${byDuration.length} files, which took ${seconds(total)} one by one:`, ...lines];
  }

  #print(): void {
    const sum = { passed: 0, failed: 0, skipped: 0 };
    const lines = this.#slowest(10);
    for (const [what, media] of this.#points) {
      const total = [...media.values()].reduce((sum, points) => sum + points, 0);
      const each = [...media].map(([medium, points]) => `${medium} ${points}`);
      lines.push(`${what}: ${total} points x media (${each.join(", ")})`);
    }
    for (const [project, { passed, failed, skipped }] of this.#counts) {
      lines.push(`${project}: ${passed} passed, ${failed} failed, ${skipped} skipped`);
      sum.passed += passed;
      sum.failed += failed;
      sum.skipped += skipped;
    }
    lines.push(...this.#skipped);
    if (isWholeSuite(this.#vitest)) lines.push(...this.#notes);
    lines.push(`${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ""}`);
    process.stdout.write(`${lines.join("\n")}\n`);
  }
}

/** True if the command line did not restrict the run to some files or tests. */
function isWholeSuite(vitest: Vitest | undefined): boolean {
  if (!vitest) return false;
  const { filenamePattern } = vitest as { filenamePattern?: string[] };
  return (
    !filenamePattern?.length &&
    !vitest.config.testNamePattern &&
    !vitest.config.related?.length &&
    !vitest.config.changed
  );
}
