/** The conformance suite of the Store contract, for adapters of any author and under any test runner. */
export type { ConformanceCase, Medium, StoreHarness } from "./case.ts";
export { storeCases } from "./cases/index.ts";
export {
  type CaseResult,
  type CaseRun,
  type CheckOptions,
  type ConformanceReport,
  checkStore,
  type Exemption,
} from "./check.ts";
