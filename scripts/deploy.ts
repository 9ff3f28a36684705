import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { runWrangler } from "./local-worker.ts";

/** The result of a dry deployment. */
export interface DryRun {
  /** The output of wrangler, which lists the bindings. */
  readonly output: string;
  /** The size of the minified bundle. */
  readonly bytes: number;
  readonly gzippedBytes: number;
}

/**
 * Builds and checks the Worker of a wrangler.toml as a deployment would, without an account or a network.
 *
 * @throws if it could not be deployed.
 */
export async function dryRun(config: string): Promise<DryRun> {
  const folder = await mkdtemp(join(tmpdir(), "orca-durable-deploy-"));
  try {
    const args = ["deploy", "--config", config, "--dry-run", "--minify", "--outdir", folder];
    const { code, output } = await runWrangler(args);
    if (code !== 0) throw new Error(`${config} cannot be deployed (wrangler ended with ${code}):\n${output}`);
    const bundle = await readFile(join(folder, "main.js"));
    return { output, bytes: bundle.length, gzippedBytes: gzipSync(bundle, { level: 9 }).length };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The size of the bundle, in one line. */
export function sizeLine(config: string, { bytes, gzippedBytes }: DryRun): string {
  return `${config}: ${bytes} bytes minified, ${gzippedBytes} gzipped`;
}

if (import.meta.main) {
  for (const config of ["wrangler.toml", "examples/deploy/wrangler.toml", "examples/objects/wrangler.toml"]) {
    const run = await dryRun(config);
    console.log(run.output.trim());
    console.log(sizeLine(config, run));
  }
}
