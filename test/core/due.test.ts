import { describe, expect, test } from "vitest";
import { parseRunId, parseTenantId } from "../../src/ids.ts";
import { newRecord } from "../../src/record/lineage.ts";
import {
  dueAt,
  type RunRecord,
  type RunStatus,
  runStatuses,
  terminalStatuses,
  type Wait,
} from "../../src/record/run.ts";

const born = newRecord({
  runId: parseRunId("run"),
  tenantId: parseTenantId("acme"),
  skillId: "skill",
  metadata: {},
  createdAt: "2026-01-01T00:00:00.000Z",
});

function record(status: RunStatus, more: Partial<RunRecord> = {}): RunRecord {
  return { ...born, ...more, run: { ...born.run, status } };
}

const lease = { executor: "one", endsAt: 500 };
const nap: Wait = { kind: "sleep", stepId: "nap", until: 300.2 };
const retry: Wait = { kind: "retry", stepId: "try", until: 200, attempts: 1, error: "" };
const endless: Wait = { kind: "signal", stepId: "listen", name: "go" };
const gate: Wait = { kind: "approval", stepId: "sign", since: 0, reason: "approval" };
const open = runStatuses.filter((status) => !(terminalStatuses as readonly RunStatus[]).includes(status));

describe("a run is due", () => {
  test.each(terminalStatuses)("never once it is %s", (status) => {
    expect(dueAt(record(status, { lease, waits: [nap], wakeAt: 1 }))).toBeUndefined();
  });

  test.each(terminalStatuses)("once it is %s and its family does not know it", (status) => {
    const finishedAt = "2026-01-02T00:00:00.000Z";
    const dueOf = (more: Partial<RunRecord>) => {
      const ended = record(status, { epoch: 3, waits: [nap], ...more });
      return dueAt({ ...ended, run: { ...ended.run, finishedAt } });
    };
    expect(dueOf({ toldEpoch: 0 })).toBe(Date.parse(finishedAt));
    expect(dueOf({ toldEpoch: 2, wakeAt: 700 })).toBe(700);
    expect(dueOf({ toldEpoch: 3 })).toBeUndefined();
  });

  test.each(open)("when its lease ends while it is %s, whatever it waits for", (status) => {
    expect(dueAt(record(status, { lease, waits: [nap, retry], wakeAt: 1, unservedCount: 2 }))).toBe(500);
  });

  test("never while it is pending and has no time of its own", () => {
    expect(dueAt(record("pending"))).toBeUndefined();
  });

  describe.each(open)("%s without a lease", (status) => {
    test.each<[string, Partial<RunRecord>, number | undefined]>([
      ["at the earliest end of its waits, in whole milliseconds", { waits: [endless, nap] }, 301],
      ["at the earliest of them", { waits: [nap, retry, gate] }, 200],
      ["at wakeAt, if that is earlier", { waits: [nap], wakeAt: 100 }, 100],
      ["at wakeAt, if it waits for nothing", { wakeAt: 100 }, 100],
      ["never, if it waits for a person or a signal alone", { waits: [endless, gate] }, undefined],
      ["never, if it waits for nothing", {}, undefined],
      ["at wakeAt alone, once it was set aside", { waits: [retry], wakeAt: 900, unservedCount: 1 }, 900],
    ])("%s", (_, more, due) => {
      expect(dueAt(record(status, more))).toBe(due);
    });
  });
});
