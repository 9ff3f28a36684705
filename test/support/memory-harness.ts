import { memoryStore } from "../../adapters/memory/index.ts";
import type { StoreHarness } from "../../src/conformance/index.ts";

export const memoryHarness: StoreHarness = {
  fresh: async () => {
    const data = new Map();
    return { open: async () => memoryStore({ data }) };
  },
};
