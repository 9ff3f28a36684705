import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { addStatement, listStatement, revokeStatement } from "../../scripts/key-statements.ts";
import { d1Keys } from "../../worker/cloudflare/d1-keys.ts";
import { type KeyRecord, newKey } from "../../worker/http/auth/keys.ts";
import { testKeyForm, testKeyStore } from "../support/key-store-suite.ts";

async function emptied() {
  await env.DB.exec("DELETE FROM api_keys");
  return d1Keys(env.DB);
}

testKeyStore("on D1", emptied);
testKeyForm();

describe("the statements of npm run keys", () => {
  const hostile = {
    tenant: "a'); DROP TABLE api_keys; --",
    role: "execute",
    name: "é\u2028 ' \" ; -- \\ \uFFFF",
  } as const;

  test("adds a key of any name that the store finds", async () => {
    const keys = await emptied();
    const { record } = await newKey(hostile, 3);
    await env.DB.prepare(addStatement(record)).run();
    expect(await keys.find(record.keyId)).toEqual(record);
  });

  test("lists the keys of one tenant or of all, and never a hash", async () => {
    const keys = await emptied();
    const records = [await newKey(hostile, 1), await newKey({ ...hostile, tenant: "z" }, 1)].map(
      ({ record }) => record,
    );
    for (const record of records) await keys.add(record);
    const ids = async (tenant?: string) => {
      const { results } = await env.DB.prepare(listStatement(tenant)).all<{ key_id: string }>();
      for (const { hash } of records) expect(JSON.stringify(results)).not.toContain(hash);
      return results.map(({ key_id }) => key_id);
    };
    const [first, second] = records as [KeyRecord, KeyRecord];
    expect(await ids()).toEqual([first.keyId, second.keyId]);
    expect(await ids(hostile.tenant)).toEqual([first.keyId]);
    expect(await ids("' OR '1'='1")).toEqual([]);
  });

  test("revokes one key, and says if it does not exist", async () => {
    const keys = await emptied();
    const [{ record }, other] = [await newKey(hostile, 1), await newKey(hostile, 1)];
    await keys.add(record);
    await keys.add(other.record);
    const revoke = async (keyId: string, now: number) =>
      (await env.DB.prepare(revokeStatement(keyId, now)).all()).results;
    expect(await revoke(record.keyId, 5)).toEqual([
      { key_id: record.keyId, tenant: hostile.tenant, name: hostile.name },
    ]);
    expect(await revoke(record.keyId, 6)).toHaveLength(1);
    expect(await revoke("' OR '1'='1", 6)).toEqual([]);
    expect(await keys.find(record.keyId)).toEqual({ ...record, revokedAt: 5 });
    expect(await keys.find(other.record.keyId)).toEqual(other.record);
  });
});

describe("the table of keys", () => {
  test("rejects an unknown role", async () => {
    const keys = await emptied();
    const { record } = await newKey({ tenant: "t", role: "root" as "admin", name: "n" }, 1);
    await expect(keys.add(record)).rejects.toMatchObject({ code: "store_failed" });
  });
});
