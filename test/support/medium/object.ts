import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { storeOperations } from "../../../src/argument.ts";
import type { StoreHarness } from "../../../src/conformance/index.ts";
import type { Store } from "../../../src/store.ts";

export const medium = "a Durable Object";
export const lanes = 8;
export const isThorough = false;
let objects = 0;

/** An object of its own for each medium. Each call of a store is made inside of it. */
export const harness: StoreHarness = {
  fresh: async () => {
    const name = `medium ${++objects}`;
    let handles = 0;
    return { open: async () => storeIn(name, `handle ${++handles}`) };
  },
};

/** A store of that object: one whose calls are made inside of the object. */
export function storeIn(name: string, handle: string): Store {
  const stub = env.OBJECTS.get(env.OBJECTS.idFromName(name));
  const call =
    (method: keyof Store) =>
    (...values: readonly never[]) =>
      runInDurableObject(stub, (object) =>
        (object.handle(handle)[method] as (...values: unknown[]) => unknown)(...values),
      );
  return Object.fromEntries(
    [...storeOperations, "close" as const].map((method) => [method, call(method)]),
  ) as unknown as Store;
}
