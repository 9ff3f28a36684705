import { beforeEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/codec/index.ts";
import type { KeyStore } from "../../worker/http/auth/keys.ts";
import { apiKeys, createApp } from "../../worker/http/index.ts";
import { type Answer, Client, type HttpHome, homeKeys } from "./http-home.ts";

/** The routes to API keys, and what an issued key is good for. `runs` is what the app has for a tenant. */
export function testHttpKeys(keys: KeyStore, runs: Parameters<typeof createApp>[0]["runs"]): void {
  const authenticate = apiKeys(homeKeys(), keys);
  const app = createApp({ authenticate: ({ request }) => authenticate(request), keys: () => keys, runs });
  const home: HttpHome = { fetch: async (request) => app.fetch(request), drain: async () => {} };
  const admin = new Client(home);
  const issue = (body: unknown, client = admin) => client.post("/v1/keys", body);
  const issued = (name: string, role = "read") => admin.expect(201, issue({ name, role }));
  const listed = async (client = admin) =>
    (await client.expect(200, client.get("/v1/keys"))).keys as readonly JsonObject[];
  const as = (key: unknown, method: string, path: string, body?: unknown) =>
    admin.call(method, path, { headers: { "x-api-key": key as string }, ...(body === undefined ? {} : { body }) });
  let count = 0;
  let name = "";

  beforeEach(() => {
    name = `key ${++count}`;
  });

  describe("API keys over HTTP", () => {
    test("one that is issued is shown once, and lets its holder in with its role and tenant", async () => {
      const { key, ...record } = await issued(name, "execute");
      expect(record).toEqual({
        key_id: (key as string).slice(5, 21),
        name,
        role: "execute",
        tenant: "alpha",
        created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.+Z$/),
        revoked_at: null,
        hint: `…${(key as string).slice(-4)}`,
      });
      expect((await as(key, "GET", "/v1/whoami")).body).toEqual({ tenant: "alpha", role: "execute" });
      expect((await as(key, "POST", "/v1/runs", { skill_id: "http.chain", start: false })).status).toBe(201);
      expect((await as(key, "GET", "/v1/keys")).status).toBe(403);
      const all = await listed();
      expect(all.filter(({ key_id }) => key_id === record.key_id)).toEqual([record]);
      expect(JSON.stringify(all)).not.toContain((key as string).slice(22, -4));
    });

    test("one that only reads lists runs and starts none", async () => {
      const { key } = await issued(name);
      expect((await as(key, "GET", "/v1/runs")).status).toBe(200);
      const refused = await as(key, "POST", "/v1/runs", { skill_id: "http.chain" });
      expect(refused.body.error).toMatchObject({ code: "forbidden" });
    });

    test("one that is an admin's issues and revokes others, of its own tenant alone", async () => {
      const { key } = await issued(name, "admin");
      const made = await as(key, "POST", "/v1/keys", { name: `${name} of the admin`, role: "admin", tenant: "beta" });
      expect(made.status).toBe(201);
      expect(made.body.tenant).toBe("alpha");
      expect((await as(made.body.key, "GET", "/v1/whoami")).body).toEqual({ tenant: "alpha", role: "admin" });
      expect((await as(key, "DELETE", `/v1/keys/${String(made.body.key_id)}`)).status).toBe(204);
      expect((await as(made.body.key, "GET", "/v1/whoami")).status).toBe(403);
    });

    test("one that is revoked is refused from then on, and stays in the list", async () => {
      const { key, key_id } = await issued(name);
      const path = `/v1/keys/${String(key_id)}`;
      await admin.expect(204, admin.call("DELETE", path));
      const refused = await as(key, "GET", "/v1/runs");
      expect(refused.body.error).toMatchObject({ code: "forbidden", message: "this API key was revoked" });
      const revokedAt = async () => (await listed()).find((one) => one.key_id === key_id)?.revoked_at;
      const first = await revokedAt();
      expect(first).toMatch(/Z$/);
      await admin.expect(204, admin.call("DELETE", path));
      expect(await revokedAt()).toBe(first);
    });

    test("of another tenant answer exactly as missing ones, and are not listed", async () => {
      const { key, key_id } = await issued(name);
      const beta = new Client(home, "beta");
      expect((await listed(beta)).map((one) => one.tenant)).not.toContain("alpha");
      const shape = ({ status, body }: Answer, id: string) => JSON.stringify([status, body.error]).replaceAll(id, "ID");
      const missing = "0000000000000000";
      const foreign = shape(await beta.call("DELETE", `/v1/keys/${String(key_id)}`), String(key_id));
      expect(foreign).toBe(shape(await beta.call("DELETE", `/v1/keys/${missing}`), missing));
      expect(foreign).toContain("unknown API key id");
      expect((await as(key, "GET", "/v1/whoami")).status).toBe(200);
    });

    test("that come near an issued one are wrong", async () => {
      const { key } = await issued(name, "admin");
      const text = key as string;
      const other = (await issued(`${name} too`)).key as string;
      for (const wrong of [
        text.slice(0, -1),
        `${text}0`,
        `${text.slice(0, -1)}${text.endsWith("0") ? "1" : "0"}`,
        text.toUpperCase(),
        `${text.slice(0, 22)}${other.slice(22)}`,
        `${other.slice(0, 22)}${text.slice(22)}`,
        text.slice(5),
        text.slice(22),
      ]) {
        const refused = await as(wrong, "GET", "/v1/whoami");
        expect(refused.body.error).toMatchObject({ code: "forbidden", message: "this API key is not valid" });
      }
    });

    test.each([
      [{}, "name: is missing"],
      [{ name: "n" }, "role: is missing"],
      [{ name: "", role: "read" }, "name: expected 1 to 200 characters"],
      [{ name: "x".repeat(201), role: "read" }, "name: expected 1 to 200 characters"],
      [{ name: "a\nb", role: "read" }, "name: expected 1 to 200 characters"],
      [{ name: 7, role: "read" }, "name: expected a string, not a number"],
      [{ name: "n", role: "root" }, "role: expected one of read, execute, admin"],
      [{ name: "n", role: "__proto__" }, "role: expected one of"],
      [{ name: "n", role: ["admin"] }, "role: expected one of"],
      ["[]", "the body: expected an object, not an array"],
    ])("are not issued for %j", async (body, message) => {
      const before = await listed();
      const error = await admin.refusal("invalid_request", issue(body));
      expect((error.message as string).slice(0, message.length)).toBe(message);
      expect(await listed()).toEqual(before);
    });

    test.each(["x", "' OR '1'='1", "__proto__", "x".repeat(1_000)])("%.20j is no key to revoke", async (id) => {
      await admin.refusal("not_found", admin.call("DELETE", `/v1/keys/${encodeURIComponent(id)}`));
    });
  });
}
