import { expect, expectTypeOf, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { initialState } from "../../src/codec/index.ts";
import {
  compareCheckpoints,
  pruneRuns,
  type Runs,
  type RunsApi,
  readLineage,
  saveCheckpoint,
} from "../../src/index.ts";
import { exportRun, importRun } from "../../src/transfer.ts";
import { type Client, createClient } from "../../worker/client/index.ts";
import { testBothSides } from "./contract/runs-api.ts";

testBothSides("memory", memoryStore());

test("what takes the runs of a runtime refuses a client, whose own calls do the same", async () => {
  const client = createClient("http://orca.test") as unknown as Runs;
  const refusal = {
    code: "invalid_request",
    path: "runs",
    message: "runs: expected the runs of runtime.for(tenant), not a client",
  };
  const calls = [
    () => saveCheckpoint(client, "r", { kind: "k", state: initialState("s", {}) }),
    () => importRun(client, []),
    () => pruneRuns(client, { olderThan: new Date() }),
    () => compareCheckpoints(client, "r", "c"),
    () => readLineage(client, "r"),
    () => exportRun(client, "r").next(),
  ];
  for (const call of calls) await expect(call()).rejects.toMatchObject(refusal);
});

test("the runs of a runtime and those of a service are one interface", () => {
  expectTypeOf<Runs>().toExtend<RunsApi>();
  expectTypeOf<Client>().toExtend<RunsApi>();
  expectTypeOf<keyof Runs>().toEqualTypeOf<keyof RunsApi>();
  expectTypeOf<keyof Client>().toEqualTypeOf<keyof RunsApi | "saveCheckpoint" | "wire">();
});
