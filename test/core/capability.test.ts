import { describe, expect, test } from "vitest";
import { type CapabilityDefinition, capabilityDigest, defineCapability, isDurableError } from "../../src/index.ts";

const schema = (vendor: string) => ({
  "~standard": { version: 1 as const, vendor, validate: (value: unknown) => ({ value }) },
});

const full: CapabilityDefinition = {
  id: "mail.send",
  version: "1.2.3",
  description: "Sends a mail.",
  input: schema("valibot"),
  output: schema("zod"),
  sideEffects: "external_action",
  replayPolicy: "use_recorded_result",
  isIdempotent: false,
  retries: { limit: 2, delay: 10 },
  timeout: 1_000,
  requiresConfirmation: true,
};

describe("a definition", () => {
  test("is frozen through and through, and no longer the caller's", () => {
    const mine = { ...full, retries: { ...full.retries } };
    const { definition } = defineCapability(mine, () => 1);
    mine.version = "2";
    mine.retries.limit = 99;
    expect(definition.version).toBe("1.2.3");
    expect(definition.retries?.limit).toBe(2);
    expect(() => Object.assign(definition, { version: "2" })).toThrow(TypeError);
    expect(() => Object.assign(definition.retries ?? {}, { limit: 99 })).toThrow(TypeError);
  });

  test("and its handler stay together", () => {
    const capability = defineCapability(full, () => 1);
    expect(() => Object.assign(capability, { handler: () => 2 })).toThrow(TypeError);
  });

  test.each<[string, Partial<CapabilityDefinition>, string]>([
    ["without an id", { id: "" }, "id"],
    ["with an id beyond ASCII", { id: "é" }, "id"],
    ["without a version", { version: "" }, "version"],
    ["with a wrong retry policy", { retries: { jitter: 2 } }, 'capability "mail.send".retries.jitter'],
    ["with a timeout of nothing", { timeout: 0 }, 'capability "mail.send".timeout'],
    ["with a timeout that is no number", { timeout: Number.NaN }, 'capability "mail.send".timeout'],
  ])("%s is refused", (_name, over, place) => {
    try {
      defineCapability({ ...full, ...over }, () => 1);
    } catch (error) {
      expect(isDurableError(error, "invalid_definition") && error.message).toContain(place);
      return;
    }
    throw new Error("it was accepted");
  });
});

describe("a digest", () => {
  test("is the same for the same definition, in whatever order it is written", async () => {
    const shuffled = Object.fromEntries(Object.entries(full).reverse()) as unknown as CapabilityDefinition;
    expect(await capabilityDigest(shuffled)).toBe(await capabilityDigest(full));
    expect(await capabilityDigest(full)).toMatch(/^[0-9a-f]{64}$/);
  });

  test("does not depend on the handler", async () => {
    const digests = [() => 1, () => 2].map((handler) => capabilityDigest(defineCapability(full, handler).definition));
    expect(new Set(await Promise.all(digests)).size).toBe(1);
  });

  test.each<[Partial<CapabilityDefinition>]>([
    [{ id: "mail.send2" }],
    [{ version: "1.2.4" }],
    [{ description: "Sends mail." }],
    [{ sideEffects: "write" }],
    [{ replayPolicy: "reexecute" }],
    [{ isIdempotent: true }],
    [{ retries: { limit: 3, delay: 10 } }],
    [{ timeout: 1_001 }],
    [{ requiresConfirmation: false }],
    [{ input: schema("zod") }],
    [{ output: schema("valibot") }],
  ])("is another one with %j", async (over) => {
    expect(await capabilityDigest({ ...full, ...over })).not.toBe(await capabilityDigest(full));
  });
});
