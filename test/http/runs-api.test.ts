import { expectTypeOf, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import type { Runs, RunsApi } from "../../src/index.ts";
import type { Client } from "../../worker/client/index.ts";
import { testBothSides } from "./contract/runs-api.ts";

testBothSides("memory", memoryStore());

test("the runs of a runtime and those of a service are one interface", () => {
  expectTypeOf<Runs>().toExtend<RunsApi>();
  expectTypeOf<Client>().toExtend<RunsApi>();
  expectTypeOf<keyof Runs>().toEqualTypeOf<keyof RunsApi>();
  expectTypeOf<keyof Client>().toEqualTypeOf<keyof RunsApi | "saveCheckpoint" | "wire">();
});
