import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "vite";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

interface PackageJson {
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
}

/** The source of each door of the package, by the name under which it is imported. */
const doors = Object.entries((JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as PackageJson).exports)
  .flatMap(([name, target]) => (typeof target === "string" ? [] : [[name, target.default] as const]))
  .map(([name, built]) => ({ name, source: built.replace(/^\.\/dist\//, "").replace(/\.js$/, ".ts") }));

/** What a module exports, sorted; types are marked. */
function exportedNames(path: string, typesOnly = false): readonly string[] {
  const { module, errors } = parseSync(path, readFileSync(join(root, path), "utf8"));
  expect(errors).toEqual([]);
  return module.staticExports
    .flatMap(({ entries }) => entries)
    .flatMap(({ exportName, importName, moduleRequest, isType }) => {
      const mark = typesOnly || isType ? "type " : "";
      if (importName.kind !== "AllButDefault") return [`${mark}${exportName.name ?? exportName.kind}`];
      if (moduleRequest === null) throw new Error(`${path} re-exports everything of nothing`);
      return exportedNames(join(dirname(path), moduleRequest.value), typesOnly || isType);
    })
    .sort();
}

// A name here is a promise to everybody who installed the package: add one only if you mean to keep it.
const promised: Readonly<Record<string, readonly string[]>> = {
  ".": [
    "DurableError",
    "NonRetryableError",
    "broadcastNotifier",
    "capabilityDigest",
    "checkpointKinds",
    "createRuntime",
    "decodeState",
    "decodeValue",
    "defineCapability",
    "defineSkill",
    "encodeRun",
    "encodeState",
    "encodeValue",
    "eventPosition",
    "eventTypes",
    "fromWorkflow",
    "httpStatus",
    "initialState",
    "instruments",
    "isDurableError",
    "isTerminal",
    "lifecycle",
    "literal",
    "localNotifier",
    "maxInboxBytes",
    "parseJson",
    "readState",
    "runStatuses",
    "stateSnapshotRef",
    "systemClock",
    "terminalStatuses",
    "transition",
    "type AnyCapability",
    "type Approval",
    "type ApprovalRequest",
    "type Attributes",
    "type Capability",
    "type CapabilityDefinition",
    "type CapabilityStep",
    "type Changed",
    "type Checkpoint",
    "type CheckpointId",
    "type CheckpointKind",
    "type CheckpointPage",
    "type CheckpointQuery",
    "type CheckpointRecord",
    "type ClaimQuery",
    "type ClaimRow",
    "type Clock",
    "type CodeSkillDefinition",
    "type Commit",
    "type CommitOutcome",
    "type Comparison",
    "type CurrentRun",
    "type DelayFunction",
    "type Descent",
    "type DescentOutcome",
    "type Difference",
    "type Drained",
    "type DueQuery",
    "type Duration",
    "type EntryQuery",
    "type EntryRow",
    "type ErrorCode",
    "type EventQuery",
    "type EventType",
    "type ExecutionState",
    "type Failure",
    "type Fields",
    "type ForkDescent",
    "type GateDecision",
    "type GraphSkillDefinition",
    "type GraphStep",
    "type Handler",
    "type HistoryEntry",
    "type HistoryQuery",
    "type Instrument",
    "type InstrumentName",
    "type Json",
    "type JsonObject",
    "type LifecycleEvent",
    "type LifecycleEventType",
    "type Lineage",
    "type LineageNode",
    "type ListQuery",
    "type Literal",
    "type MissingKind",
    "type MissingRun",
    "type NewCheckpointRequest",
    "type NewClaim",
    "type NewEntry",
    "type NewRun",
    "type NewSignal",
    "type Notifier",
    "type Precondition",
    "type Presence",
    "type RandomBytes",
    "type RelatedRun",
    "type RemoteSpan",
    "type ReplayPolicy",
    "type ResumeOutcome",
    "type RetryPolicy",
    "type Run",
    "type RunContext",
    "type RunError",
    "type RunEvent",
    "type RunFilter",
    "type RunId",
    "type RunPage",
    "type RunPosition",
    "type RunQuery",
    "type RunRow",
    "type RunStatus",
    "type Runs",
    "type Runtime",
    "type RuntimeEvent",
    "type RuntimeOptions",
    "type Schema",
    "type Scope",
    "type ServeOptions",
    "type SideEffects",
    "type SignalStep",
    "type Skill",
    "type SleepStep",
    "type SnapshotRow",
    "type Source",
    "type SpanEnd",
    "type SpanParent",
    "type SpanStart",
    "type Started",
    "type StateEdit",
    "type StepConfig",
    "type StepContext",
    "type StepResult",
    "type Store",
    "type Telemetry",
    "type TenantId",
    "type Transition",
    "type WatchOptions",
    "type WorkflowBody",
    "type WorkflowEvent",
    "type WorkflowStep",
    "type WorkflowStepContext",
    "type WorkflowStepEvent",
    "type maxRowBytes",
    "webLocksPresence",
    "writeCheckpointRecord",
    "writeRun",
    "writeState",
  ],
  "./memory": ["memoryStore", "type MemoryData"],
  "./indexeddb": ["indexedDbStore", "persistStorage", "storageRoom", "type IndexedDbStoreOptions", "type Room"],
  "./d1": ["d1Store"],
  "./worker": [
    "accessLine",
    "apiKeys",
    "createApp",
    "type Access",
    "type AppOptions",
    "type Call",
    "type Caller",
    "type Role",
  ],
  "./cloudflare": ["Default", "createWorker", "type DurableWorker", "type Env", "type WorkerOptions"],
  "./service-worker": [
    "createServiceWorker",
    "type Call",
    "type Caller",
    "type DurableServiceWorker",
    "type Role",
    "type ServiceWorkerFetchEvent",
    "type ServiceWorkerOptions",
  ],
  "./page": ["createPage", "type DurablePage", "type PageOptions"],
  "./conformance": [
    "checkStore",
    "storeCases",
    "type CaseResult",
    "type CheckOptions",
    "type ConformanceCase",
    "type ConformanceReport",
    "type Exemption",
    "type Medium",
    "type StoreHarness",
  ],
  "./testing": [
    "countingStore",
    "crashingStore",
    "failingStore",
    "lostAnswerStore",
    "mockCapabilities",
    "mockSteps",
    "timelessStore",
    "type CapabilityMocks",
    "type Crash",
    "type FixedMock",
    "type Mock",
    "type MockContext",
    "type MockFunction",
    "type StepMocks",
    "type StoreCall",
    "type StoreCounts",
    "type StoreMethod",
    "type StrikesWhen",
    "type VirtualClock",
    "type VirtualClockOptions",
    "virtualClock",
  ],
};

test("the package has these doors, and no other", () => {
  expect(doors.map(({ name }) => name)).toEqual(Object.keys(promised));
});

describe("the names that a door exports", () => {
  test.each(doors)("$name", ({ name, source }) => {
    expect(exportedNames(source)).toEqual([...(promised[name] ?? [])].sort());
  });
});
