import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The version of a compiler in its folder, such as `node_modules/typescript`. */
export function compilerVersion(compiler: string): string {
  return (JSON.parse(readFileSync(join(compiler, "package.json"), "utf8")) as { readonly version: string }).version;
}

/**
 * What a TypeScript compiler prints of a project, which is nothing if all is well.
 *
 * @throws if it could not be run, or failed without a word.
 */
export function compile(compiler: string, project: string): Promise<string> {
  const tsc = [join(compiler, "bin/tsc"), "-p", project, "--pretty", "false"];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, tsc, (error, stdout, stderr) => {
      if (error !== null && stdout === "") reject(new Error(`${tsc.join(" ")}: ${error.message}\n${stderr}`));
      else resolve(stdout);
    });
  });
}
