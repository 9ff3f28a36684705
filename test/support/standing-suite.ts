import type { StoreHarness } from "../../src/conformance/index.ts";
import { testOneWayToFail } from "./standing-failures.ts";
import { testStandingGates } from "./standing-gates.ts";
import { testStandingOrder } from "./standing-order.ts";
import { testStandingWaits } from "./standing-waits.ts";

/** What a pass promises that never stands still, and that fails in one way, on one medium. */
export function testStanding(medium: string, harness: StoreHarness): void {
  testStandingWaits(medium, harness);
  testStandingGates(medium, harness);
  testStandingOrder(medium, harness);
  testOneWayToFail(medium, harness);
}
