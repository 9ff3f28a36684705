import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { playwright } from "@vitest/browser-playwright";
import type { BrowserProvider, BrowserProviderOption, TestProject } from "vitest/node";
import type { OtherEngine } from "./find.ts";
import { type LaunchedBrowser, launchBrowser } from "./launch.ts";

/**
 * Lets Vitest run tests in a browser that is not driven: it opens the address of the tests, and is killed when they are done.
 * The server that the tests come from is the one of Vitest's own providers.
 */
export function engineProvider(engine: OtherEngine): BrowserProviderOption {
  const { serverFactory } = playwright();
  return {
    name: engine,
    options: {},
    serverFactory,
    providerFactory: (project) => new EngineProvider(engine, project),
  };
}

class EngineProvider implements BrowserProvider {
  readonly name: string;
  readonly supportsParallelism = false;
  readonly #engine: OtherEngine;
  readonly #opened = new Map<LaunchedBrowser, string>();

  constructor(engine: OtherEngine, project: TestProject) {
    this.name = engine;
    this.#engine = engine;
    // Asked before each file. The window stays as it is: the suites look at no page.
    project.browser?.registerCommand("__vitest_viewport" as never, (async () => undefined) as never);
  }

  getCommandsContext(): Record<string, unknown> {
    return {};
  }

  async openPage(_sessionId: string, url: string): Promise<void> {
    const profile = await mkdtemp(join(tmpdir(), `orca-durable-${this.#engine}-`));
    const browser = await launchBrowser(this.#engine, { profile, url });
    this.#opened.set(browser, profile);
    // Vitest sees the connection close, and does not know why.
    void browser.ended.then(() => {
      if (this.#opened.has(browser)) console.error(`${this.#engine} ended by itself: ${browser.complaints()}`);
    });
  }

  async close(): Promise<void> {
    const opened = [...this.#opened];
    this.#opened.clear();
    for (const [browser, profile] of opened) {
      await browser.kill();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    }
  }
}
