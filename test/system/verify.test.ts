import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { advancedScenarios } from "../../scripts/advanced-nodes.ts";
import { contractNodes } from "../../scripts/contract-nodes.ts";
import type { FileResult } from "../../scripts/results-reporter.ts";
import {
  advancedReport,
  type ContractReport,
  contractReport,
  type NodeResult,
  nodeResults,
  type Verifier,
  verify,
} from "../../scripts/verifier.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const vitest = fileURLToPath(new URL("../../node_modules/vitest/vitest.mjs", import.meta.url));
const now = new Date("2026-03-26T12:00:00.000Z");

const result = (nodeid: string, returncode: NodeResult["returncode"]): NodeResult => ({
  nodeid,
  returncode,
  duration_seconds: 0.5,
});

describe("what became of a node", () => {
  const file = (...tests: [title: string, state: string, ...groups: string[]][]): FileResult => ({
    path: "test/a.test.ts",
    project: "node",
    tests: tests.map(([title, state, ...groups]) => ({ titles: [...groups, title], state, durationMs: 500 })),
  });

  test.each<[string, NodeResult["returncode"]]>([
    ["passed", 0],
    ["failed", 1],
    ["skipped", 2],
    ["pending", 2],
    ["todo", 2],
    ["anything else", 2],
  ])("that vitest calls %s is %i", (state, returncode) => {
    const nodeid = "test/a.test.ts > group > inner > title";
    expect(nodeResults([nodeid], [file(["title", state, "group", "inner"])], false)).toEqual([
      result(nodeid, returncode),
    ]);
  });

  test("that no test has is a failure of its own", () => {
    const nodes = ["test/a.test.ts > title", "test/b.test.ts > a", "test/a.test.ts > a > b"];
    const results = nodeResults(nodes, [file(["a", "passed"], ["b", "passed"], ["title", "passed", "group"])], false);
    expect(results).toEqual(nodes.map((nodeid) => ({ nodeid, returncode: 5, duration_seconds: 0 })));
  });

  test("in a file that a failure kept from being loaded did not run", () => {
    const nodes = ["test/a.test.ts > gone", "test/b.test.ts > title"];
    const codes = (wasCutShort: boolean) =>
      nodeResults(nodes, [file(["title", "failed"])], wasCutShort).map(({ returncode }) => returncode);
    expect(codes(true)).toEqual([5, 2]);
    expect(codes(false)).toEqual([5, 5]);
  });

  test("that several tests have is the worst of them", () => {
    const nodeid = "test/a.test.ts > title";
    const codes = (...states: string[]) =>
      nodeResults([nodeid], [file(...states.map((state) => ["title", state] as [string, string]))], false)[0]
        ?.returncode;
    expect(codes("passed", "passed")).toBe(0);
    expect(codes("passed", "skipped")).toBe(2);
    expect(codes("skipped", "failed", "passed")).toBe(1);
  });
});

describe("a test of media", () => {
  const nodes = ["memory", "D1", "IndexedDB"].map((medium) => `test/media/a.test.ts [${medium}] > title`);
  const ran = (project: string, state: string): FileResult => ({
    path: "test/media/a.test.ts",
    project,
    tests: [{ titles: ["title"], state, durationMs: 500 }],
  });
  const codes = (...files: FileResult[]) => nodeResults(nodes, files, false).map(({ returncode }) => returncode);

  test("has one result for each medium", () => {
    expect(codes(ran("node", "passed"), ran("workerd", "failed"), ran("chromium", "skipped"))).toEqual([0, 1, 2]);
  });

  test("did not pass on a medium whose project did not run it", () => {
    expect(codes(ran("node", "passed"), ran("chromium", "passed"))).toEqual([0, 5, 0]);
  });

  test("passes on IndexedDB where it does in every browser", () => {
    expect(codes(ran("chromium", "passed"), ran("firefox", "failed"))).toEqual([5, 5, 1]);
  });
});

describe("the contract report", () => {
  test("has the fields of the contract", () => {
    expect(contractReport([result("a", 0), result("b", 0)], now)).toEqual({
      generated_at: "2026-03-26T12:00:00.000Z",
      status: "passed",
      contract: "durability_v1",
      summary: { total: 2, passed: 2, failed: 0, pass_ratio: 1 },
      tests: [result("a", 0), result("b", 0)],
      failures: [],
    });
  });

  test.each([1, 2, 5] as const)("says failed for a single test with %i", (returncode) => {
    expect(contractReport([result("a", 0), result("b", returncode)], now)).toMatchObject({
      status: "failed",
      summary: { total: 2, passed: 1, failed: 1, pass_ratio: 0.5 },
      failures: ["b"],
    });
  });

  test("names what failed before what did not run because of it", () => {
    expect(contractReport([result("a", 2), result("b", 1), result("c", 5)], now).failures).toEqual(["b", "c", "a"]);
  });

  test("says failed where there was nothing to run", () => {
    expect(contractReport([], now)).toMatchObject({ status: "failed", summary: { total: 0, pass_ratio: 0 } });
  });
});

