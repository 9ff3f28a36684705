import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime, DurableError } from "../../src/index.ts";
import { type KeyStore, newKey } from "../../worker/http/auth/keys.ts";
import { memoryKeys } from "../../worker/http/auth/memory-keys.ts";
import { apiKeys, type Caller, createApp } from "../../worker/http/index.ts";
import { testHttpKeys } from "../support/http-keys.ts";
import { httpCapabilities, httpSkills } from "../support/http-skills.ts";

const runtime = createRuntime({
  serves: false,
  store: memoryStore(),
  skills: httpSkills,
  capabilities: httpCapabilities,
});
const runs = (tenant: string) => runtime.for(tenant);

testHttpKeys(memoryKeys(), runs);

const asked = (key?: string) =>
  new Request("http://orca.test/v1/runs", { headers: key === undefined ? {} : { "x-api-key": key } });

describe("apiKeys", () => {
  test("identifies callers by keys of the deployment in any form", async () => {
    const callerOf = apiKeys([
      ["key a", "a"],
      ["__proto__", { tenant: "c", role: "read" }],
    ]);
    expect(await callerOf(asked("key a"))).toEqual({ tenant: "a", role: "admin" });
    expect(await callerOf(asked("__proto__"))).toEqual({ tenant: "c", role: "read" });
    for (const wrong of ["constructor", "key", "key  a", "KEY A"]) {
      await expect(callerOf(asked(wrong))).rejects.toMatchObject({ code: "forbidden" });
    }
  });

  test("identifies callers by issued keys, and names the key", async () => {
    const keys = memoryKeys();
    const { key, record } = await newKey({ tenant: "a", role: "execute", name: "n" }, 1);
    await keys.add(record);
    expect(await apiKeys([], keys)(asked(key))).toEqual({ tenant: "a", role: "execute", keyId: record.keyId });
    expect(await apiKeys([["own", "b"]], keys)(asked("own"))).toEqual({ tenant: "b", role: "admin" });
  });

  test("is an internal error if no key exists, and no longer once one was issued, even if it was revoked", async () => {
    const keys = memoryKeys();
    const callerOf = apiKeys([], keys);
    const { key, record } = await newKey({ tenant: "a", role: "read", name: "n" }, 1);
    for (const given of [undefined, "", "wrong", key]) {
      await expect(callerOf(asked(given))).rejects.toMatchObject({ code: "internal_error" });
    }
    await keys.add(record);
    await keys.revoke("a", record.keyId, 2);
    await expect(callerOf(asked())).rejects.toMatchObject({ code: "unauthorized" });
    await expect(callerOf(asked("wrong"))).rejects.toMatchObject({ code: "forbidden" });
    await expect(callerOf(asked(key))).rejects.toMatchObject({
      code: "forbidden",
      message: "this API key was revoked",
    });
  });

  test("reads the key store only for what has the form of a key", async () => {
    const found: string[] = [];
    const keys: KeyStore = {
      ...memoryKeys(),
      find: async (keyId) => {
        found.push(keyId);
        return undefined;
      },
    };
    const callerOf = apiKeys([["own", "b"]], keys);
    for (const given of [undefined, "own", "' OR '1'='1", "orca_x_y"]) await callerOf(asked(given)).catch(() => {});
    expect(found).toEqual([]);
    const { key, record } = await newKey({ tenant: "a", role: "read", name: "n" }, 1);
    await callerOf(asked(key)).catch(() => {});
    expect(found).toEqual([record.keyId]);
  });

  test("rejects every call while the key store fails", async () => {
    const failure = new DurableError("store_failed", "gone");
    const keys: KeyStore = { ...memoryKeys(), find: () => Promise.reject(failure) };
    const { key } = await newKey({ tenant: "a", role: "read", name: "n" }, 1);
    const app = createApp({
      authenticate: ({ request }) => apiKeys([["own", "b"]], keys)(request),
      runs,
      onError() {},
    });
    expect((await app.fetch(asked(key))).status).toBe(503);
    expect((await app.fetch(asked("own"))).status).toBe(200);
  });
});

describe("a custom authentication", () => {
  const answer = async (authenticate: () => Caller | Promise<Caller>, path = "/v1/whoami", method = "GET") => {
    const app = createApp({ authenticate, runs, onError() {} });
    const response = await app.fetch(new Request(`http://orca.test${path}`, { method }));
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  test("names the tenant and the role, and no keys are issued beside it", async () => {
    const caller: Caller = { tenant: "team a", role: "admin" };
    expect(await answer(async () => caller)).toEqual({ status: 200, body: caller });
    for (const [method, path] of [
      ["GET", "/v1/keys"],
      ["DELETE", "/v1/keys/x"],
    ] as const) {
      const { status, body } = await answer(() => caller, path, method);
      expect([status, body.error]).toMatchObject([404, { message: "this service issues no API keys" }]);
    }
  });

  test("may reject a call with an answer of its own", async () => {
    const { status, body } = await answer(() => {
      throw new DurableError("unauthorized", "log in", { hint: "at /login" });
    });
    expect([status, body.error]).toMatchObject([401, { code: "unauthorized", message: "log in", hint: "at /login" }]);
  });

  test.each([
    undefined,
    null,
    "alpha",
    {},
    { tenant: "a" },
    { role: "admin" },
    { tenant: "", role: "admin" },
    { tenant: "caf\u00e9", role: "admin" },
    { tenant: "a", role: "root" },
    { tenant: "a", role: "__proto__" },
    { tenant: ["a"], role: "admin" },
  ])("that returns %j rejects the call", async (caller) => {
    for (const path of ["/v1/whoami", "/v1/runs"]) {
      const { status, body } = await answer(() => caller as Caller, path);
      expect([status, body.error]).toMatchObject([500, { code: "internal_error" }]);
    }
  });
});
