import type { DueQuery, RunRow } from "../../store.ts";
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
];

interface DueSteps {
  readonly isDue: (dueAt: number, now: number) => boolean;
  readonly compare: (a: RunRow, b: RunRow) => number;
}

function dues({ isDue = (at, now) => at <= now, compare = byDue }: Partial<DueSteps>): Spoil {
  return (_good, tables) => ({
    dueRuns: async ({ now, limit, tenant }) =>
      [...new Set(tables.runs.map((run) => run.tenant))]
        .filter((one) => tenant === undefined || one === tenant)
        .flatMap((one) => liveRuns(tables, one, {}))
        .filter((run) => run.dueAt !== undefined && isDue(run.dueAt, now))
        .sort(compare)
        .slice(0, limit),
  });
}
