import { type Engine, engines, findFirefox, findWebKit } from "./find.ts";

export interface AskedEngines {
  /** The engines in which the browser suites run. */
  readonly run: readonly Engine[];
  /** The others, each with the reason. */
  readonly notRun: readonly NotRun[];
}

export interface NotRun {
  readonly engine: Engine;
  readonly because: string;
}

/**
 * The engines that `ORCA_BROWSERS` asks for: `all`, or names with commas between. Without it, each engine that is installed.
 *
 * @throws if one that `ORCA_BROWSERS` names is not installed.
 */
export function askedEngines(): AskedEngines {
  const asked = namesIn(process.env.ORCA_BROWSERS);
  const run: Engine[] = [];
  const notRun: NotRun[] = [];
  for (const engine of engines) {
    const because = asked?.includes(engine) === false ? "ORCA_BROWSERS does not ask for it" : lackOf(engine);
    if (because === undefined) run.push(engine);
    else if (asked?.includes(engine)) throw new Error(`ORCA_BROWSERS asks for ${engine}: ${because}`);
    else notRun.push({ engine, because });
  }
  return { run, notRun };
}

function namesIn(text: string | undefined): readonly Engine[] | undefined {
  if (!text) return undefined;
  if (text === "all") return engines;
  return text.split(",").map((name) => {
    const engine = engines.find((one) => one === name);
    if (engine === undefined)
      throw new Error(`ORCA_BROWSERS: expected "all" or some of ${engines.join(", ")}, not "${name}"`);
    return engine;
  });
}

/** What keeps the suites from running in it; `undefined` where they can. */
function lackOf(engine: Engine): string | undefined {
  // Chromium comes with the packages.
  if (engine === "chromium") return undefined;
  if (process.argv.some((argument) => argument.startsWith("--coverage"))) return "V8 alone measures the coverage";
  const found = engine === "firefox" ? findFirefox() : findWebKit();
  return "missing" in found ? found.missing : undefined;
}
