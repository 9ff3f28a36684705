import type { StoreHarness } from "../../../src/conformance/index.ts";
import { memoryHarness } from "../memory-harness.ts";
import { unlessSabotaged } from "../sabotaged.ts";

/** The medium that a project tests, as the titles of its tests have it. */
export const medium: string = "memory";

/** Empty stores on that medium. */
export const harness: StoreHarness = unlessSabotaged(memoryHarness);

/** How many runs are under way at a time where a test disturbs many. */
export const lanes: number = 4;

/**
 * False for a medium that takes its time: there the rarer disturbances come at every fifth commit (a death before and after
 * a commit, and a lost answer, come at every one on each medium), and nothing runs for thousands of steps.
 */
export const isThorough: boolean = true;
