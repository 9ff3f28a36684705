import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { applyMigrations, startWorker } from "./local-worker.ts";

const { values } = parseArgs({
  options: {
    "persist-to": { type: "string" },
    var: { type: "string", multiple: true },
    /** Where the runs are: `d1` or `objects`. */
    home: { type: "string", default: "d1" },
  },
});
const persistTo = values["persist-to"];
const homes: Readonly<Record<string, string>> = { d1: "..", objects: "../examples/objects" };
const home = homes[values.home];
if (home === undefined) throw new Error(`--home takes d1 or objects, not "${values.home}".`);
const cwd = fileURLToPath(new URL(home, import.meta.url));
const place = { cwd, ...(persistTo !== undefined && { persistTo }) };
const vars = Object.fromEntries((values.var ?? []).map(parseVar));

// npm passes a SIGTERM only to its shell. This process detects it by a change of its parent.
const parent = process.ppid;
if (process.env.npm_lifecycle_event) {
  setInterval(() => process.ppid === parent || process.kill(process.pid, "SIGTERM"), 250).unref();
}

await applyMigrations(place);
const worker = await startWorker({
  ...place,
  port: Number(process.env.PORT ?? 8787),
  vars: { API_KEY: "dev-key", ...vars },
  onOutput: (text) => process.stdout.write(text),
});
console.log(`The worker serves on ${worker.url}, with "x-api-key: dev-key". Ctrl-C ends it.`);
console.log(`Its inspector is on ${worker.url}/inspector, and asks for that key.`);

// wrangler.toml has a cron trigger for every minute, but wrangler dev does not fire it. Objects need none.
const cron = setInterval(() => {
  if (values.home === "d1") worker.cron().catch((error: unknown) => console.error(error));
}, 60_000);
await worker.exited;
clearInterval(cron);

function parseVar(text: string): [string, string] {
  const colon = text.indexOf(":");
  if (colon < 1) throw new Error(`--var takes NAME:value, not "${text}".`);
  return [text.slice(0, colon), text.slice(colon + 1)];
}
