import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { FileResult } from "./results-reporter.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
const resultsReporter = fileURLToPath(new URL("results-reporter.ts", import.meta.url));

/** The titles of tests, by the titles of their groups joined by ` > `. */
export type Slices = Readonly<Record<string, readonly string[]>>;

/** The ids of these tests of one file, such as `test/core/state.test.ts > versions > {} is read`. */
export function testsOf(file: string, slices: Slices): readonly string[] {
  return Object.entries(slices).flatMap(([group, titles]) => titles.map((title) => `${file} > ${group} > ${title}`));
}

/** The media of the tests of `test/media/`, and the projects that run them there. */
const media = { memory: ["node"], D1: ["workerd"], IndexedDB: ["chromium", "firefox", "webkit"] } as const;

/** The ids of these tests of one suite on one medium: `test/media/runtime.test.ts [D1] > resume > skips completed steps`. */
export function onMedium(medium: keyof typeof media, slices: Slices, suite = "runtime"): readonly string[] {
  return testsOf(`test/media/${suite}.test.ts [${medium}]`, slices);
}

/** The ids of these tests of one suite on every medium: memory, D1 in workerd and IndexedDB in a browser. */
export function onEveryMedium(slices: Slices, suite = "runtime"): readonly string[] {
  return (Object.keys(media) as (keyof typeof media)[]).flatMap((medium) => onMedium(medium, slices, suite));
}

/** Tests that belong together in the advanced report. */
export interface Scenario {
  readonly id: string;
  readonly description: string;
  readonly nodes: readonly string[];
}

/** The result of one test. */
export interface NodeResult {
  readonly nodeid: string;
  /** 0: passed. 1: failed. 2: not run, since another test had failed. 5: no test has that id. */
  readonly returncode: 0 | 1 | 2 | 5;
  readonly duration_seconds: number;
}

export interface ContractReport {
  readonly generated_at: string;
  readonly status: "passed" | "failed";
  readonly contract: "durability_v1";
  readonly summary: Summary;
  readonly tests: readonly NodeResult[];
  readonly failures: readonly string[];
}

export interface AdvancedReport {
  readonly generated_at: string;
  readonly status: "passed" | "failed";
  readonly contract: "durability_v2_advanced";
  readonly summary: {
    readonly total_scenarios: number;
    readonly passed_scenarios: number;
    readonly failed_scenarios: number;
    readonly scenario_pass_ratio: number;
  };
  readonly scenarios: readonly {
    readonly scenario_id: string;
    readonly description: string;
    readonly status: "passed" | "failed";
    readonly summary: Summary;
    readonly tests: readonly NodeResult[];
  }[];
  readonly failures: readonly string[];
}

interface Summary {
  readonly total: number;
  readonly passed: number;
  readonly failed: number;
  readonly pass_ratio: number;
}

/** A test counts as passed only if it ran and passed. */
export function contractReport(tests: readonly NodeResult[], now: Date): ContractReport {
  const summary = summaryOf(tests);
  return {
    generated_at: now.toISOString(),
    status: statusOf(summary.total, summary.passed),
    contract: "durability_v1",
    summary,
    tests,
    failures: failuresOf(tests),
  };
}

export function advancedReport(
  scenarios: readonly Scenario[],
  results: readonly NodeResult[],
  now: Date,
): AdvancedReport {
  const byId = new Map(results.map((result) => [result.nodeid, result]));
  const reported = scenarios.map(({ id, description, nodes }) => {
    const tests = nodes.map((nodeid) => byId.get(nodeid) ?? { nodeid, returncode: 5 as const, duration_seconds: 0 });
    const summary = summaryOf(tests);
    return { scenario_id: id, description, status: statusOf(summary.total, summary.passed), summary, tests };
  });
  const passed = reported.filter(({ status }) => status === "passed").length;
  return {
    generated_at: now.toISOString(),
    status: statusOf(reported.length, passed),
    contract: "durability_v2_advanced",
    summary: {
      total_scenarios: reported.length,
      passed_scenarios: passed,
      failed_scenarios: reported.length - passed,
      scenario_pass_ratio: ratio(passed, reported.length),
    },
    scenarios: reported,
    failures: reported.flatMap(({ scenario_id, tests }) => failuresOf(tests).map((node) => `${scenario_id}:${node}`)),
  };
}

