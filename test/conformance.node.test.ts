import { describe, test } from "vitest";
import { memoryStore } from "../adapters/memory/index.ts";
import { type StoreHarness, storeCases } from "../src/conformance/index.ts";
import { emptyTables, modelStore } from "../src/conformance/model.ts";

const media: Readonly<Record<string, StoreHarness>> = {
  "the model": {
    fresh: async () => {
      const tables = emptyTables();
      return { open: async () => modelStore(tables) };
    },
  },
  memory: {
    fresh: async () => {
      const data = new Map();
      return { open: async () => memoryStore({ data }) };
    },
  },
};

describe.each(Object.entries(media))("on %s", (_name, harness) => {
  for (const { id, clause, run } of storeCases) test(`${id}: ${clause}`, () => run(harness));
});
