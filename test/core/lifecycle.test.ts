import { describe, expect, test } from "vitest";
import { parseCheckpointId, parseRunId } from "../../src/ids.ts";
import { type LifecycleEvent, type LifecycleEventType, lifecycle, transition } from "../../src/record/lifecycle.ts";
import { isTerminal, type Run, type RunStatus, runStatuses, terminalStatuses } from "../../src/record/run.ts";

const at = "2026-03-26T12:00:00.000Z";
const checkpointId = parseCheckpointId("c-1");

const request = { stepId: "send", status: "pending", requestedAt: at } as const;

const events = {
  proceed: { type: "proceed" },
  resume: { type: "resume", checkpointId },
  replay: { type: "replay" },
  wait_for_human: { type: "wait_for_human", request },
  wait_for_signal: { type: "wait_for_signal" },
  approve: { type: "approve", request, decision: { approver: "ann" } },
  deny: { type: "deny", request, decision: { notes: "no" } },
  complete: { type: "complete", result: { a: 1 } },
  fail: { type: "fail", error: { code: "step_failed", message: "boom", stepId: "send" } },
  cancel: { type: "cancel" },
} satisfies { readonly [E in LifecycleEventType]: LifecycleEvent };

const eventTypes = Object.keys(events) as LifecycleEventType[];

// The contract's table, written out once more by hand: columns in the order of `eventTypes`, `-` where it refuses.
const table: { readonly [S in RunStatus]: string } = {
  //                   proceed resume  replay    human             signal             approve deny     complete  fail   cancel
  pending:
    "            running running -         -                 -                  -       -        -         -      canceled",
  running:
    "            -       running replaying waiting_for_human waiting_for_signal running canceled completed failed canceled",
  waiting_for_human:
    "  running running -         -                 -                  running canceled -         -      canceled",
  waiting_for_signal:
    " running running -         -                 -                  -       -        -         -      canceled",
  replaying:
    "          running running -         -                 -                  -       -        -         failed canceled",
  completed:
    "          -       -       -         -                 -                  -       -        -         -      -",
  failed:
    "             -       running -         -                 -                  -       -        -         -      -",
  canceled:
    "           -       running -         -                 -                  -       -        -         -      -",
};

const cells = runStatuses.flatMap((status) => {
  const row = table[status].trim().split(/ +/);
  return eventTypes.map((type, index) => ({ status, type, expected: row[index] as RunStatus | "-" }));
});

function runOf(status: RunStatus, over: Partial<Run> = {}): Run {
  return {
    runId: parseRunId("r"),
    skillId: "s",
    status,
    createdAt: at,
    versions: {},
    metadata: {},
    result: null,
    ...over,
  };
}

function moved(status: RunStatus, event: LifecycleEvent, over: Partial<Run> = {}): Run {
  const outcome = transition(runOf(status, over), event, at);
  if (outcome.kind === "refused") throw outcome.error;
  return outcome.run;
}

test("the table has a cell for every status and event", () => {
  expect(cells).toHaveLength(8 * 10);
  expect(cells.filter(({ expected }) => expected === undefined)).toEqual([]);
  expect(Object.keys(lifecycle)).toEqual([...runStatuses]);
});

describe("every status and event", () => {
  test.each(cells)("$status, $type: $expected", ({ status, type, expected }) => {
    const run = Object.freeze(runOf(status));
    const outcome = transition(run, events[type], at);
    if (expected !== "-") {
      expect(outcome).toMatchObject({ kind: "moved", run: { status: expected } });
      return;
    }
    expect(outcome).toMatchObject({
      kind: "refused",
      error: { name: "DurableError", code: "invalid_transition", details: { status, event: type } },
    });
  });
});

test("only completed, failed and canceled are terminal", () => {
  expect(runStatuses.filter(isTerminal)).toEqual(["completed", "failed", "canceled"]);
  expect(terminalStatuses).toEqual(["completed", "failed", "canceled"]);
});

describe("what an event leaves on the run", () => {
  test.each(runStatuses.filter((status) => Object.keys(lifecycle[status]).length > 0))(
    "a run that is %s keeps its own object unchanged",
    (status) => {
      const run = runOf(status);
      const before = structuredClone(run);
      for (const type of eventTypes) transition(run, events[type], at);
      expect(run).toEqual(before);
    },
  );

  test.each([
    ["proceed", "pending"],
    ["resume", "pending"],
    ["proceed", "replaying"],
  ] as const)("%s sets started_at of a run that is %s", (type, status) => {
    expect(moved(status, events[type]).startedAt).toBe(at);
  });

  test.each(["resume", "cancel"] as const)("%s keeps an earlier started_at", (type) => {
    expect(moved("running", events[type], { startedAt: "earlier" }).startedAt).toBe("earlier");
  });

  test.each(["complete", "fail", "cancel"] as const)("%s sets finished_at", (type) => {
    expect(moved("running", events[type]).finishedAt).toBe(at);
  });

  test.each(["failed", "canceled"] as const)("a resume of a %s run takes finished_at and error back", (status) => {
    const run = moved(status, events.resume, { finishedAt: at, error: { code: "step_failed", message: "boom" } });
    expect(run).not.toHaveProperty("finishedAt");
    expect(run).not.toHaveProperty("error");
    expect(run.resumeFromCheckpointId).toBe("c-1");
  });

  test("complete keeps the result, fail the error", () => {
    expect(moved("running", events.complete).result).toEqual({ a: 1 });
    expect(moved("running", events.fail).error).toEqual({ code: "step_failed", message: "boom", stepId: "send" });
  });

  test("waiting for a person shows what for, and at which step", () => {
    const run = moved("running", events.wait_for_human);
    expect(run.approvalRequest).toEqual({ stepId: "send", status: "pending", requestedAt: at });
    expect(run.currentStepId).toBe("send");
  });

  test.each([
    ["approve", "approved", { approver: "ann" }],
    ["deny", "denied", { notes: "no" }],
  ] as const)("%s records who decided, when, and since when it was asked", (type, status, by) => {
    const run = moved("waiting_for_human", { ...events[type], request: { ...request, requestedAt: "asked" } });
    expect(run.approvalRequest).toEqual({ stepId: "send", requestedAt: "asked", status, decidedAt: at, ...by });
  });

  test("a resume forgets a question without an answer, and keeps an answer", () => {
    const asked = { stepId: "send", requestedAt: at };
    const open = moved("waiting_for_human", events.resume, { approvalRequest: { ...asked, status: "pending" } });
    expect(open).not.toHaveProperty("approvalRequest");
    const answered = moved("canceled", events.resume, { approvalRequest: { ...asked, status: "denied" } });
    expect(answered.approvalRequest).toEqual({ ...asked, status: "denied" });
  });
});
