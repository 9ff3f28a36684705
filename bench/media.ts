import { mkdtemp, rm } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright";
import { createServer } from "vite";
import { applyMigrations, startWorker } from "../scripts/local-worker.ts";
import { wholeChromiumLaunchOptions } from "../test/support/chromium.ts";
import type { PagePrograms } from "./page/page.ts";
import type { WorkerPrograms } from "./worker/worker.ts";

/** Calls one of the programs inside workerd. */
type CallWorker = <Name extends keyof WorkerPrograms>(
  program: Name,
  args: Parameters<WorkerPrograms[Name]>[1],
) => Promise<Awaited<ReturnType<WorkerPrograms[Name]>>>;

/** Calls one of the programs inside Chromium. */
type CallPage = <Name extends keyof PagePrograms>(
  program: Name,
  args: Parameters<PagePrograms[Name]>[0],
) => Promise<Awaited<ReturnType<PagePrograms[Name]>>>;

/** The places in which something is measured. Each is started when it is first needed. */
export class Media {
  readonly #cleanups: (() => Promise<unknown>)[] = [];
  #worker: Promise<CallWorker> | undefined;
  #page: Promise<CallPage> | undefined;

  /** A folder on disk that is removed with the bench. */
  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), "orca-durable-bench-"));
    this.#cleanups.push(() => rm(folder, { recursive: true, force: true }));
    return folder;
  }

  worker(): Promise<CallWorker> {
    this.#worker ??= this.#startWorker();
    return this.#worker;
  }

  page(): Promise<CallPage> {
    this.#page ??= this.#startPage();
    return this.#page;
  }

  async close(): Promise<void> {
    for (const clean of this.#cleanups.splice(0).toReversed()) await clean();
  }

  async #startWorker(): Promise<CallWorker> {
    const place = { persistTo: await this.folder(), cwd: fileURLToPath(new URL("worker", import.meta.url)) };
    await applyMigrations(place);
    const worker = await startWorker(place);
    this.#cleanups.push(() => worker.stop());
    return async (program, args) => {
      const { status, text: answer } = await post(worker.url, JSON.stringify({ program, args }));
      if (status !== 200) throw new Error(`${program} failed in workerd: ${answer}`);
      return JSON.parse(answer) as never;
    };
  }

  async #startPage(): Promise<CallPage> {
    const server = await createServer({
      configFile: false,
      root: fileURLToPath(new URL("page", import.meta.url)),
      cacheDir: fileURLToPath(new URL("../node_modules/.vite/bench", import.meta.url)),
      optimizeDeps: { include: ["idb"] },
      // Vite must not reload this page.
      server: { host: "127.0.0.1", port: 0, hmr: false, watch: null },
      logLevel: "error",
    });
    this.#cleanups.push(() => server.close());
    await server.listen();
    // With a profile on disk: without one, Chromium keeps IndexedDB in memory, and no transaction waits for anything.
    const context = await chromium.launchPersistentContext(await this.folder(), await wholeChromiumLaunchOptions());
    this.#cleanups.push(() => context.close());
    const page = await context.newPage();
    await page.goto(server.resolvedUrls?.local[0] ?? "");
    await page.waitForFunction(() => "programs" in window);
    const call = async ([program, args]: readonly [keyof PagePrograms, unknown]) =>
      window.programs[program](args as never) as Promise<unknown>;
    return async (program, args) => (await page.evaluate(call, [program, args] as const)) as never;
  }
}

/**
 * Has no time limit, unlike `fetch`, which gives up after five minutes. It uses its own connection, since an idle one is
 * closed meanwhile.
 */
async function post(
  url: string,
  body: string,
): Promise<{ readonly status: number | undefined; readonly text: string }> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, { method: "POST", agent: false }, resolve).on("error", reject).end(body);
  });
  return { status: response.statusCode, text: await text(response) };
}
