import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/json.ts";
import { type KeyGrant, type KeyRecord, type KeyStore, keyIdOf, newKey } from "../../worker/http/auth/keys.ts";

const grant: KeyGrant = { tenant: "acme", role: "read", name: "reader" };

async function record(given: Partial<KeyGrant> = {}, now = 1): Promise<KeyRecord> {
  return (await newKey({ ...grant, ...given }, now)).record;
}

/** Every clause of the key store's contract. `empty` gives a store that has no key. */
export function testKeyStore(name: string, empty: () => Promise<KeyStore>): void {
  describe(`the key store ${name}`, () => {
    test("is empty until a key is added, and not again when it is revoked", async () => {
      const keys = await empty();
      expect(await keys.isEmpty()).toBe(true);
      const one = await record();
      await keys.add(one);
      expect(await keys.isEmpty()).toBe(false);
      await keys.revoke("acme", one.keyId, 5);
      expect(await keys.isEmpty()).toBe(false);
    });

    test("gives back what was added, and nothing of a key that was not", async () => {
      const keys = await empty();
      for (const role of ["read", "execute", "admin"] as const) {
        const one = await record({ role, name: `O'Brien; DROP TABLE api_keys -- "ü" ${role}`, tenant: "a%_'\\" });
        await keys.add(one);
        expect(await keys.find(one.keyId)).toEqual(one);
      }
      expect(await keys.find("0000000000000000")).toBeUndefined();
      expect(await keys.find("' OR '1'='1")).toBeUndefined();
    });

    test("refuses a key id that is taken, and keeps the first", async () => {
      const keys = await empty();
      const first = await record();
      await keys.add(first);
      await expect(keys.add({ ...(await record()), keyId: first.keyId })).rejects.toThrow();
      expect(await keys.find(first.keyId)).toEqual(first);
    });

    test("lists one tenant's keys by age and id, revoked ones too", async () => {
      const keys = await empty();
      const [a, b, c] = [await record({}, 3), await record({}, 1), await record({}, 1)];
      const other = await record({ tenant: "acme2" });
      for (const one of [a, b, c, other]) await keys.add(one);
      await keys.revoke("acme", a.keyId, 9);
      const sameAge = [b, c].sort((one, two) => (one.keyId < two.keyId ? -1 : 1));
      expect(await keys.list("acme")).toEqual([...sameAge, { ...a, revokedAt: 9 }]);
      expect(await keys.list("acme2")).toEqual([other]);
      expect(await keys.list("acm")).toEqual([]);
    });

    test("revokes a key of that tenant alone, and keeps the first time", async () => {
      const keys = await empty();
      const one = await record();
      await keys.add(one);
      expect(await keys.revoke("acme2", one.keyId, 4)).toBe(false);
      expect(await keys.revoke("acme", "0000000000000000", 4)).toBe(false);
      expect(await keys.find(one.keyId)).toEqual(one);
      expect(await keys.revoke("acme", one.keyId, 5)).toBe(true);
      expect(await keys.revoke("acme", one.keyId, 6)).toBe(true);
      expect(await keys.find(one.keyId)).toEqual({ ...one, revokedAt: 5 });
    });
  });
}

/** What a key is, wherever it is made. */
export function testKeyForm(): void {
  test("a key names its id, and its record has no more of it than its hash and its end", async () => {
    const { key, record } = await newKey(grant, 17);
    expect(key).toMatch(/^orca_[0-9a-f]{16}_[0-9a-f]{64}$/);
    expect(keyIdOf(key)).toBe(record.keyId);
    expect(record).toEqual({
      ...grant,
      keyId: key.slice(5, 21),
      hash: await sha256(key),
      hint: `…${key.slice(-4)}`,
      createdAt: 17,
    });
    expect(JSON.stringify(record)).not.toContain(key.slice(22, -4));
  });

  test("no two keys are alike", async () => {
    const made = await Promise.all(Array.from({ length: 50 }, () => newKey(grant, 1)));
    expect(new Set(made.map(({ key }) => key)).size).toBe(50);
    expect(new Set(made.map(({ record }) => record.keyId)).size).toBe(50);
  });

  test.each([
    "",
    "dev-key",
    "orca_",
    "orca_0123456789abcdef_",
    `orca_0123456789abcdef_${"0".repeat(63)}`,
    `orca_0123456789abcdef_${"0".repeat(65)}`,
    `ORCA_0123456789abcdef_${"0".repeat(64)}`,
    `orca_0123456789abcde'_${"0".repeat(64)}`,
    `orca_0123456789abcdef_${"0".repeat(64)}\n`,
  ])("%j has not the form of a key", (text) => {
    expect(keyIdOf(text)).toBeUndefined();
  });
}
