import type { Dialogs } from "./dialogs.ts";
import type { Problem } from "./problem.ts";
import type { Route } from "./route.ts";
import type { ScheduleCalls, Service } from "./service.ts";
import type { Role, RunAnswer, SkillSummary } from "./wire.ts";

/** The inspector of one service, as its parts and views see it. */
export interface Inspector {
  readonly root: ShadowRoot;
  readonly service: Service;
  readonly schedules: ScheduleCalls;
  readonly dialogs: Dialogs;
  readonly route: Route;
  /** The list of runs, as it was last shown. */
  readonly listRoute: Route;
  readonly skills: readonly SkillSummary[];
  /** The current time for ages; it is updated every second. */
  readonly now: number;
  /** Aborts when the inspector is removed from the page. */
  readonly signal: AbortSignal;
  /** Whether the role of the key allows this. */
  can(role: Role): boolean;
  go(route: Route, how?: "push" | "replace"): void;
  /** Draws again before the next paint. */
  update(): void;
  /** Draws again when the promise settles. The promise handles its own failure. */
  updateAfter(work: Promise<unknown>): void;
  /** Handles a failure that does not belong to an action: asks for a missing key, or tries again later. */
  failed(problem: Problem): void;
  /** Takes the run from the answer to an action; it is newer than the run that was read. */
  took(run: RunAnswer): void;
  /** The run was deleted: stops reading it. */
  erased(runId: string): void;
}
