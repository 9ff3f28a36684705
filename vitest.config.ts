import { fileURLToPath } from "node:url";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import CountsReporter from "./scripts/counts-reporter.ts";
import ResultsReporter from "./scripts/results-reporter.ts";
import { chromiumLaunchOptions } from "./test/support/chromium.ts";
import { askedEngines } from "./test/support/engines/asked.ts";
import { drivenFiles } from "./test/support/engines/driven-files.ts";
import { engineProvider } from "./test/support/engines/provider.ts";
import { sitePlugin } from "./test/support/engines/site-plugin.ts";
import { SlowestFirst } from "./test/support/slowest-first.ts";
import { keepTemporaryFilesInMemory } from "./test/support/temporary-folder.ts";

keepTemporaryFilesInMemory();

const { run, notRun } = askedEngines();
const notes = [
  ...Object.entries(drivenFiles).map(([file, because]) => `chromium alone: ${file}, ${because}`),
  ...notRun.map(({ engine, because }) => `${engine}: not run, ${because}`),
];

// A test runs in Node, in project `node` or, where it starts processes or browsers, in `system`. The tests of media run in
// every other project, over its own medium. A name that says `node`, `workerd` or `browser` before `.test.ts` is for that
// project alone.
const alone = (...projects: string[]) => projects.map((project) => `test/**/*.${project}.test.ts`);
const media = "test/media/**/*.test.ts";
// Files of Node share their modules, so one that replaces a module runs beside them.
const replacing = "test/core/testing-check-faults.test.ts";
const system = [
  "test/system/**/*.test.ts",
  replacing,
  "test/docs/{api,code-blocks,size}.test.ts",
  "test/simulation/planted.test.ts",
];
// They try many cases, of seeds, of commits or of values; `npm run test:quick` leaves them out.
const searches = ["test/{simulation/simulation,media/crash-matrix,http/fuzz,core/untyped}.test.ts"];
const nodeTests = { include: ["test/**/*.test.ts"], exclude: [...system, ...alone("workerd", "object", "browser")] };
const sqliteTests = { include: [media], exclude: alone("node", "workerd", "object", "browser") };
const objectTests = { include: [media, ...alone("object")], exclude: alone("node", "workerd", "browser") };
const workerdTests = { include: [media, ...alone("workerd")], exclude: alone("node", "object", "browser") };
const browserTests = { include: [media, ...alone("browser")], exclude: alone("node", "object", "workerd") };

/** What tests of media import: the stores of their project. */
const over = (project: "node" | "sqlite" | "workerd" | "object" | "browser") => ({
  alias: { "#medium": fileURLToPath(new URL(`test/support/medium/${project}.ts`, import.meta.url)) },
});

/**
 * The projects of a group run side by side, so many files of Node and workerd at a time, and as many pages of a browser. The
 * first group computes all the time; a file of the second computes for a third of it, and waits for processes, pages and
 * timers, unless WebKit computes beside it.
 */
const groups = {
  computing: { sequence: { groupOrder: 0 }, maxWorkers: 2 },
  waiting: { sequence: { groupOrder: 1 }, maxWorkers: run.includes("webkit") ? 3 : 5 },
} as const;

/** The browser suites in one engine. */
const inBrowser = {
  extends: true as const,
  resolve: over("browser"),
  plugins: [sitePlugin()],
  // Named here, or Vite finds them while tests run and reloads the page under them.
  optimizeDeps: { include: ["idb", "fast-check", "react", "react-dom", "react-dom/client", "react-dom/server"] },
};

export default defineConfig(async ({ mode }) => ({
  test: {
    // They end only a test that hangs. No test depends on how fast the machine is: one with two cores that are busy with other
    // suites may take ten times as long, and stand still for seconds. A test that is slow on a quiet one is still a slow test.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    teardownTimeout: 60_000,
    // Without it, what is polled for would have to come about within a second.
    expect: { poll: { timeout: 100_000 } },
    sequence: { sequencer: SlowestFirst },
    // A forgotten `only` would hide the rest.
    allowOnly: false,
    // Of `npm run fuzz`.
    provide: { fuzz: { seed: process.env.FUZZ_SEED ?? null, count: process.env.FUZZ_COUNT ?? null } },
    // `ORCA_RESULTS` names the file for the results of each test, from which the verifiers can make their reports.
    reporters: ["default", new CountsReporter(notes), ...(process.env.ORCA_RESULTS ? [new ResultsReporter()] : [])],
    coverage: { provider: "v8" as const, include: ["src/**", "adapters/**", "worker/**"] },
    projects: [
      {
        extends: true as const,
        resolve: over("node"),
        // Files share a process and its modules: loading those anew for each file takes as long as half of the tests.
        test: {
          ...nodeTests,
          ...groups.computing,
          exclude: mode === "quick" ? [...nodeTests.exclude, ...searches] : nodeTests.exclude,
          name: "node",
          environment: "node",
          isolate: false,
        },
      },
      {
        extends: true as const,
        resolve: over("sqlite"),
        test: { ...sqliteTests, ...groups.computing, name: "sqlite", environment: "node", isolate: false },
      },
      {
        extends: true as const,
        test: { ...groups.waiting, name: "system", environment: "node", include: system },
      },
      {
        extends: true as const,
        resolve: over("workerd"),
        plugins: [
          cloudflareTest(async () => ({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: {
              ratelimits: { TEST_RATE_LIMIT: { namespace_id: "1", simple: { limit: 3, period: 60 } } },
              bindings: { API_KEY: "test-key", TEST_MIGRATIONS: await readD1Migrations("./adapters/d1/migrations") },
            },
          })),
        ],
        test: {
          ...workerdTests,
          ...groups.computing,
          name: "workerd",
          // Each test empties the one database, or has a tenant of its own.
          isolate: false,
          setupFiles: ["./test/support/workerd-setup.ts"],
        },
      },
      {
        extends: true as const,
        resolve: over("object"),
        plugins: [cloudflareTest({ wrangler: { configPath: "./test/support/objects/wrangler.toml" } })],
        test: { ...objectTests, ...groups.computing, name: "objects", isolate: false },
      },
      ...(run.includes("chromium")
        ? [
            {
              ...inBrowser,
              test: {
                ...browserTests,
                ...groups.computing,
                name: "chromium",
                browser: {
                  enabled: true,
                  headless: true,
                  screenshotFailures: false,
                  connectTimeout: 240_000,
                  provider: playwright({ launchOptions: await chromiumLaunchOptions() }),
                  instances: [{ browser: "chromium" as const, name: "chromium" }],
                },
              },
            },
          ]
        : []),
      ...run
        .filter((engine) => engine !== "chromium")
        .map((engine) => ({
          ...inBrowser,
          test: {
            ...browserTests,
            // One of them beside each group, since neither runs beside the other.
            ...(engine === "webkit" ? groups.waiting : groups.computing),
            name: engine,
            browser: {
              enabled: true,
              headless: true,
              screenshotFailures: false,
              connectTimeout: 240_000,
              provider: engineProvider(engine),
              instances: [{ browser: engine, name: engine }],
            },
          },
        })),
    ],
  },
}));