describe("the advanced report", () => {
  const scenarios = [
    { id: "one", description: "First.", nodes: ["a", "b"] },
    { id: "two", description: "Second.", nodes: ["b", "c"] },
  ];

  test("has the fields of the contract", () => {
    const results = [result("a", 0), result("b", 0), result("c", 1)];
    expect(advancedReport(scenarios, results, now)).toEqual({
      generated_at: "2026-03-26T12:00:00.000Z",
      status: "failed",
      contract: "durability_v2_advanced",
      summary: { total_scenarios: 2, passed_scenarios: 1, failed_scenarios: 1, scenario_pass_ratio: 0.5 },
      scenarios: [
        {
          scenario_id: "one",
          description: "First.",
          status: "passed",
          summary: { total: 2, passed: 2, failed: 0, pass_ratio: 1 },
          tests: [result("a", 0), result("b", 0)],
        },
        {
          scenario_id: "two",
          description: "Second.",
          status: "failed",
          summary: { total: 2, passed: 1, failed: 1, pass_ratio: 0.5 },
          tests: [result("b", 0), result("c", 1)],
        },
      ],
      failures: ["two:c"],
    });
  });

  test("says failed for a node that was not run", () => {
    expect(advancedReport(scenarios, [result("a", 0), result("b", 0)], now)).toMatchObject({
      status: "failed",
      failures: ["two:c"],
    });
  });
});

describe("the nodes", () => {
  test("of the advanced report are in the contract's scenarios", () => {
    expect(advancedScenarios.map(({ id }) => id)).toEqual([
      "restart_continuity",
      "replay_equivalence",
      "failure_injection_paths",
    ]);
  });

  test.each([{ id: "the contract", nodes: contractNodes }, ...advancedScenarios])(
    "of $id are the same on every medium, and no node is there twice",
    ({ nodes }) => {
      const on = (medium: string) => {
        const file = `test/media/runtime.test.ts [${medium}] > `;
        return nodes.filter((node) => node.startsWith(file)).map((node) => node.slice(file.length));
      };
      expect(on("memory").length).toBeGreaterThan(20);
      expect(on("D1")).toEqual(on("memory"));
      expect(on("IndexedDB")).toEqual(on("memory"));
      expect(new Set(nodes).size).toBe(nodes.length);
    },
  );

  test("of the advanced report are all that disturbs a run in the crash matrix", async () => {
    const nodes = advancedScenarios.flatMap(({ nodes }) => nodes);
    const of = (medium: string) => {
      const file = `test/media/crash-matrix.test.ts [${medium}] > `;
      return nodes.filter((node) => node.startsWith(file)).map((node) => node.slice(file.length));
    };
    const args = ["list", "test/media/crash-matrix.test.ts", "--project", "node", "--no-static-parse", "--json"];
    const env = { PATH: process.env.PATH };
    const { stdout } = await promisify(execFile)(process.execPath, [vitest, ...args], { cwd: root, env });
    const names = (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name);
    expect(of("memory")).toEqual(names.filter((name) => !name.endsWith(" > undisturbed it does all that it should")));
    expect(of("D1")).toEqual(of("memory"));
    expect(of("IndexedDB")).toEqual(of("memory"));
  });

  test.each(["resume", "replay", "fork"])("have missing runs and checkpoints on %s in both reports", (verb) => {
    const advanced = advancedScenarios.flatMap(({ nodes }) => nodes);
    for (const missing of ["an unknown run", "a checkpoint that is not in the run", "a state that is gone"]) {
      const node = `test/media/runtime.test.ts [memory] > not found > ${missing} > on ${verb}`;
      expect(contractNodes).toContain(node);
      expect(advanced).toContain(node);
    }
  });
});

