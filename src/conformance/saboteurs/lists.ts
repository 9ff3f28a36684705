import type { RunRow } from "../../store.ts";
import { all, compareText } from "../rows.ts";
import { byBirth, liveRuns } from "../tables.ts";
import { lists } from "./listing.ts";
import { saboteur } from "./saboteur.ts";

/** Against lists, their pages and counts. */
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
];
