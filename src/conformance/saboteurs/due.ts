import type { DuePosition, DueQuery, RunRow } from "../../store.ts";
import { all, compareText } from "../rows.ts";
import { byBirth, byDue, findRun, liveRuns, writeRow } from "../tables.ts";
import { commitsInstead, type Spoil, saboteur } from "./saboteur.ts";

export const dueSaboteurs = [
  saboteur(
    "due-after",
    "A row is due from the millisecond after its dueAt on.",
    ["due.boundary", "due.zero"],
    dues({ isDue: (at, now) => at < now }),
  ),

  saboteur(
    "due-early",
    "A row is due a millisecond early.",
    ["due.boundary"],
    dues({ isDue: (at, now) => at <= now + 1 }),
  ),

  saboteur(
    "due-by-own-clock",
    "The store asks its own clock what is due.",
    ["due.boundary"],
    dues({ isDue: (at) => at <= Date.now() }),
  ),

  saboteur(
    "zero-is-absent",
    "A dueAt of 0 counts as none.",
    ["due.zero"],
    dues({ isDue: (at, now) => at !== 0 && at <= now }),
  ),

  saboteur("absent-is-zero", "A row without a dueAt is due at once.", ["due.absent", "due.cleared"], (_, tables) => ({
    dueRuns: async ({ now, limit, tenant }) =>
      tables.runs
        .filter((run) => (tenant ?? run.tenant) === run.tenant && run.status !== undefined && (run.dueAt ?? 0) <= now)
        .sort(byDue)
        .slice(0, limit),
  })),

  saboteur(
    "due-by-birth",
    "Due rows are sorted by birth.",
    ["due.order", "due.limit", "due.moved"],
    dues({ compare: byBirth }),
  ),

  saboteur(
    "due-ties-by-birth",
    "Rows of one dueAt come in the order of their births.",
    ["due.order"],
    dues({ compare: (a, b) => (a.dueAt ?? 0) - (b.dueAt ?? 0) }),
  ),

  saboteur(
    "due-locale",
    "Rows of one dueAt are sorted as people sort ids.",
    ["ids.list-order", "due.order"],
    dues({ compare: (a, b) => (a.dueAt ?? 0) - (b.dueAt ?? 0) || a.runId.localeCompare(b.runId, "en") }),
  ),

  saboteur("due-newest", "The limit keeps those that became due last.", ["due.limit"], (good) => ({
    dueRuns: async (query) => (await good.dueRuns({ ...query, limit: all })).slice(-query.limit),
  })),

  saboteur("due-unlimited", "Due queries ignore their limit.", ["due.limit", "due.every-tenant"], (good) => ({
    dueRuns: (query) => good.dueRuns({ ...query, limit: all }),
  })),

  saboteur(
    "due-as-born",
    "Later commits do not move a dueAt.",
    ["due.moved"],
    commitsInstead((commit, tables) => {
      const dueAt = findRun(tables, commit.run.tenant, commit.run.runId)?.dueAt;
      return dueAt === undefined ? commit : { ...commit, run: { ...commit.run, dueAt } };
    }),
  ),

  saboteur("due-unless-over", "Rows of a final status are not due.", ["due.any-status"], (good) => ({
    dueRuns: async (query) =>
      (await good.dueRuns(query)).filter((run) => !["completed", "failed", "canceled"].includes(run.status ?? "")),
  })),

  saboteur("due-once", "A row that was given as due is not due any more.", ["due.reading"], (good, tables) => ({
    dueRuns: async (query) => {
      const due = await good.dueRuns(query);
      for (const { dueAt: _taken, ...run } of due) writeRow(tables, run);
      return due;
    },
  })),

  saboteur("due-limit-before-tenant", "Rows of other tenants count towards the limit.", ["due.one-tenant"], (good) => ({
    dueRuns: async ({ tenant, ...query }: DueQuery) =>
      (await good.dueRuns(query)).filter((run) => tenant === undefined || run.tenant === tenant),
  })),

  saboteur(
    "due-tenant-by-tenant",
    "Without a tenant the rows come tenant by tenant.",
    ["due.every-tenant"],
    (good) => ({
      dueRuns: async (query) =>
        (await good.dueRuns(query)).toSorted((a, b) => compareText(a.tenant, b.tenant) || byDue(a, b)),
    }),
  ),

  saboteur(
    "due-limit-each",
    "Without a tenant the limit holds for each of them.",
    ["due.every-tenant"],
    (good, tables) => ({
      dueRuns: async (query) => {
        if (query.tenant !== undefined) return good.dueRuns(query);
        const tenants = [...new Set(tables.runs.map((run) => run.tenant))];
        const each = await Promise.all(tenants.map((tenant) => good.dueRuns({ ...query, tenant })));
        return each.flat().sort(byDue);
      },
    }),
  ),

  saboteur(
    "due-ties-by-nothing",
    "Rows of one dueAt and run id come in no certain order.",
    ["due.ties"],
    dues({
      compare: (a, b) =>
        (a.dueAt ?? 0) - (b.dueAt ?? 0) || compareText(a.runId, b.runId) || compareText(b.tenant, a.tenant),
    }),
  ),

  saboteur("due-after-ignored", "Due queries begin at the beginning.", ["due.after", "due.ties"], (good) => ({
    dueRuns: ({ after: _, ...query }) => good.dueRuns(query),
  })),

  saboteur(
    "due-after-inclusive",
    "A page of due rows begins with the last of the page before.",
    ["due.after", "due.ties"],
    dues({ isAfter: (run, place) => byDue(run, place) >= 0 }),
  ),

  saboteur(
    "due-after-time",
    "A page of due rows skips those of the dueAt of its place.",
    ["due.after", "due.ties"],
    dues({ isAfter: (run, place) => (run.dueAt ?? 0) > place.dueAt }),
  ),

  saboteur(
    "due-after-run",
    "A page of due rows skips other tenants' rows of the dueAt and run id of its place.",
    ["due.ties"],
    dues({
      isAfter: (run, place) =>
        (run.dueAt ?? 0) - place.dueAt > 0 || (run.dueAt === place.dueAt && run.runId > place.runId),
    }),
  ),

  saboteur(
    "due-after-each",
    "A page of due rows begins after a dueAt, a run id and a tenant that are compared one by one.",
    ["due.after"],
    dues({ isAfter: (run, place) => byDue(run, place) > 0 && run.runId > place.runId }),
  ),

  saboteur(
    "due-after-existing",
    "A place that no row has anymore is as good as none.",
    ["due.after"],
    (good, tables) => ({
      dueRuns: ({ after, ...query }) => {
        const isThere = tables.runs.some((run) => after !== undefined && byDue(run, after) === 0);
        return good.dueRuns(isThere && after !== undefined ? { ...query, after } : query);
      },
    }),
  ),

  saboteur("due-excepts-none", "The rows of every tenant come.", ["due.except"], (good) => ({
    dueRuns: ({ exceptTenants: _, ...query }) => good.dueRuns(query),
  })),

  saboteur("due-excepts-one", "Only the first of several tenants is left out.", ["due.except"], (good) => ({
    dueRuns: (query) =>
      good.dueRuns({ ...query, ...(query.exceptTenants && { exceptTenants: query.exceptTenants.slice(0, 1) }) }),
  })),

  saboteur("due-limit-before-except", "Rows that are left out count towards the limit.", ["due.except"], (good) => ({
    dueRuns: async ({ exceptTenants = [], ...query }) =>
      (await good.dueRuns(query)).filter((run) => !exceptTenants.includes(run.tenant)),
  })),
];

interface DueSteps {
  readonly isDue: (dueAt: number, now: number) => boolean;
  readonly compare: (a: RunRow, b: RunRow) => number;
  readonly isAfter: (run: RunRow, place: DuePosition) => boolean;
}

function dues({
  isDue = (at, now) => at <= now,
  compare = byDue,
  isAfter = (run, place) => byDue(run, place) > 0,
}: Partial<DueSteps>): Spoil {
  return (_good, tables) => ({
    dueRuns: async ({ now, limit, tenant, exceptTenants = [], after }) =>
      [...new Set(tables.runs.map((run) => run.tenant))]
        .filter((one) => (tenant === undefined || one === tenant) && !exceptTenants.includes(one))
        .flatMap((one) => liveRuns(tables, one, {}))
        .filter((run) => run.dueAt !== undefined && isDue(run.dueAt, now))
        .filter((run) => after === undefined || isAfter(run, after))
        .sort(compare)
        .slice(0, limit),
  });
}