function summaryOf(tests: readonly NodeResult[]): Summary {
  const passed = tests.filter(({ returncode }) => returncode === 0).length;
  return { total: tests.length, passed, failed: tests.length - passed, pass_ratio: ratio(passed, tests.length) };
}

/** The failed nodes, followed by those that did not run because of them. */
function failuresOf(tests: readonly NodeResult[]): readonly string[] {
  const failed = tests.filter(({ returncode }) => returncode === 1 || returncode === 5);
  const unreached = tests.filter(({ returncode }) => returncode === 2);
  return [...failed, ...unreached].map(({ nodeid }) => nodeid);
}

function statusOf(total: number, passed: number): "passed" | "failed" {
  return total > 0 && passed === total ? "passed" : "failed";
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/**
 * The result of each node; if several tests have one id, the worst result. After a run that was cut short by a failure, the
 * content of a file that was not loaded is unknown: its nodes did not run.
 */
export function nodeResults(
  nodes: readonly string[],
  files: readonly FileResult[],
  wasCutShort: boolean,
): readonly NodeResult[] {
  const loaded = new Set(files.filter((file) => file.tests.length > 0).map(placeOf));
  const found = new Map<string, NodeResult[]>();
  for (const file of files) {
    for (const { titles, state, durationMs } of file.tests) {
      const nodeid = [placeOf(file), ...titles].join(" > ");
      const returncode = state === "passed" ? 0 : state === "failed" ? 1 : 2;
      const same = found.get(nodeid) ?? [];
      found.set(nodeid, [...same, { nodeid, returncode, duration_seconds: Math.round(durationMs) / 1_000 }]);
    }
  }
  const badness = [0, 2, 1];
  return nodes.map((nodeid) => {
    const [worst] = (found.get(nodeid) ?? []).toSorted(
      (a, b) => badness.indexOf(b.returncode) - badness.indexOf(a.returncode),
    );
    if (worst !== undefined) return worst;
    const isUnreached = wasCutShort && !loaded.has(nodeid.split(" > ")[0] ?? "");
    return { nodeid, returncode: isUnreached ? 2 : 5, duration_seconds: 0 };
  });
}

/** The beginning of the ids of the tests of a file: its path and, if each project has its own medium, the medium. */
function placeOf({ path, project }: FileResult): string {
  if (!/^test\/media\/[^.]+\.test\.ts$/.test(path)) return path;
  const medium = Object.entries(media).find(([, projects]) => projects.some((one) => one === project));
  return `${path} [${medium?.[0] ?? project}]`;
}

/** The path of a node's file, and the projects that run it. */
function fileOf(node: string): { readonly path: string; readonly projects: readonly string[] } {
  const [place = ""] = node.split(" > ");
  const [path = "", medium] = place.split(/ \[|\]$/);
  return { path, projects: media[medium as keyof typeof media] ?? ["node"] };
}

interface Options {
  readonly reportFile: string;
  readonly continueOnError: boolean;
  readonly list: boolean;
  /** The results of an earlier run of the whole suite. If absent, the tests are run. */
  readonly results: string | undefined;
}

function optionsFrom(args: readonly string[], reportFile: string): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      "report-file": { type: "string", default: reportFile },
      "continue-on-error": { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      results: { type: "string" },
    },
  });
  return {
    reportFile: values["report-file"],
    continueOnError: values["continue-on-error"],
    list: values.list,
    results: values.results,
  };
}

export interface Verifier {
  /** Every test that must pass. */
  readonly nodes: readonly string[];
  readonly reportFile: string;
  report(results: readonly NodeResult[], now: Date): ContractReport | AdvancedReport;
}

