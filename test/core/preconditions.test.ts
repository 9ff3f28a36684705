import { expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime, defineSkill, type Precondition, type Runs, saveCheckpoint } from "../../src/index.ts";

const gated = defineSkill({ id: "gated", version: "1", run: async (step) => step.waitForApproval("ask") });

/** Every call that writes a run, over run `gate`, which waits for a person, or `made`, which rests. */
const writes: Readonly<Record<string, (runs: Runs, condition: Precondition) => Promise<unknown>>> = {
  cancel: (runs, condition) => runs.cancel("gate", condition),
  delete: (runs, condition) => runs.delete("made", condition),
  resume: (runs, condition) => runs.resume("made", { ...condition }),
  replay: (runs, condition) => runs.replay("gate", { ...condition }),
  fork: (runs, condition) => runs.fork("gate", { ...condition }),
  "fork with an edit": (runs, condition) => runs.fork("gate", { edit: { vars: { a: 1 } }, ...condition }),
  approve: (runs, condition) => runs.approve("gate", { approver: "Ada", ...condition }),
  deny: (runs, condition) => runs.deny("gate", { notes: "no", ...condition }),
  signal: (runs, condition) => runs.signal("gate", { name: "go", ...condition }),
  saveCheckpoint: async (runs, condition) => {
    const { head = "" } = await runs.listCheckpoints("made");
    const { state } = await runs.loadCheckpoint("made", head);
    return saveCheckpoint(runs, "made", { kind: "mine", state, ...condition });
  },
};

async function tenantWithRuns() {
  const store = memoryStore();
  const runtime = createRuntime({ serves: false, store, skills: [gated] });
  const runs = runtime.for("alpha");
  await runs.start({ skillId: "gated", runId: "gate" });
  await runtime.idle();
  await runs.create({ skillId: "gated", runId: "made" });
  const revisions = async () => [(await runs.get("gate")).revision, (await runs.get("made")).revision];
  return { runs, runtime, revisions };
}

test.each(Object.keys(writes))(
  "%s is refused at another revision, and is done at the one that was read",
  async (name) => {
    const { runs, runtime, revisions } = await tenantWithRuns();
    const before = await revisions();
    for (const expectedRevision of [0, 1_000, [], [0, 1_000]]) {
      await expect(writes[name]?.(runs, { expectedRevision })).rejects.toMatchObject({ code: "precondition_failed" });
    }
    await runtime.idle();
    expect(await revisions()).toEqual(before);
    expect(await runs.count()).toBe(2);
    await writes[name]?.(runs, { expectedRevision: [...before, 1_000] });
    await runtime.idle();
  },
);

test("a decision keeps who decided, and not what the call demanded", async () => {
  const { runs, runtime } = await tenantWithRuns();
  const { revision } = await runs.get("gate");
  await runs.approve("gate", { approver: "Ada", notes: "fine", expectedRevision: revision, idempotencyKey: "k" });
  await runtime.idle();
  const { approvalRequest, result } = await runs.get("gate");
  expect(approvalRequest).toEqual({
    stepId: "ask",
    status: "approved",
    requestedAt: expect.any(String),
    decidedAt: expect.any(String),
    approver: "Ada",
    notes: "fine",
  });
  expect(result).toEqual({ approver: "Ada", notes: "fine", decidedAt: expect.any(Date) });
});
