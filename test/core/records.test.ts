import { describe, expect, test } from "vitest";
import {
  encodeRun,
  readEntry,
  readRunBody,
  writeCheckpointRecord,
  writeEntryBody,
  writeImportBody,
  writeRun,
  writeRunBody,
  writeTombstone,
} from "../../src/codec/bodies.ts";
import { parseCheckpointId, parseRunId, parseTenantId } from "../../src/ids.ts";
import type { Json } from "../../src/json.ts";
import { newRecord } from "../../src/record/lineage.ts";
import type { Run, RunRecord } from "../../src/record/run.ts";

const at = "2026-03-26T12:00:00.000Z";
const runId = parseRunId("r");
const record = newRecord({ runId, tenantId: parseTenantId("t"), skillId: "s", metadata: {}, createdAt: at });

describe("a run on the wire", () => {
  test("has every field of the contract; absent ones are null", () => {
    expect(writeRun(record.run)).toEqual({
      run_id: "r",
      thread_id: null,
      session_id: null,
      skill_id: "s",
      skill_version: null,
      status: "pending",
      trace_id: null,
      created_at: at,
      started_at: null,
      finished_at: null,
      current_step_id: null,
      checkpoint_head: null,
      resume_from_checkpoint_id: null,
      tenant_id: "t",
      environment: null,
      policy_snapshot_id: null,
      versions: {},
      metadata: {},
      approval_request: null,
      result: null,
      error: null,
    });
  });

  test("shows its question, its error and its values", () => {
    const run: Run = {
      ...record.run,
      status: "failed",
      approvalRequest: { stepId: "send", capabilityId: "mail", status: "approved", requestedAt: at, approver: "ann" },
      error: { code: "step_failed", message: "boom", stepId: "send" },
      metadata: { since: new Date(0) },
    };
    expect(writeRun(encodeRun(run))).toMatchObject({
      approval_request: {
        step_id: "send",
        capability_id: "mail",
        status: "approved",
        requested_at: at,
        approver: "ann",
        notes: null,
        decided_at: null,
      },
      error: { code: "step_failed", message: "boom", step_id: "send" },
      metadata: { since: { $durable: ["date", "1970-01-01T00:00:00.000Z"] } },
    });
  });
});

test("a checkpoint record on the wire has every field of the contract, and refers to its state", () => {
  const checkpoint = {
    checkpointId: parseCheckpointId("c"),
    runId,
    kind: "run_started",
    createdAt: at,
    pendingWrites: [],
  };
  expect(writeCheckpointRecord(checkpoint)).toEqual({
    checkpoint_id: "c",
    run_id: "r",
    step_id: null,
    kind: "run_started",
    created_at: at,
    pending_writes: [],
    state_snapshot_ref: "checkpoint://r/c",
  });
});

describe("the body of a row", () => {
  const full: RunRecord<Json> = {
    ...record,
    epoch: 3,
    lease: { executor: "e", endsAt: 5 },
    waits: [
      { kind: "approval", stepId: "a", capabilityId: "c", since: 1, reason: "confirmation" },
      { kind: "approval", stepId: "b", since: 1, reason: "approval", decision: { approver: "ann", at } },
      { kind: "signal", stepId: "c", name: "go", until: 9 },
      { kind: "sleep", stepId: "d", until: 9 },
      { kind: "retry", stepId: "e", until: 9, attempts: 2, error: "boom" },
    ],
    inbox: [{ name: "go", payload: { a: [1] }, receivedAt: at }],
    confirmed: ["c"],
    wakeAt: 7,
    recoveries: 1,
    unservedCount: 2,
    checkpointCount: 3,
    entryRevision: 4,
    headRevision: 5,
    isResultInHead: true,
  };

  test("is read as it was written", () => {
    expect(readRunBody(writeRunBody("nonce", full), "run")).toEqual({ nonce: "nonce", isImport: false, record: full });
    expect(readRunBody(writeRunBody("nonce", record), "run")).toEqual({ nonce: "nonce", isImport: false, record });
  });

  test("of a tombstone has no record", () => {
    expect(readRunBody(writeTombstone("nonce"), "run")).toEqual({ nonce: "nonce", isImport: false });
  });

  test("of an import under way has none either, and says so", () => {
    expect(readRunBody(writeImportBody("nonce"), "run")).toEqual({ nonce: "nonce", isImport: true });
  });

  test("keeps fields that a newer writer added", () => {
    const body = JSON.parse(writeRunBody("nonce", full)) as { record: { run: Record<string, unknown> } };
    body.record.run.added_later = { a: 1 };
    const read = readRunBody(JSON.stringify(body), "run").record as RunRecord<Json>;
    expect(JSON.parse(writeRunBody("nonce", read))).toEqual(body);
  });
});

const entryRow = (body: string) => ({ tenant: "t", runId: "r", revision: 7, body });

describe("what cannot be read says so, and where", () => {
  const newer = JSON.stringify({ format: 1_000 });
  test.each<[string, () => unknown, string, string]>([
    ["a row of a newer format", () => readRunBody(newer, 'run "r"'), "unsupported_version", 'run "r"'],
    ["a row that is no JSON", () => readRunBody("{", 'run "r"'), "corrupt_data", 'run "r"'],
    ["a row without a format", () => readRunBody("{}", 'run "r"'), "corrupt_data", 'run "r"'],
    [
      "a row with an unknown status",
      () => readRunBody(writeRunBody("n", record).replace('"pending"', '"lost"'), 'run "r"'),
      "corrupt_data",
      'run "r"',
    ],
    ["an entry of a newer format", () => readEntry(entryRow(newer)), "unsupported_version", 'entry 7 of run "r"'],
    ["an entry that is no JSON", () => readEntry(entryRow("")), "corrupt_data", 'entry 7 of run "r"'],
  ])("%s", (_name, read, code, place) => {
    expect(read).toThrow(expect.objectContaining({ code, message: expect.stringContaining(place) }));
  });

  test("an entry's events and checkpoint are read as they were written", () => {
    const entry = {
      nonce: "n",
      traceId: "trace",
      events: [{ type: "run.created" as const, at, payload: { a: [1] } }],
      checkpoint: {
        checkpointId: parseCheckpointId("c"),
        runId,
        stepId: "one",
        kind: "own kind",
        createdAt: at,
        pendingWrites: ["vars.x"],
      },
    };
    expect(readEntry(entryRow(writeEntryBody(entry)))).toEqual({ ...entry, revision: 7 });
  });
});
