import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const { resolve: find } = createRequire(import.meta.url);

/** The wrangler of a folder's own project, or that of this repository for a folder outside of every project. */
function wranglerOf(cwd: string): string {
  try {
    return join(dirname(find("wrangler/package.json", { paths: [resolve(cwd), root] })), "bin/wrangler.js");
  } catch (cause) {
    throw new Error(`wrangler is not installed in ${cwd}: npm install --save-dev wrangler`, { cause });
  }
}

// Turns off the telemetry and the prompts of wrangler.
const quiet = {
  CI: "1",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_HIDE_BANNER: "true",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  CLOUDFLARE_TELEMETRY_DISABLED: "1",
};

export interface LocalWorkerOptions {
  /** 0, the default, takes a free port. */
  readonly port?: number;
  /** The folder that keeps the database between starts. Default: `.wrangler/state`. */
  readonly persistTo?: string;
  /** Further variables of `env` besides the bindings, such as `{ API_KEY: "dev-key" }`. */
  readonly vars?: Readonly<Record<string, string>>;
  /** The folder with wrangler.toml. Default: this repository. */
  readonly cwd?: string;
  /** Called with each chunk that wrangler and the Worker print. */
  readonly onOutput?: (text: string) => void;
}

export interface LocalWorker {
  /** The URL, such as `http://127.0.0.1:8787`, without a trailing slash. */
  readonly url: string;
  /** Settles when the server has ended, for any reason. */
  readonly exited: Promise<void>;
  /** Runs the `scheduled` handler once, as a cron trigger does. Locally there is no other trigger. */
  cron(): Promise<void>;
  /** Sends the signal to every process of the server, and waits until all of them have ended. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Ends the server: asks first, and kills it after five seconds. */
  stop(): Promise<void>;
}

/** Applies the migrations of wrangler.toml to the local database. */
export async function applyMigrations(options: Pick<LocalWorkerOptions, "persistTo" | "cwd"> = {}): Promise<void> {
  const args = ["d1", "migrations", "apply", "DB", "--local", ...persistence(options.persistTo)];
  const { code, output } = await runWrangler(args, options.cwd);
  if (code !== 0) throw new Error(`The migrations could not be applied (wrangler ended with ${code}):\n${output}`);
}

/** The rows of one SQL statement, in the local or the deployed database. */
export async function executeSql<Row>(
  sql: string,
  options: Pick<LocalWorkerOptions, "persistTo" | "cwd"> & { readonly isRemote?: boolean } = {},
): Promise<readonly Row[]> {
  const place = options.isRemote ? ["--remote"] : ["--local", ...persistence(options.persistTo)];
  const args = ["d1", "execute", "DB", ...place, "--yes", "--json", "--command", sql];
  const { code, stdout, output } = await runWrangler(args, options.cwd);
  if (code !== 0) throw new Error(`Cannot reach the database (wrangler ended with ${code}):\n${output}`);
  const [result] = JSON.parse(stdout) as readonly { readonly results: readonly Row[] }[];
  return result?.results ?? [];
}

/** Runs one command of wrangler to its end. */
export async function runWrangler(args: readonly string[], cwd?: string) {
  const child = spawnWrangler(args, cwd);
  const output = collectOutput(child);
  let stdout = "";
  child.stdout?.on("data", (text: string) => {
    stdout += text;
  });
  const code = await new Promise<number | null>((done, reject) => {
    child.once("error", reject);
    child.once("close", done);
  });
  return { code, stdout, output: output.text };
}

/**
 * Starts `wrangler dev` in a process group of its own and waits until it serves. The group ends with this process, unless
 * this process is killed with SIGKILL.
 */
