import { type MemoryData, memoryStore } from "../../adapters/memory/index.ts";
import { memoryKeys } from "../../worker/http/auth/memory-keys.ts";
import type { FuzzHome } from "./fuzz.ts";
import { fuzzApp } from "./fuzz-app.ts";
import { tenants } from "./http-home.ts";

/** The app over memory. */
export async function fuzzMemoryHome(): Promise<FuzzHome> {
  const data: MemoryData = new Map();
  const keys = memoryKeys();
  return {
    ...fuzzApp(memoryStore({ data }), keys),
    async state() {
      const rows = [...data].map(([tenant, { runs, claims }]) => [tenant, [...runs.values()], [...claims.values()]]);
      return JSON.stringify([rows, await Promise.all(tenants.map((tenant) => keys.list(tenant)))]);
    },
  };
}
