import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { bugs } from "./bugs.ts";
import type { Found } from "./plant.ts";

/** Each bug is found within this number of seeds. */
const most = 400;
const allBugsMs = 600_000;

// In a process of its own, which loads each copy as it is: a bug may bring an endless loop with it.
const found = new Map<string, Found>();
beforeAll(async () => {
  const script = fileURLToPath(new URL("../../scripts/simulate.ts", import.meta.url));
  const child = spawn(process.execPath, [script, "--planted", "all", "--count", String(most)], {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: allBugsMs,
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const one = JSON.parse(line) as Found;
    found.set(one.name, one);
  }
  const later = [...found.values()]
    .filter(({ seeds }) => seeds > 1)
    .map(({ name, seeds }) => `  "${name}": ${seeds} seeds`);
  if (later.length > 0) {
    console.log(
      `Found by another seed than the first (npm run simulate -- --planted all --renew):\n${later.join("\n")}`,
    );
  }
}, allBugsMs);

describe("the simulator finds planted bugs", () => {
  test("there are at least twenty, each of its own name, in the engine, in the runtime and in a store", () => {
    expect(new Set(bugs.map(({ name }) => name)).size).toBe(bugs.length);
    expect(bugs.length).toBeGreaterThanOrEqual(20);
    for (const room of ["src/engine/", "src/runs/", "adapters/"]) {
      expect(bugs.some(({ file }) => file.startsWith(room))).toBe(true);
    }
  });

  test.each(bugs.map(({ name }) => name))("%s", (name) => {
    expect(found.get(name)).toMatchObject({ name, invariant: expect.any(String) });
  });
});
