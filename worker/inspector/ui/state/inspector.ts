import type { Dialogs } from "./dialogs.ts";
import type { Problem } from "./problem.ts";
import type { Route } from "./route.ts";
import type { Service } from "./service.ts";
import type { Role, RunAnswer, SkillSummary } from "./wire.ts";

/** The inspector of one service, as its parts and its views see it. */
export interface Inspector {
  readonly root: ShadowRoot;
  readonly service: Service;
  readonly dialogs: Dialogs;
  readonly route: Route;
  /** The list of runs as it was last shown. */
  readonly listRoute: Route;
  readonly skills: readonly SkillSummary[];
  /** The time that ages are counted from; it moves by seconds. */
  readonly now: number;
  /** Aborts when the inspector is taken out of the page. */
  readonly signal: AbortSignal;
  /** Whether the reader's key may do this. */
  can(role: Role): boolean;
  go(route: Route, how?: "push" | "replace"): void;
  /** Draws again before the browser paints. */
  update(): void;
  /** Draws again when the promise has settled. Failures are the promise's own to show. */
  updateAfter(work: Promise<unknown>): void;
  /** A failure that is not of one action: without a key one is asked for, and a service that is away is asked again. */
  failed(problem: Problem): void;
  /** The run as an action answered with it, which is newer than what was read. */
  took(run: RunAnswer): void;
  /** The run was deleted, and is not read any more. */
  erased(runId: string): void;
}
