import type { RunFilter, RunRow } from "../../store.ts";
import { isOf, liveRuns } from "../tables.ts";
import { everyField, lists, matches } from "./listing.ts";
import { commitsAnd, saboteur } from "./saboteur.ts";

export const filterSaboteurs = [
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

function without<Query extends RunFilter>(field: keyof RunFilter, query: Query): Query {
  const { [field]: _ignored, ...rest } = query;
  return rest as Query;
}

function pattern(text: string): RegExp {
  const escaped = text.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll("%", ".*").replaceAll("_", ".")}$`);
}
