import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const script = fileURLToPath(new URL("../../scripts/cli.ts", import.meta.url));

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "orca-keys-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** What `npm run keys --` prints and answers with. */
function keys(...args: readonly string[]): Promise<{ code: number | null; out: string; told: string }> {
  const child = spawn(process.execPath, [script, "keys", ...args, "--persist-to", folder], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const result = { out: "", told: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    result.out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    result.told += text;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, ...result }));
  });
}

// Each of them starts wrangler.
const patience = 180_000;

describe("npm run keys", () => {
  test(
    "issues a key into a new database, lists it without its secret, and revokes it",
    async () => {
      const issued = await keys("issue", "--tenant", "acme", "--role", "execute", "--name", "O'Brien; --");
      expect(issued.code, issued.told).toBe(0);
      const key = issued.out.trimEnd();
      expect(key).toMatch(/^orca_[0-9a-f]{16}_[0-9a-f]{64}$/);
      expect(issued.told).not.toContain(key);
      const keyId = key.slice(5, 21);
      expect(await keys("revoke", keyId)).toMatchObject({ code: 0, told: expect.stringContaining(keyId) });
      const listed = await keys("list");
      expect(listed.code, listed.told).toBe(0);
      expect(listed.out).not.toContain(key.slice(22, -4));
      const [head, ...lines] = listed.out.trimEnd().split("\n");
      expect(head?.split("\t")).toEqual(["KEY_ID", "TENANT", "ROLE", "CREATED", "REVOKED", "HINT", "NAME"]);
      expect(lines.map((line) => line.split("\t"))).toEqual([
        [keyId, "acme", "execute", expect.any(String), expect.stringMatching(/Z$/), `…${key.slice(-4)}`, "O'Brien; --"],
      ]);
    },
    patience,
  );

  test.each([
    [[], "npx orca-durable keys issue"],
    [["revoke"], "npx orca-durable keys issue"],
    [["issue", "--role", "read", "--name", "n"], "--tenant: expected"],
    [["issue", "--tenant", "t", "--name", "n"], "--role: expected one of read, execute, admin"],
    [["issue", "--tenant", "t", "--role", "root", "--name", "n"], "--role: expected one of"],
    [["issue", "--tenant", "t", "--role", "read"], "--name: expected a string"],
    [["issue", "--tenant", "t\n", "--role", "read", "--name", "n"], "--tenant: expected"],
  ])("refuses %j, and says what is wrong", async (args, problem) => {
    expect(await keys(...args)).toMatchObject({ code: 1, out: "", told: expect.stringContaining(problem) });
  });
});
