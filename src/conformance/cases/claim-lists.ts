import type { Store } from "../../store.ts";
import { storeCase } from "../case.ts";
import { expectEqual } from "../expect.ts";
import { all, expectCommitted, row } from "../rows.ts";

/** In their order by (kind, key), which is not that by key, nor that of the two texts joined. */
const sorted = ["a z", "b 1", "b 10", "b 2", "b B", "b a", "b! 0", "ba 0"];

/** The claims that a run owns, as a list. */
export const claimListCases = [
  storeCase("claim-lists.empty", "A run without claims has an empty list.", async ({ store, tenant }) => {
    expectEqual(await store.listClaims(tenant, "r", { limit: all }), [], "claims of no run");
    await expectCommitted(store, row(tenant, "r"));
    expectEqual(await store.listClaims(tenant, "r", { limit: all }), [], "claims of a run without");
  }),

  storeCase("claim-lists.own", "The list has the claims of that run only.", async ({ store, tenant }) => {
    await expectCommitted(store, row(tenant, "r"), { claims: [{ kind: "k", key: "b", body: "b" }] });
    for (const [runId, key] of [
      ["q", "a"],
      ["r2", "c"],
      ["R", "d"],
    ] as const) {
      await expectCommitted(store, row(tenant, runId), { claims: [{ kind: "k", key, body: key }] });
    }
    expectEqual(await names(store, tenant, { limit: all }), ["k b"], "claims of r");
  }),

  storeCase("claim-lists.order", "Claims come ascending by kind, then by key.", async ({ store, tenant }) => {
    await setUp(store, tenant);
    expectEqual(await names(store, tenant, { limit: all }), sorted, "listClaims");
  }),

  storeCase("claim-lists.after", "`after` is exclusive, and goes on into the next kind.", async ({ store, tenant }) => {
    await setUp(store, tenant);
    for (const [index, name] of sorted.entries()) {
      const found = await names(store, tenant, { after: parse(name), limit: all });
      expectEqual(found, sorted.slice(index + 1), `claims after ${name}`);
    }
  }),

  storeCase("claim-lists.limit", "At most `limit` claims come, the first ones.", async ({ store, tenant }) => {
    await setUp(store, tenant);
    expectEqual(await names(store, tenant, { limit: 1 }), sorted.slice(0, 1), "one claim");
    expectEqual(await names(store, tenant, { limit: 3 }), sorted.slice(0, 3), "three claims");
    expectEqual(await names(store, tenant, { limit: sorted.length + 1 }), sorted, "more than there are");
    const found = await names(store, tenant, { after: { kind: "b", key: "1" }, limit: 2 });
    expectEqual(found, sorted.slice(2, 4), "two claims after the second");
  }),
];

/** One run with the sorted claims, written by several commits in another order. */
async function setUp(store: Store, tenant: string): Promise<void> {
  const shuffled = [5, 0, 7, 2, 4, 1, 6, 3].map((index) => ({ ...parse(sorted[index] ?? ""), body: "claim" }));
  await expectCommitted(store, row(tenant, "r"), { claims: shuffled.slice(0, 3) });
  await expectCommitted(store, row(tenant, "r", { revision: 2 }), { claims: shuffled.slice(3) });
}

function parse(name: string): { readonly kind: string; readonly key: string } {
  const [kind = "", key = ""] = name.split(" ");
  return { kind, key };
}

async function names(store: Store, tenant: string, query: Parameters<Store["listClaims"]>[2]) {
  return (await store.listClaims(tenant, "r", query)).map(({ kind, key }) => `${kind} ${key}`);
}
