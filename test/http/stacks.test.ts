import { expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { intercepted } from "../../src/conformance/faults.ts";
import { createRuntime, defineCapability, defineGraphSkill, defineSkill } from "../../src/index.ts";
import { createApp } from "../../worker/http/index.ts";

const secret = "at secret (/home/ann/secret.ts:1:1)";

/** An error as deep as errors get: each has a stack, one of them as a field that is listed. */
function failure(): Error {
  const innermost = Object.assign(new RangeError("innermost"), { stack: `RangeError: innermost\n    ${secret}` });
  const listed = new TypeError("listed", { cause: innermost });
  Object.defineProperty(listed, "stack", { value: `TypeError: listed\n    ${secret}`, enumerable: true });
  const error = new AggregateError([listed, new Error("beside it")], "the step failed", { cause: listed });
  expect(error.stack).toContain("stacks.test.ts");
  return Object.assign(error, { details: { innermost } });
}

const fails = defineCapability({ id: "fails", version: "1", retries: { limit: 1, delay: 1 } }, () => {
  throw failure();
});
const retries = { retries: { limit: 1, delay: 1 } } as const;
const skills = [
  defineGraphSkill({ id: "graph", version: "1", steps: [{ id: "step", uses: "fails" }] }),
  defineGraphSkill({ id: "goes on", version: "1", steps: [{ id: "step", uses: "fails", onFailure: "continue" }] }),
  defineSkill({ id: "step", version: "1", run: (step) => step.do("step", retries, () => Promise.reject(failure())) }),
  defineSkill({
    id: "caught",
    version: "1",
    run: async (step) => {
      const error = await step.use("step", "fails").catch((error: Error) => error);
      return step.do("seen", async () => error);
    },
  }),
  defineSkill({ id: "body", version: "1", run: () => Promise.reject(failure()) }),
];

test.each(skills.map(({ id }) => id))("no stack of an error is stored or sent: %s", async (skillId) => {
  const stored: string[] = [];
  const store = intercepted(memoryStore(), ({ commit }, proceed) => {
    if (commit !== undefined) stored.push(JSON.stringify(commit));
    return proceed();
  });
  const told: unknown[] = [];
  const onError = (error: unknown) => told.push(error);
  const runtime = createRuntime({ serves: false, store, skills, capabilities: [fails], onError });
  const runs = runtime.for("alpha");
  await runs.start({ skillId, runId: "r" });
  await runtime.idle();
  const run = await runs.get("r");
  expect(run.status).toBe(skillId === "goes on" || skillId === "caught" ? "completed" : "failed");

  const app = createApp({ authenticate: () => ({ tenant: "alpha", role: "admin" }), runs: () => runs });
  const get = async (path: string) => {
    const response = await app.fetch(new Request(`http://home${path}`));
    expect({ path, status: response.status }).toEqual({ path, status: 200 });
    return response.text();
  };
  const { items: checkpoints } = await runs.listCheckpoints("r");
  const own = ["", "/checkpoints", "/trace", "/events", "/history", "/lineage", "/children", "/export", "/stream"];
  const paths = [
    "/v1/runs",
    "/v1/run_status/r",
    ...own.map((path) => `/v1/runs/r${path}`),
    ...checkpoints.flatMap(({ checkpointId }) => [
      `/v1/runs/r/checkpoints/${checkpointId}`,
      `/v1/runs/r/checkpoints/${checkpointId}/diff`,
    ]),
  ];
  const sent: string[] = [];
  for (const path of paths) sent.push(await get(path));

  // What is looked for would be found: the message of the same error is there, and `onError` got the stack.
  for (const texts of [stored, sent]) {
    const text = texts.join("\n");
    expect(text).toContain("the step failed");
    for (const stack of ["secret", "stacks.test.ts", "\\n    at ", "stack"]) expect(text).not.toContain(stack);
  }
  expect(told.map((error) => (error as Error).stack).join("\n")).toContain("stacks.test.ts");
});
