import { randomFraction } from "../ids.ts";
import type { JournalHost } from "../journal/host.ts";
import { present } from "../json.ts";
import type { DuePosition, DueQuery, RunRow } from "../store.ts";

/** The number of rows that are read at once: few enough to hold, also if each has the maximum size. */
const pageSize = 32;

/**
 * The rows that are due, page by page, on demand: those of one tenant by due time, those of all tenants in turn. A row
 * may come twice, and one that was taken meanwhile still comes. `onPage` is called with each page.
 */
export async function* dueRows(
  host: JournalHost,
  query: Pick<DueQuery, "now" | "tenant">,
  onPage: (rows: readonly RunRow[]) => void,
): AsyncGenerator<RunRow, undefined, undefined> {
  let after: DuePosition | undefined;
  for (;;) {
    const page = { ...query, limit: pageSize, ...present({ after }) };
    const rows = await host.store.dueRuns(page);
    onPage(rows);
    yield* query.tenant === undefined ? inTurn(host, page, rows, onPage) : rows;
    after = nextOf(rows);
    if (after === undefined) return;
  }
}

/** Where the page after this one begins, if there is one. */
function nextOf(rows: readonly RunRow[]): DuePosition | undefined {
  const last = rows.at(-1);
  if (rows.length < pageSize || last?.dueAt === undefined) return undefined;
  return { dueAt: last.dueAt, runId: last.runId, tenant: last.tenant };
}

/**
 * One row of each tenant, then one more of each, and so on. A full page may hide tenants behind those on it, and rows of
 * those that have no other on it, so these are read before the rest have another turn. The first tenant of a page is
 * drawn: a drain may have time or queries for one run only, and a backlog would always have the run that is due longest.
 */
async function* inTurn(
  { store, random }: JournalHost,
  query: DueQuery,
  first: readonly RunRow[],
  onPage: (rows: readonly RunRow[]) => void,
): AsyncGenerator<RunRow, undefined, undefined> {
  const backlogs = new Map<string, RunRow[]>();
  for (let page = first; ; ) {
    const found = Map.groupBy(page, ({ tenant }) => tenant);
    for (const [tenant, rows] of found) backlogs.set(tenant, rows);
    const tenants = [...found.values()];
    tenants.push(...tenants.splice(0, randomFraction(random) * tenants.length));
    for (const rows of tenants) yield* rows.splice(0, 1);
    const after = nextOf(page);
    if (after === undefined) break;
    for (const [tenant, rows] of backlogs) if (rows.length === 0) backlogs.delete(tenant);
    page = await store.dueRuns({ ...query, after, exceptTenants: [...backlogs.keys()] });
    onPage(page);
  }
  while (backlogs.size > 0) {
    for (const [tenant, rows] of backlogs) {
      if (rows.length === 0) backlogs.delete(tenant);
      else yield* rows.splice(0, 1);
    }
  }
}
