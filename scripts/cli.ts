#!/usr/bin/env node
import { keys } from "./keys.ts";

// The command `orca-durable` of the package.

const usage = "npx orca-durable keys issue|list|revoke: issues, lists and revokes API keys of a Worker over D1";

const [command, ...rest] = process.argv.slice(2);
try {
  if (command === "keys") await keys(rest);
  else throw new Error(usage);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
