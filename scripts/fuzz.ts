import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(randomInt(2 ** 31)) },
    count: { type: "string", default: "10000" },
  },
});
const { seed, count } = values;
console.log(
  `${count} hostile requests over memory and over D1; again with: npm run fuzz -- --seed ${seed} --count ${count}`,
);
const tests = ["test/http/fuzz.test.ts", "test/http/fuzz.workerd.test.ts"];
spawn(
  process.execPath,
  ["node_modules/vitest/vitest.mjs", "run", "--project", "node", "--project", "workerd", ...tests],
  {
    stdio: "inherit",
    env: { ...process.env, FUZZ_SEED: seed, FUZZ_COUNT: count },
  },
).once("exit", (code) => {
  process.exitCode = code ?? 1;
});
