import { aLength, anId, aSignal, expectKind, given, type Kinds, members, withMethods } from "../argument.ts";
import type { DurableError } from "../errors.ts";
import type { RunId } from "../ids.ts";
import { present } from "../json.ts";
import type { CurrentRun, RunFilter, RunsApi } from "./api.ts";
import { type FollowOptions, follow } from "./follow.ts";

/** Which runs are followed: the newest that meet these conditions. */
export interface RunListFilter extends RunFilter {
  /** The most runs in the list, 1 to 500; default 100. It ends earlier if its runs take more than 4 MiB. */
  readonly limit?: number;
}

/** A list of runs at one moment. */
export interface RunList {
  /** The runs, newest first. A run that has not changed since the list before is the same object. */
  readonly items: readonly CurrentRun[];
  /** True if older runs meet the conditions too. */
  readonly isMore: boolean;
  /** The runs that were born, have changed, or have left the list since the list before; in the first list all. */
  readonly changed: readonly RunId[];
  /** Why the last look failed, for example without a network. The list is that of the look before; the next look is later. */
  readonly error?: DurableError;
}

/** A run at one moment. */
export interface RunNow {
  /** Absent before the first look that succeeded. */
  readonly run?: CurrentRun;
  /** Why the last look failed. The next look is later. */
  readonly error?: DurableError;
}

const optionKinds: Kinds<FollowOptions> = { signal: aSignal, pollMs: aLength };
const aRunsApi = withMethods("get", "list");

/**
 * The newest runs under a filter, as a list at once and another list after each change, until `signal` aborts or the
 * loop is left. It works over the runs of a runtime and over a client. Changes that follow closely are one list.
 *
 * @throws `invalid_request`; `unauthorized` and what else does not pass by itself. A failure that may pass is the `error`
 * of a list instead.
 * @example
 * ```ts
 * import { watchRuns } from "orca-durable/watch";
 * import { runs } from "./runs.ts";
 *
 * for await (const { items, changed, error } of watchRuns(runs, { status: "waiting_for_human", limit: 20 })) {
 *   console.log(`${items.length} runs wait, ${changed.length} of them are news`, error?.message);
 * }
 * ```
 */
export async function* watchRuns(
  runs: RunsApi,
  filter: RunListFilter = {},
  options: FollowOptions = {},
): AsyncGenerator<RunList, void, undefined> {
  expectKind(runs, aRunsApi, "runs");
  // Their kinds are checked by each list.
  const { status, skillId, sourceRunId, limit } = members(filter, "filter");
  const query = present({ status, skillId, sourceRunId, limit });
  const checked = given(options, optionKinds);
  let shown: RunList | undefined;
  const look = async (): Promise<RunList | undefined> => {
    const before = new Map(shown?.items.map((run) => [run.runId, run]));
    const { items, next } = await runs.list(query);
    const changed = new Set(before.keys());
    const merged = items.map((run) => {
      const known = before.get(run.runId);
      const isKnown = known !== undefined && isSame(known, run);
      if (isKnown) changed.delete(run.runId);
      else changed.add(run.runId);
      return isKnown ? known : run;
    });
    const isMore = next !== undefined;
    const isNews = shown === undefined || changed.size > 0 || shown.isMore !== isMore || shown.error !== undefined;
    return isNews ? { items: merged, isMore, changed: [...changed] } : undefined;
  };
  for await (const { value, error } of follow(runs, look, checked)) {
    shown = value ?? { items: [], isMore: false, ...shown, changed: [], error };
    yield shown;
  }
}

/**
 * A run as it is now, and again after each change, until `signal` aborts or the loop is left. `runs.watch` has its events
 * instead, and ends with the run; this goes on, since an ended run may be resumed.
 *
 * @throws `not_found` if there is no such run, or it was deleted; `invalid_request`; `unauthorized` and what else does not
 * pass by itself. A failure that may pass is the `error` beside the run instead.
 * @example
 * ```ts
 * import { isTerminal } from "orca-durable";
 * import { watchRun } from "orca-durable/watch";
 * import { runs } from "./runs.ts";
 *
 * for await (const { run } of watchRun(runs, "letter-7")) {
 *   console.log(run?.status, run?.currentStepId);
 *   if (run !== undefined && isTerminal(run.status)) break;
 * }
 * ```
 */
export async function* watchRun(
  runs: RunsApi,
  runId: string,
  options: FollowOptions = {},
): AsyncGenerator<RunNow, void, undefined> {
  expectKind(runs, aRunsApi, "runs");
  expectKind(runId, anId, "runId");
  const checked = given(options, optionKinds);
  let shown: RunNow | undefined;
  const look = async (): Promise<RunNow | undefined> => {
    const run = await runs.get(runId);
    const isKnown = shown?.run !== undefined && isSame(shown.run, run);
    return isKnown && shown?.error === undefined ? undefined : { run: isKnown ? (shown?.run ?? run) : run };
  };
  for await (const { value, error } of follow(runs, look, checked, (changed) => changed === runId)) {
    shown = value ?? { ...shown, error };
    yield shown;
  }
}

/** Of two readings of a run. What a revision does not tell, such as the time of a retry, stands in plain members. */
function isSame(a: CurrentRun, b: CurrentRun): boolean {
  const names = Object.keys(b) as (keyof CurrentRun)[];
  return (
    a.revision === b.revision &&
    names.length === Object.keys(a).length &&
    names.every((name) => Object.is(a[name], b[name]) || (isObject(a[name]) && isObject(b[name])))
  );
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}
