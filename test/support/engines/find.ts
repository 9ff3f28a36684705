import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";

/** The engines in which the browser suites run. */
export const engines = ["chromium", "firefox", "webkit"] as const;
export type Engine = (typeof engines)[number];

/** The engines that are not the packed Chromium, which is always there. */
export type OtherEngine = Exclude<Engine, "chromium">;

/** The programs of one engine, or what is missing. */
export type Found<Programs> = { readonly programs: Programs } | { readonly missing: string };

export interface FirefoxPrograms {
  readonly firefox: string;
}

export interface WebKitPrograms {
  /** The small browser that comes with WebKitGTK. */
  readonly miniBrowser: string;
  /** The display it draws to. */
  readonly xvfb: string;
}

export function findFirefox(): Found<FirefoxPrograms> {
  const firefox =
    named("FIREFOX_PATH") ??
    onPath("firefox", "firefox-esr") ??
    ["/Applications/Firefox.app/Contents/MacOS/firefox"].find((path) => existsSync(path));
  return firefox === undefined ? { missing: "no firefox on the PATH or at FIREFOX_PATH" } : { programs: { firefox } };
}

export function findWebKit(): Found<WebKitPrograms> {
  const miniBrowser = named("MINIBROWSER_PATH") ?? onPath("MiniBrowser") ?? inLibraries("MiniBrowser");
  if (miniBrowser === undefined) return { missing: "no MiniBrowser of WebKitGTK at MINIBROWSER_PATH or installed" };
  const xvfb = named("XVFB_PATH") ?? onPath("Xvfb");
  return xvfb === undefined ? { missing: "no Xvfb on the PATH" } : { programs: { miniBrowser, xvfb } };
}

/** The program that an environment variable names. */
function named(variable: string): string | undefined {
  const path = process.env[variable];
  if (!path) return undefined;
  if (!existsSync(path)) throw new Error(`${variable} names a file that does not exist: ${path}`);
  return path;
}

export function onPath(...names: readonly string[]): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find((path) => existsSync(path));
}

/** Distributions keep it beside the library that it belongs to, such as `/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1`. */
function inLibraries(name: string): string | undefined {
  const folders = ["/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/local/lib", "/usr/local/libexec"];
  return folders
    .flatMap((folder) => [folder, ...foldersOf(folder, /-linux-/)])
    .flatMap((folder) => foldersOf(folder, /^webkit(2gtk|gtk)-/))
    .map((folder) => join(folder, name))
    .filter((path) => existsSync(path))
    .sort()
    .at(-1);
}

function foldersOf(folder: string, pattern: RegExp): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && pattern.test(entry.name))
    .map(({ name }) => join(folder, name));
}
