/** Tools for tests of skills and of apps that use runs: time that skips, mocks, and stores that fail. */
export { systemClock } from "../clock.ts";
export {
  type Crash,
  countingStore,
  crashingStore,
  failingStore,
  lostAnswerStore,
  type StoreCall,
  type StoreCounts,
  type StoreMethod,
  type StrikesWhen,
} from "../conformance/faults.ts";
export { assertSkill, checkSkill, type ExportedRun, type SkillCheck } from "./check-skill.ts";
export type { FixedMock, Mock, MockContext, MockFunction } from "./mock.ts";
export { type CapabilityMocks, mockCapabilities } from "./mock-capabilities.ts";
export { mockSteps, type StepMocks } from "./mock-steps.ts";
export type { ProblemKind, SkillProblem, SkillReport, StepReport } from "./skill-report.ts";
export { createTestRuntime, type TestRuntime, type TestRuntimeOptions } from "./test-runtime.ts";
export { timelessStore } from "./timeless-store.ts";
export { type VirtualClock, type VirtualClockOptions, virtualClock } from "./virtual-clock.ts";
