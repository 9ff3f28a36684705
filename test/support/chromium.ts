import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type LaunchOptions,
} from "playwright";
import { onPath } from "./engines/find.ts";

const modules = join(import.meta.dirname, "..", "..", "node_modules");

const args = [
  "--no-sandbox", // the sandbox refuses to start as root, which is who runs in most containers
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--disable-quic",
];

/** Of a Chromium on the PATH. */
const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

/**
 * Launch options for the Chromium of the tests: the one CHROMIUM_PATH names, or else the one packed in `@sparticuz/chromium`,
 * unpacked on first use. It is the engine without the windows of a browser, and opens a context for a fifth of the work. Where
 * none is packed it is the one that {@link wholeChromiumLaunchOptions} finds.
 */
export async function chromiumLaunchOptions(): Promise<LaunchOptions> {
  if (process.env.CHROMIUM_PATH) return { args, executablePath: process.env.CHROMIUM_PATH };
  return isPacked ? packedLaunchOptions() : wholeChromiumLaunchOptions();
}

/**
 * Launch options for a Chromium as people use it, with profile and windows: the one CHROMIUM_PATH names, Playwright's own, one on
 * the PATH, or else the packed one.
 */
export async function wholeChromiumLaunchOptions(): Promise<LaunchOptions> {
  const installed = process.env.CHROMIUM_PATH || playwrightsOwn() || onPath(...names);
  return installed ? { args, executablePath: installed } : packedLaunchOptions();
}

/** A context that is {@link patient}. */
export async function newContext(browser: Browser, options?: BrowserContextOptions): Promise<BrowserContext> {
  return patient(await browser.newContext(options));
}

/** Has a context wait for as long as `expect.poll` does. Playwright gives up after half a minute, which a busy machine may take. */
export function patient(context: BrowserContext): BrowserContext {
  context.setDefaultTimeout(100_000);
  return context;
}

const isPacked = process.platform === "linux" && process.arch === "x64";

async function packedLaunchOptions(): Promise<LaunchOptions> {
  const { executablePath, libraries, fonts } = await packedChromium();
  const LD_LIBRARY_PATH = [libraries, process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter);
  return { args, executablePath, env: { ...process.env, LD_LIBRARY_PATH, FONTCONFIG_PATH: fonts } };
}

function playwrightsOwn(): string | undefined {
  const path = chromium.executablePath();
  return existsSync(path) ? path : undefined;
}

interface PackedChromium {
  readonly executablePath: string;
  readonly libraries: string;
  readonly fonts: string;
}

async function packedChromium(): Promise<PackedChromium> {
  if (!isPacked) {
    throw new Error(
      `No Chromium found, and none is packed for ${process.platform}-${process.arch}: set CHROMIUM_PATH, or run "npx playwright install chromium".`,
    );
  }
  const { version } = JSON.parse(await readFile(join(modules, "@sparticuz", "chromium", "package.json"), "utf8"));
  const cache = join(modules, ".cache", "orca-durable");
  const folder = join(cache, `chromium-${version}`);
  const unpacked: PackedChromium = {
    executablePath: join(folder, "chromium"),
    libraries: join(folder, "al2023", "lib"),
    fonts: join(folder, "fonts"),
  };
  if (!isComplete(unpacked)) await unpack(cache, folder, unpacked);
  return unpacked;
}

function isComplete(unpacked: PackedChromium): boolean {
  return Object.values(unpacked).every((path) => existsSync(path));
}

// The packed one looks for its fonts in folders under /tmp.
const fontsConfiguration = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">.</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
`;

/**
 * Unpacks in a process of its own, since the package changes the environment it is imported into and skips its
 * libraries without AWS_LAMBDA_JS_RUNTIME. A folder is filled aside and renamed when full, so that a second process
 * that unpacks at the same time never sees half a browser.
 */
async function unpack(cache: string, folder: string, unpacked: PackedChromium): Promise<void> {
  await mkdir(cache, { recursive: true });
  const aside = await mkdtemp(join(cache, "unpacking-"));
  try {
    await promisify(execFile)(process.execPath, [join(import.meta.dirname, "unpack-chromium.ts")], {
      env: { ...process.env, TMPDIR: aside, AWS_LAMBDA_JS_RUNTIME: "nodejs24.x" },
    });
    await writeFile(join(aside, "fonts", "fonts.conf"), fontsConfiguration);
    if (!isComplete(unpacked)) {
      await rm(folder, { recursive: true, force: true });
      await rename(aside, folder).catch((error: unknown) => {
        if (!isComplete(unpacked)) throw error;
      });
    }
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}