export async function startWorker(options: LocalWorkerOptions = {}): Promise<LocalWorker> {
  const vars = Object.entries(options.vars ?? {}).flatMap(([name, value]) => ["--var", `${name}:${value}`]);
  const child = spawnWrangler(
    [
      ...["dev", "--ip", "127.0.0.1", "--port", String(options.port ?? 0), "--inspector-port", "0"],
      ...["--show-interactive-dev-session=false", ...persistence(options.persistTo), ...vars],
    ],
    options.cwd,
  );
  const output = collectOutput(child, options.onOutput);
  const group = new ProcessGroup(child);
  const url = await Promise.race([
    output.match(/Ready on (http:\/\/\S+)/),
    group.exited.then(() => {
      throw new Error(`wrangler dev ended before it served:\n${output.text}`);
    }),
    group.failed,
  ]);
  return {
    url,
    exited: group.exited,
    async cron() {
      const response = await fetch(`${url}/cdn-cgi/local/scheduled`);
      if (!response.ok) throw new Error(`The scheduled handler failed: ${response.status} ${await response.text()}`);
    },
    kill: (signal) => group.kill(signal),
    stop: () => group.stop(),
  };
}

function persistence(persistTo: string | undefined): readonly string[] {
  return persistTo === undefined ? [] : ["--persist-to", resolve(persistTo)];
}

function spawnWrangler(args: readonly string[], cwd = root): ChildProcess {
  return spawn(process.execPath, [wranglerOf(cwd), ...args], {
    cwd,
    env: { ...process.env, ...quiet },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
}

/** Reads both outputs to their end, since a full pipe would block the server. */
function collectOutput(child: ChildProcess, onOutput?: (text: string) => void) {
  const output = {
    text: "",
    match: (pattern: RegExp): Promise<string> =>
      new Promise((resolve) => {
        const look = () => {
          const found = pattern.exec(output.text)?.[1];
          if (found !== undefined) resolve(found);
        };
        look();
        child.stdout?.on("data", look);
      }),
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output.text = (output.text + text).slice(-100_000);
      onOutput?.(text);
    });
  }
  return output;
}

const live = new Set<ProcessGroup>();
const endings = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** A detached child and all processes that it started. Killing only the child would leave workerd running. */
class ProcessGroup {
  readonly exited: Promise<void>;
  readonly failed: Promise<never>;
  readonly #pid: number | undefined;

  constructor(child: ChildProcess) {
    this.#pid = child.pid;
    if (live.size === 0) endWithUs(true);
    live.add(this);
    this.failed = new Promise((_resolve, reject) => child.once("error", reject));
    this.failed.catch(() => {});
    this.exited = new Promise((resolve) => {
      child.once("exit", () => {
        // A process that outlives the launcher has no parent that ends it.
        this.signal("SIGKILL");
        live.delete(this);
        if (live.size === 0) endWithUs(false);
        resolve(this.#gone());
      });
    });
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    this.signal(signal);
    await this.exited;
  }

  async stop(): Promise<void> {
    const insist = setTimeout(() => this.signal("SIGKILL"), 5_000);
    await this.kill("SIGTERM");
    clearTimeout(insist);
  }

  signal(signal: NodeJS.Signals | 0): boolean {
    if (this.#pid === undefined) return false;
    try {
      return process.kill(-this.#pid, signal);
    } catch {
      return false;
    }
  }

  /** Waits for the last process, with a limit: in a container without an init, a dead process stays in the table. */
  async #gone(): Promise<void> {
    const patience = Date.now() + 1_000;
    while (this.signal(0) && Date.now() < patience) await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function endWithUs(isOn: boolean): void {
  const change = isOn ? "on" : "off";
  process[change]("exit", killAll);
  for (const signal of endings) process[change](signal, stopAll);
}

function killAll(): void {
  for (const group of live) group.signal("SIGKILL");
}

let isStopping = false;

/** Ends all servers, and then this process with the signal that it received. A second signal ends it without waiting. */
async function stopAll(signal: NodeJS.Signals): Promise<void> {
  if (isStopping) return killAll();
  isStopping = true;
  await Promise.all([...live].map((group) => group.stop()));
  // The handlers are removed with the last group, so this signal has its default effect.
  process.kill(process.pid, signal);
}
