import type { Run, RunRecord } from "./run.ts";
import type { Waiting } from "./waiting.ts";

/** What is known of the runs that calls have returned, beside what they show: their records, or what a service says. */
export const known = /* @__PURE__ */ new WeakMap<Run, RunRecord<unknown> | Waiting>();
