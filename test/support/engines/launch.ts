import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { wholeChromiumLaunchOptions } from "../chromium.ts";
import { type Engine, type Found, findFirefox, findWebKit } from "./find.ts";
import { type Guarded, startGuarded } from "./guarded.ts";

/** A browser that shows one address. */
export interface LaunchedBrowser {
  readonly engine: Engine;
  /** Resolves once it has ended, by itself or killed. */
  readonly ended: Promise<void>;
  /** What it has to say about its end. */
  complaints(): string;
  /** `kill -9` of the browser with all its processes. Resolves once they are gone. */
  kill(): Promise<void>;
}

export interface LaunchOptions {
  /** Where it keeps its profile. The folder outlives the browser. */
  readonly profile: string;
  /** The address that it opens. */
  readonly url: string;
  /** Preferences of Firefox beside those of each test. */
  readonly preferences?: Preferences;
}

type Preferences = Readonly<Record<string, boolean | number | string>>;

export async function launchBrowser(engine: Engine, options: LaunchOptions): Promise<LaunchedBrowser> {
  const { profile } = options;
  await mkdir(profile, { recursive: true });
  switch (engine) {
    case "chromium":
      return launched(engine, await startChromium(options));
    case "firefox":
      return launched(engine, await startFirefox(options));
    case "webkit":
      return startWebKit(options);
  }
}

function launched(engine: Engine, { ended, complaints, kill }: Guarded): LaunchedBrowser {
  return { engine, ended, complaints, kill };
}

function programsOf<Programs>(engine: Engine, found: Found<Programs>): Programs {
  if ("missing" in found) throw new Error(`${engine} cannot be launched: ${found.missing}`);
  return found.programs;
}

async function startChromium({ profile, url }: LaunchOptions): Promise<Guarded> {
  const { executablePath = "", args = [], env = {} } = await wholeChromiumLaunchOptions();
  const own = ["--headless", "--remote-debugging-port=0", "--no-default-browser-check", `--user-data-dir=${profile}`];
  return startGuarded(executablePath, [...args, ...own, url], { ...(env as Record<string, string>), HOME: profile });
}

/** A browser for tests alone: it asks no one anything, shows no page of its own, and calls no server. */
const firefoxPreferences: Preferences = {
  // `persist()` would wait for a person.
  "permissions.default.persistent-storage": 1,
  // Vitest loads mocked modules by import maps of their own.
  "dom.multiple_import_maps.enabled": true,
  "dom.max_script_run_time": 0,
  "dom.max_chrome_script_run_time": 0,
  // After a kill it would offer its safe mode, or the pages from before.
  "toolkit.startup.max_resumed_crashes": -1,
  "browser.sessionstore.resume_from_crash": false,
  // It would open the pages of before a second time, out of sight and with databases of their own, for their pictures.
  "browser.pagethumbnails.capturing_disabled": true,
  "browser.newtabpage.activity-stream.feeds.topsites": false,
  "browser.newtab.preload": false,
  "browser.startup.page": 0,
  "browser.startup.homepage_override.mstone": "ignore",
  "browser.aboutwelcome.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "datareporting.policy.dataSubmissionPolicyBypassNotification": true,
  "toolkit.telemetry.enabled": false,
  "toolkit.telemetry.unified": false,
  "app.normandy.enabled": false,
  "app.update.disabledForTesting": true,
  "extensions.update.enabled": false,
  "extensions.getAddons.cache.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.safebrowsing.downloads.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "data:,#remote-settings",
};

async function startFirefox({ profile, url, preferences }: LaunchOptions): Promise<Guarded> {
  const { firefox } = programsOf("firefox", findFirefox());
  const lines = Object.entries({ ...firefoxPreferences, ...preferences }).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`,
  );
  await writeFile(join(profile, "user.js"), `${lines.join("\n")}\n`);
  return startGuarded(firefox, ["--headless", "--no-remote", "--new-instance", "--profile", profile, url], {
    HOME: profile,
    MOZ_CRASHREPORTER_DISABLE: "1",
  });
}

async function startWebKit({ profile, url }: LaunchOptions): Promise<LaunchedBrowser> {
  const { miniBrowser, xvfb } = programsOf("webkit", findWebKit());
  const screen = startGuarded(xvfb, ["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"], {
    HOME: profile,
  });
  const display = `:${await displayOf(screen)}`;
  // Without these features `navigator.storage` is undefined.
  const browser = startGuarded(miniBrowser, ["--features=+StorageAPI,+StorageAPIEstimate", url], {
    DISPLAY: display,
    HOME: profile,
    XDG_CONFIG_HOME: join(profile, "config"),
    XDG_DATA_HOME: join(profile, "data"),
    XDG_CACHE_HOME: join(profile, "cache"),
    XDG_RUNTIME_DIR: profile,
    GDK_BACKEND: "x11",
    NO_AT_BRIDGE: "1",
    // It has no graphics card, and no session of a desktop.
    LIBGL_ALWAYS_SOFTWARE: "1",
    DBUS_SESSION_BUS_ADDRESS: "disabled:",
  });
  return {
    engine: "webkit",
    ended: browser.ended,
    complaints: browser.complaints,
    async kill() {
      await browser.kill();
      // A screen that is killed leaves its lock behind.
      await screen.stop();
    },
  };
}

async function displayOf(screen: Guarded): Promise<number> {
  const end = Date.now() + 100_000;
  for (;;) {
    const [, number] = /^(\d+)\n/.exec(screen.output()) ?? [];
    if (number !== undefined) return Number(number);
    if (screen.hasEnded() || Date.now() > end) {
      await screen.kill();
      throw new Error(`Xvfb opened no display: ${screen.complaints()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
