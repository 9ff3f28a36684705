// Following runs, for a page or a program that shows them: an app carries it if it imports it.
export type { FollowOptions } from "./runs/follow.ts";
export {
  type RunList,
  type RunListFilter,
  type RunNow,
  watchRun,
  watchRuns,
} from "./runs/watch-runs.ts";
