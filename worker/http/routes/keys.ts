import type { Context } from "hono";
import { DurableError } from "../../../src/index.ts";
import { type KeyRecord, type KeyStore, newKey } from "../auth/keys.ts";
import { type IssuedKeyAnswer, type KeyAnswer, type KeyListAnswer, newApiKey } from "../contract/keys.ts";
import { Hono } from "../hono.ts";
import { type AppEnv, body, needs } from "../request.ts";

/** Routes to the API keys of the caller's own tenant. No route reaches the keys of another tenant. */
export const keyRoutes = new Hono<AppEnv>()
  .get("/v1/keys", needs("admin"), async (c) => {
    const answer: KeyListAnswer = { keys: (await keysOf(c).list(c.var.caller.tenant)).map(keyAnswer) };
    return c.json(answer);
  })
  .post("/v1/keys", needs("admin"), body(newApiKey), async (c) => {
    const keys = keysOf(c);
    const { key, record } = await newKey({ ...c.req.valid("json"), tenant: c.var.caller.tenant }, Date.now());
    await keys.add(record);
    const answer: IssuedKeyAnswer = { ...keyAnswer(record), key };
    return c.json(answer, 201);
  })
  .delete("/v1/keys/:key_id", needs("admin"), async (c) => {
    const keyId = c.req.param("key_id");
    if (await keysOf(c).revoke(c.var.caller.tenant, keyId, Date.now())) return c.body(null, 204);
    throw new DurableError("not_found", `unknown API key id "${keyId.slice(0, 200)}"`);
  });

function keysOf(c: Context<AppEnv>): KeyStore {
  const { keys } = c.var;
  if (keys !== undefined) return keys;
  throw new DurableError("not_found", "this service issues no API keys", {
    hint: "this service authenticates its callers by its own login",
  });
}

function keyAnswer({ keyId, name, role, tenant, createdAt, revokedAt, hint }: KeyRecord): KeyAnswer {
  return {
    key_id: keyId,
    name,
    role,
    tenant,
    created_at: new Date(createdAt).toISOString(),
    revoked_at: revokedAt === undefined ? null : new Date(revokedAt).toISOString(),
    hint,
  };
}
