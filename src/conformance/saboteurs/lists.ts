import type { RunFilter, RunPosition, RunQuery, RunRow, Store } from "../../store.ts";
import { all, compareText } from "../rows.ts";
import { byBirth, isOf, liveRuns, type Tables } from "../tables.ts";
import { commitsAnd, type Spoil, saboteur } from "./saboteur.ts";

/** Against lists, their filters, their pages and counts. */
export const listSaboteurs = [
  saboteur("no-runs-throws", "The list of a tenant without runs rejects.", ["lists.empty"], (good) => ({
    listRuns: async (tenant, query) => {
      if ((await good.countRuns(tenant, {})) === 0) throw new Error("no such tenant");
      return good.listRuns(tenant, query);
    },
  })),

  saboteur(
    "by-id",
    "Lists are sorted by run id alone.",
    ["lists.order", "lists.backward-clock", "lists.extreme-times"],
    lists({ compare: (a, b) => compareText(a.runId, b.runId) }),
  ),

  saboteur(
    "times-as-text",
    "Lists are sorted by createdAt as text.",
    ["lists.order", "lists.extreme-times"],
    lists({ compare: (a, b) => compareText(`${a.createdAt}`, `${b.createdAt}`) || compareText(a.runId, b.runId) }),
  ),

  saboteur(
    "ties-by-birth",
    "Runs of one createdAt come in the order of their births.",
    ["lists.equal-clocks", "ids.list-order"],
    lists({ compare: (a, b) => a.createdAt - b.createdAt }),
  ),

  saboteur(
    "ties-never-reversed",
    "A descending list has its equal clocks ascending.",
    ["lists.equal-clocks", "lists.after"],
    lists({ compare: (a, b, sign) => a.createdAt - b.createdAt || sign * compareText(a.runId, b.runId) }),
  ),

  saboteur(
    "locale",
    "Ids are sorted as people sort them.",
    ["lists.equal-clocks", "ids.list-order"],
    lists({ compare: (a, b) => a.createdAt - b.createdAt || a.runId.localeCompare(b.runId, "en") }),
  ),

  saboteur(
    "by-birth",
    "Lists are sorted by the order in which runs were born.",
    ["lists.backward-clock", "lists.order"],
    (good, tables) => {
      const births: string[] = [];
      const { listRuns } = lists({ compare: (a, b) => births.indexOf(a.runId) - births.indexOf(b.runId) })(
        good,
        tables,
      );
      return {
        commit: async (commit) => {
          if (commit.run.revision === 1) births.push(commit.run.runId);
          return good.commit(commit);
        },
        ...(listRuns && { listRuns }),
      };
    },
  ),

  saboteur(
    "by-last-write",
    "Lists are sorted by the time of the last commit.",
    ["lists.fixed-place", "pages.while-changed"],
    // The tables hold rows in the order of their last commit.
    (good, tables) => lists({ compare: (a, b) => tables.runs.indexOf(a) - tables.runs.indexOf(b) })(good, tables),
  ),

  saboteur("rows-as-born", "The list has each run as it was born.", ["lists.latest-rows"], (good) => {
    const births = new Map<string, RunRow>();
    return {
      commit: async (commit) => {
        if (commit.run.revision === 1) births.set(commit.run.runId, commit.run);
        return good.commit(commit);
      },
      listRuns: async (tenant, query) =>
        (await good.listRuns(tenant, query)).map((run) => births.get(run.runId) ?? run),
    };
  }),

  saboteur("every-revision", "Each revision of a run is counted.", ["lists.latest-rows"], (_, tables) => ({
    countRuns: async (tenant, filter) => liveRuns(tables, tenant, filter).reduce((sum, run) => sum + run.revision, 0),
  })),

  saboteur(
    "short-times",
    "Times are kept in 32 bits.",
    ["lists.extreme-times"],
    lists({ compare: (a, b) => (a.createdAt | 0) - (b.createdAt | 0) || compareText(a.runId, b.runId) }),
  ),

  saboteur(
    "after-inclusive",
    "A page begins with the run that it should come after.",
    ["lists.after", "pages.whole", "lists.extreme-times"],
    lists({ isAfter: (run, after, sign) => sign * byBirth(run, after) >= 0 }),
  ),

  saboteur(
    "after-by-time",
    "A page begins with the next createdAt, so that equal clocks are skipped.",
    ["lists.after", "pages.whole", "ids.list-order"],
    lists({ isAfter: (run, after, sign) => sign * (run.createdAt - after.createdAt) > 0 }),
  ),

  saboteur(
    "after-must-exist",
    "`after` must be the place of a run.",
    ["lists.after-nothing", "pages.while-erased"],
    (good, tables) => ({
      listRuns: async (tenant, query) => {
        const { after } = query;
        const isThere = liveRuns(tables, tenant, {}).some((run) => after === undefined || byBirth(run, after) === 0);
        return isThere ? good.listRuns(tenant, query) : [];
      },
    }),
  ),

  saboteur("unlimited", "Lists ignore their limit.", ["lists.limit"], (good) => ({
    listRuns: (tenant, query) => good.listRuns(tenant, { ...query, limit: all }),
  })),

  saboteur("limit-before-order", "The limit cuts the list before it is turned around.", ["lists.limit"], (good) => ({
    listRuns: async (tenant, query) => {
      const ascending = await good.listRuns(tenant, { ...query, order: "ascending" });
      return query.order === "ascending" ? ascending : ascending.toReversed();
    },
  })),

  saboteur("no-offset", "`offset` is ignored.", ["lists.offset", "lists.offset-after"], (good) => ({
    listRuns: (tenant, { offset: _ignored, ...query }) => good.listRuns(tenant, query),
  })),

  saboteur("offset-within-limit", "Skipped runs count towards the limit.", ["lists.offset"], (good) => ({
    listRuns: async (tenant, { offset = 0, ...query }) => (await good.listRuns(tenant, query)).slice(offset),
  })),

  saboteur(
    "offset-or-after",
    "With `after`, `offset` is ignored.",
    ["lists.offset-after", "filters.paged"],
    (good) => ({
      listRuns: (tenant, { offset = 0, ...query }) =>
        good.listRuns(tenant, query.after === undefined ? { ...query, offset } : query),
    }),
  ),

  ...(["status", "skillId", "sourceRunId"] as const).map((field) =>
    saboteur(
      `ignores-${field.toLowerCase()}`,
      `Filters ignore \`${field}\`.`,
      [`filters.${field === "status" ? "status" : field === "skillId" ? "skill" : "source"}`, "filters.together"],
      (good) => ({
        listRuns: (tenant, query) => good.listRuns(tenant, without(field, query)),
        countRuns: (tenant, filter) => good.countRuns(tenant, without(field, filter)),
      }),
    ),
  ),

  saboteur(
    "counts-all",
    "Counts ignore their filter.",
    ["filters.status", "filters.skill", "filters.source"],
    (good) => ({
      countRuns: (tenant) => good.countRuns(tenant, {}),
    }),
  ),

  saboteur(
    "any-filter",
    "A run matches when one of several filters does.",
    ["filters.together"],
    lists({
      isMatch: (run, filter) => {
        const fields = Object.entries(filter) as [keyof RunFilter, string][];
        return fields.length === 0 || fields.some(([name, value]) => run[name] === value);
      },
    }),
  ),

  saboteur(
    "folded-filters",
    "Filters do not tell upper from lower case.",
    ["filters.whole-values", "ids.filters"],
    lists({ isMatch: everyField((found, wanted) => found.toLowerCase() === wanted.toLowerCase()) }),
  ),

  saboteur(
    "pattern-filters",
    "Filters take % and _ for wildcards.",
    ["filters.whole-values", "ids.filters"],
    lists({ isMatch: everyField((found, wanted) => pattern(wanted).test(found)) }),
  ),

  saboteur(
    "prefix-filters",
    "Filters match whatever begins alike.",
    ["filters.whole-values", "ids.filters"],
    lists({ isMatch: everyField((found, wanted) => found.startsWith(wanted)) }),
  ),

  saboteur("filters-a-page", "Filters thin a page that was cut before.", ["filters.paged"], (good, tables) => ({
    listRuns: async (tenant, { after, offset = 0, limit, order, ...filter }) => {
      const page = await good.listRuns(tenant, { ...(after && { after }), offset, limit, order });
      const matching = liveRuns(tables, tenant, filter);
      return page.filter((run) => matching.some((one) => isOf(one, tenant, run.runId)));
    },
  })),

  saboteur("page-numbers", "A page begins where the last one ended, counted in rows.", ["pages.while-born"], (good) => {
    let given = 0;
    return {
      listRuns: async (tenant, { after, ...query }) => {
        if (after === undefined) given = 0;
        const page = await good.listRuns(tenant, { ...query, offset: given + (query.offset ?? 0) });
        given += page.length;
        return page;
      },
    };
  }),

  saboteur(
    "status-filter-as-born",
    "The status that a filter sees is that of the birth.",
    ["filters.latest"],
    (good, tables) => {
      const births = new Map<string, string>();
      const remember = commitsAnd((outcome, { run }) => {
        if (outcome === "committed" && run.revision === 1) births.set(run.runId, run.status ?? "");
      })(good, tables);
      const asBorn = (run: RunRow, { status, ...filter }: RunFilter) =>
        matches(run, filter) && (status === undefined || births.get(run.runId) === status);
      return { ...remember, ...lists({ isMatch: asBorn })(good, tables) };
    },
  ),
];

interface ListSteps {
  readonly isMatch: (run: RunRow, filter: RunFilter) => boolean;
  /** For an ascending list, unless it heeds the sign. */
  readonly compare: (a: RunRow, b: RunRow, sign: number) => number;
  readonly isAfter: (run: RunRow, after: RunPosition, sign: number) => boolean;
}

/** Lists and counts with some of their steps replaced. */
function lists(steps: Partial<ListSteps>): Spoil {
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

function matches(run: RunRow, filter: RunFilter): boolean {
  return everyField((found, wanted) => found === wanted)(run, filter);
}

function everyField(isEqual: (found: string, wanted: string) => boolean): ListSteps["isMatch"] {
  return (run, filter) =>
    (Object.entries(filter) as [keyof RunFilter, string][]).every(([name, wanted]) => {
      const found = run[name];
      return found !== undefined && isEqual(found, wanted);
    });
}

function without<Query extends RunFilter>(field: keyof RunFilter, query: Query): Query {
  const { [field]: _ignored, ...rest } = query;
  return rest as Query;
}

function pattern(text: string): RegExp {
  const escaped = text.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll("%", ".*").replaceAll("_", ".")}$`);
}
