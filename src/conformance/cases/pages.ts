import type { RunPosition, RunQuery, RunRow, Store } from "../../store.ts";
import { storeCase } from "../case.ts";
import { expectEqual } from "../expect.ts";
import { expectCommitted, row, runIds, tombstone } from "../rows.ts";

/** Pages by `after` while other runs come, change and go. */
export const pageCases = [
  storeCase("pages.whole", "Pages have every run once, in order.", async ({ store, tenant }) => {
    const ids = await setUp(store, tenant);
    const quiet = async () => undefined;
    expectEqual(await walk(store, tenant, "ascending", quiet), ids, "ascending");
    expectEqual(await walk(store, tenant, "descending", quiet), ids.toReversed(), "descending");
  }),

  storeCase(
    "pages.while-born",
    "Runs that are born between two pages neither repeat nor hide one that was there from the start.",
    async ({ store, tenant }) => {
      const ids = await setUp(store, tenant);
      for (const order of ["ascending", "descending"] as const) {
        let births = 0;
        const seen = await walk(store, tenant, order, async (last) => {
          if (births >= 27) return;
          // Far before the page, just before it, just behind it, and far behind it.
          for (const createdAt of [1, last.createdAt, 9_000]) {
            for (const runId of [`a ${order} ${births}`, `${last.runId} ${order} ${births}`, `z ${order} ${births}`]) {
              await expectCommitted(store, row(tenant, runId, { createdAt }));
              births += 1;
            }
          }
        });
        const expected = order === "ascending" ? ids : ids.toReversed();
        expectEqual(
          seen.filter((runId) => ids.includes(runId)),
          expected,
          `${order}: those there from the start`,
        );
        expectEqual(seen, [...new Set(seen)], `${order}: none twice`);
      }
    },
  ),

  storeCase(
    "pages.while-changed",
    "Runs that change between two pages are neither repeated nor skipped.",
    async ({ store, tenant }) => {
      const ids = await setUp(store, tenant);
      let revision = 1;
      const seen = await walk(store, tenant, "ascending", async () => {
        revision += 1;
        for (const runId of ids) {
          const over = { revision, status: `status ${revision}`, dueAt: revision, createdAt: createdAt(runId) };
          await expectCommitted(store, row(tenant, runId, over));
        }
      });
      expectEqual(seen, ids, "the pages");
    },
  ),

  storeCase(
    "pages.while-erased",
    "A page goes on behind a run that was erased meanwhile.",
    async ({ store, tenant }) => {
      const ids = await setUp(store, tenant);
      const seen = await walk(store, tenant, "descending", async (last) => {
        await expectCommitted(store, tombstone(tenant, last.runId, 2, { createdAt: last.createdAt }), { erase: true });
      });
      expectEqual(seen, ids.toReversed(), "the pages");
    },
  ),
];

/** Ten runs of a few equal clocks each, in the order of the list. */
async function setUp(store: Store, tenant: string): Promise<readonly string[]> {
  const ids = Array.from({ length: 10 }, (_, index) => `r${index}`);
  for (const runId of ids) await expectCommitted(store, row(tenant, runId, { createdAt: createdAt(runId) }));
  return ids;
}

function createdAt(runId: string): number {
  return 1_000 + Math.floor(Number(runId.slice(1)) / 4);
}

async function walk(
  store: Store,
  tenant: string,
  order: RunQuery["order"],
  between: (last: RunPosition) => Promise<unknown>,
): Promise<readonly string[]> {
  const seen: string[] = [];
  let after: RunPosition | undefined;
  do {
    const page: readonly RunRow[] = await store.listRuns(tenant, { limit: 3, order, ...(after && { after }) });
    seen.push(...runIds(page));
    after = page.at(-1);
    if (after !== undefined) after = { createdAt: after.createdAt, runId: after.runId };
    if (after !== undefined) await between(after);
  } while (after !== undefined && seen.length < 200);
  return seen;
}
