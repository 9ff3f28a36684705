import type { RunFilter, RunPosition, RunQuery, RunRow, Store } from "../../store.ts";
import { byBirth, liveRuns, type Tables } from "../tables.ts";
import type { Spoil } from "./saboteur.ts";

interface ListSteps {
  readonly isMatch: (run: RunRow, filter: RunFilter) => boolean;
  /** For an ascending list, unless it heeds the sign. */
  readonly compare: (a: RunRow, b: RunRow, sign: number) => number;
  readonly isAfter: (run: RunRow, after: RunPosition, sign: number) => boolean;
}

/** Lists and counts with some of their steps replaced. */
export function lists(steps: Partial<ListSteps>): Spoil {
  const { isMatch = matches, compare = byBirth } = steps;
  return (_good: Store, tables: Tables) => {
    const listRuns = async (tenant: string, { after, offset = 0, limit, order, ...filter }: RunQuery) => {
      const sign = order === "ascending" ? 1 : -1;
      const { isAfter = (run, place) => sign * compare(run, { ...run, ...place }, sign) > 0 } = steps;
      return liveRuns(tables, tenant, {})
        .filter((run) => isMatch(run, filter))
        .sort((a, b) => sign * compare(a, b, sign))
        .filter((run) => after === undefined || isAfter(run, after, sign))
        .slice(offset, offset + limit);
    };
    const countRuns = async (tenant: string, filter: RunFilter) =>
      liveRuns(tables, tenant, {}).filter((run) => isMatch(run, filter)).length;
    return { listRuns, countRuns };
  };
}

export function matches(run: RunRow, filter: RunFilter): boolean {
  return everyField((found, wanted) => found === wanted)(run, filter);
}

export function everyField(isEqual: (found: string, wanted: string) => boolean): ListSteps["isMatch"] {
  return (run, filter) =>
    (Object.entries(filter) as [keyof RunFilter, string][]).every(([name, wanted]) => {
      const found = run[name];
      return found !== undefined && isEqual(found, wanted);
    });
}