describe("a verifier", () => {
  const inMemory = contractNodes.filter((node) => !/ \[(D1|IndexedDB)\] /.test(node));
  const some = inMemory.filter((node) => / > (save|resume|fork) > /.test(node));
  let folder = "";

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "orca-verify-test-"));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true, force: true });
  });

  async function run<Report>(
    nodes: readonly string[],
    { report = contractReport }: Partial<Verifier>,
    ...args: string[]
  ) {
    const reportFile = join(folder, "deep", "report.json");
    const printed: string[] = [];
    const code = await verify(
      { nodes, reportFile: "artifacts/never.json", report },
      ["--report-file", reportFile, ...args],
      (text) => printed.push(text),
    );
    const text = await readFile(reportFile, "utf8").catch(() => "null");
    return { code, report: JSON.parse(text) as Report, printed: printed.join("") };
  }

  function expectFailures(
    ran: Awaited<ReturnType<typeof run<ContractReport>>>,
    broken: string,
    unharmed: string,
  ): void {
    const { code, report, printed } = ran;
    expect(code).toBe(1);
    expect(report.status).toBe("failed");
    expect(report.summary.failed).toBe(report.failures.length);
    expect(report.failures).toContain(`test/media/runtime.test.ts [memory] > ${broken}`);
    expect(report.failures).not.toContain(`test/media/runtime.test.ts [memory] > ${unharmed}`);
    expect(printed).toContain(`failed: test/media/runtime.test.ts [memory] > ${broken}`);
  }

  test("makes its report of the results of an earlier run, and runs nothing for it", async () => {
    const nodes = ["test/media/a.test.ts [D1] > group > title", "test/core/b.test.ts > gone"];
    const tests = [{ titles: ["group", "title"], state: "passed", durationMs: 500 }];
    const files: readonly FileResult[] = [{ path: "test/media/a.test.ts", project: "workerd", tests }];
    const results = join(folder, "results.json");
    await writeFile(results, JSON.stringify(files));
    const { code, report, printed } = await run<ContractReport>(nodes, {}, "--results", results);
    expect(code).toBe(1);
    expect(report).toMatchObject({ summary: { total: 2, passed: 1 }, failures: ["test/core/b.test.ts > gone"] });
    expect(printed).toMatch(/^no such test: test\/core\/b\.test\.ts > gone\n/);
    expect(await run<ContractReport>(nodes.slice(0, 1), {}, "--results", results)).toMatchObject({ code: 0 });
  });

  test("lists its nodes, and runs nothing for it", async () => {
    const { code, report, printed } = await run(["a > b", "c > d"], {}, "--list");
    expect({ code, report, printed }).toEqual({ code: 0, report: null, printed: "a > b\nc > d\n" });
  });

  test("passes on a good store, every node of both reports being a test that ran", async () => {
    const advanced = advancedScenarios
      .flatMap(({ nodes }) => nodes)
      .filter((node) => node.includes("runtime.test.ts [memory]"));
    const nodes = [...new Set([...inMemory, ...advanced])];
    const { code, report } = await run<ContractReport>(nodes, {}, "--continue-on-error");
    expect(report.failures).toEqual([]);
    expect(report.status).toBe("passed");
    expect(report.summary.passed).toBe(report.tests.length);
    expect(code).toBe(0);
  });

  test("names the right nodes on a store that is broken on purpose, and puts each into its scenario", async () => {
    vi.stubEnv("ORCA_SABOTEUR", "last-checkpoint");
    const scenarios = advancedScenarios.map((scenario) => ({
      ...scenario,
      nodes: scenario.nodes.filter((node) => /runtime\.test\.ts \[memory\] > (resume|replay) > /.test(node)),
    }));
    const nodes = [...some, ...scenarios.flatMap(({ nodes }) => nodes)];
    let results: readonly NodeResult[] = [];
    const report = (all: readonly NodeResult[], at: Date) => {
      results = all;
      return contractReport(all, at);
    };
    const contract = await run<ContractReport>(nodes, { report }, "--continue-on-error");
    expectFailures(
      contract,
      "resume > runs the steps again that its checkpoint does not have, with what the checkpoint has",
      "save > makes the checkpoint the head, and leaves the status as it is",
    );
    const advanced = advancedReport(scenarios, results, now);
    const node = "resume > runs the steps again that its checkpoint does not have, with what the checkpoint has";
    expect(advanced.failures).toContain(`restart_continuity:test/media/runtime.test.ts [memory] > ${node}`);
    expect(advanced.scenarios.find(({ scenario_id }) => scenario_id === "restart_continuity")?.status).toBe("failed");
  });

  test("names others where another clause is broken", async () => {
    vi.stubEnv("ORCA_SABOTEUR", "unique-everywhere");
    expectFailures(
      await run<ContractReport>(some, {}, "--continue-on-error"),
      "fork > makes a new pending run on the checkpoint, which executes nothing until it is resumed",
      "resume > skips completed steps and runs the rest",
    );
  });

  test("stops after the first failure by default, and counts nothing that did not run as passed", async () => {
    vi.stubEnv("ORCA_SABOTEUR", "last-checkpoint");
    const { code, report } = await run<ContractReport>(some, {});
    const codes = report.tests.map(({ returncode }) => returncode);
    expect(code).toBe(1);
    expect(codes.filter((each) => each === 2).length).toBeGreaterThan(10);
    expect(report.summary.passed).toBe(codes.filter((each) => each === 0).length);
    expect(report.tests.find(({ nodeid }) => nodeid === report.failures[0])?.returncode).toBe(1);
  });

  test("fails on a node that is no test, though everything else passed", async () => {
    const gone = "test/core/state.test.ts > versions > a test that was renamed";
    const there = contractNodes[0] ?? "";
    const { code, report } = await run<ContractReport>([there, gone], {});
    expect(code).toBe(1);
    expect(report).toMatchObject({ status: "failed", failures: [gone], summary: { total: 2, passed: 1, failed: 1 } });
  });
});