/** Runs the tests, writes the report, and returns the exit code. `print` is called with the text to show. */
export async function verify(
  { nodes, reportFile, report }: Verifier,
  args: readonly string[],
  print: (text: string) => void = (text) => process.stdout.write(text),
): Promise<0 | 1> {
  const options = optionsFrom(args, reportFile);
  const unique = [...new Set(nodes)];
  if (options.list) {
    print(`${unique.join("\n")}\n`);
    return 0;
  }
  const { results: ofRun, continueOnError } = options;
  const run = ofRun === undefined ? runTests(unique, continueOnError, print) : readRun(ofRun);
  const { files, wasCutShort, hasStrayErrors } = await run;
  const results = nodeResults(unique, files, wasCutShort);
  const written = report(results, new Date());
  await mkdir(dirname(options.reportFile), { recursive: true });
  await writeFile(options.reportFile, `${JSON.stringify(written, null, 2)}\n`);
  print(summaryText(written, results, options));
  if (hasStrayErrors) print("There were errors outside these tests: see above.\n");
  return written.status === "passed" && !hasStrayErrors ? 0 : 1;
}

function summaryText(
  report: ContractReport | AdvancedReport,
  results: readonly NodeResult[],
  { continueOnError, reportFile }: Options,
): string {
  const of = (code: NodeResult["returncode"]) => results.filter(({ returncode }) => returncode === code);
  const unreached = of(2).length;
  const hint = continueOnError ? "" : "; --continue-on-error runs them after a failure";
  const lines = [
    ...of(1).map(({ nodeid }) => `failed: ${nodeid}`),
    ...of(5).map(({ nodeid }) => `no such test: ${nodeid}`),
    ...(unreached === 0 ? [] : [`${unreached} tests did not run${hint}`]),
    `${report.contract} ${report.status}: ${of(0).length} of ${results.length} tests passed`,
    `report: ${reportFile}`,
  ];
  return `${lines.join("\n")}\n`;
}

interface TestRun {
  readonly files: readonly FileResult[];
  /** True if it ended at its first failure. */
  readonly wasCutShort: boolean;
  readonly hasStrayErrors: boolean;
}

/** One run of vitest over the files of these nodes, and of no other tests in them. */
async function runTests(
  nodes: readonly string[],
  continueOnError: boolean,
  print: (text: string) => void,
): Promise<TestRun> {
  const folder = await mkdtemp(join(tmpdir(), "orca-verify-"));
  try {
    const outputFile = join(folder, "results.json");
    const places = nodes.map(fileOf);
    const paths = [...new Set(places.map(({ path }) => path))];
    const projects = [...new Set(places.flatMap(({ projects }) => projects))];
    const code = await runVitest(
      [
        ...["run", ...paths, ...projects.flatMap((project) => ["--project", project])],
        ...["--testNamePattern", namePattern(nodes), "--reporter", resultsReporter, "--reporter", "dot"],
        ...(continueOnError ? [] : ["--bail", "1"]),
      ],
      outputFile,
      print,
    );
    const files = await readResults(outputFile);
    const hasFailure = files.some(({ tests }) => tests.some(({ state }) => state === "failed"));
    return { files, wasCutShort: hasFailure && !continueOnError, hasStrayErrors: code !== 0 && !hasFailure };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A run of the whole suite that has ended, such as `npm test` with `ORCA_RESULTS`: its errors outside tests were its own. */
async function readRun(file: string): Promise<TestRun> {
  return { files: await readResults(file), wasCutShort: false, hasStrayErrors: false };
}

async function readResults(file: string): Promise<readonly FileResult[]> {
  return JSON.parse(await readFile(file, "utf8")) as readonly FileResult[];
}

/** Matches the full names that vitest gives these tests: their groups and title. */
function namePattern(nodes: readonly string[]): string {
  const names = new Set(nodes.map((node) => node.split(" > ").slice(1).join(" > ")));
  return `^(${[...names].map((name) => name.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|")})$`;
}

async function runVitest(args: readonly string[], outputFile: string, print: (text: string) => void): Promise<number> {
  // The state of a vitest that runs this verifier in one of its tests must not reach the vitest that is started here.
  const inherited = Object.entries(process.env).filter(([name]) => !/^(VITEST|VITE_|TEST$)/.test(name));
  const env = { ...Object.fromEntries(inherited), ORCA_RESULTS: outputFile };
  const child = spawn(process.execPath, [vitest, ...args], { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", print);
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}
