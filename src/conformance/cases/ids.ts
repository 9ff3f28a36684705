import type { Store } from "../../store.ts";
import { storeCase } from "../case.ts";
import { expectEqual } from "../expect.ts";
import { all, compareText, endOfTime, expectCommitted, row, runIds } from "../rows.ts";

/** Printable ASCII that maps, patterns, languages, paths and number columns treat as something special. */
const hostileIds = [
  ...["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "length", "null", "undefined", "NaN"],
  ...["' OR 1=1 --", "'; DROP TABLE runs; --", '"', "'", "\\", "`", "\\'", '"; --', "/*", "--", "?1", ":a", "@a", "$1"],
  ...["%", "_", "*", "?", "a%", "a_", "[a-z]", ".*", "\x24{a}", "{}", "[]", '","', '["a","b"]', "<a>", "&amp;", "%2F"],
  ...["a/b", "a/", "/", "//", ".", "..", "../a", ";", ":", "|", ",", "#", "=", "+", "^", "!", "a:b", "a|b"],
  ...[" ", "  ", " a", "a ", "a  b", "~", "~~", "-", "0", "1", "01", "1.0", "1e0", "-1", "10", "9", "0x1", "true"],
  ...["a", "A", "aa", "aA", "Aa", "AA", "ab", "b", "z", "Z"],
  ...["x".repeat(200), `${"x".repeat(199)}y`, `y${"x".repeat(199)}`, " ".repeat(200), "~".repeat(200)],
];

const delimiters = [
  "",
  "/",
  "//",
  ":",
  "::",
  "|",
  " ",
  ",",
  '","',
  "', '",
  "~",
  "-",
  "--",
  "_",
  ".",
  ";",
  "#",
  "\\",
  "=",
];

/** Pairs of ids that are one text when they are joined by that delimiter. */
const joinedPairs = delimiters.map(
  (delimiter) =>
    [
      ["a", `b${delimiter}c`],
      [`a${delimiter}b`, "c"],
    ] as const,
);

/** Ids of every sort, in every key. */
export const idCases = [
  storeCase("ids.runs", "Hostile run ids are ids like any other.", async ({ store, tenant }) => {
    await bear(store, tenant, hostileIds);
    for (const runId of hostileIds) expectEqual(await store.getRun(tenant, runId), row(tenant, runId), `run ${runId}`);
    await Promise.all(hostileIds.map((runId) => expectCommitted(store, row(tenant, runId, { revision: 2 }))));
    expectEqual(await store.countRuns(tenant, {}), hostileIds.length, "countRuns");
  }),

  storeCase("ids.tenants", "Hostile tenant ids are ids like any other.", async ({ store }) => {
    await Promise.all(hostileIds.map((tenant) => expectCommitted(store, row(tenant, "r", { body: `of ${tenant}` }))));
    for (const tenant of hostileIds) {
      const run = row(tenant, "r", { body: `of ${tenant}` });
      expectEqual(await store.listRuns(tenant, { limit: all, order: "ascending" }), [run], `runs of ${tenant}`);
    }
  }),

  storeCase("ids.checkpoints", "Hostile checkpoint ids are ids like any other.", async ({ store, tenant }) => {
    for (const [index, checkpointId] of hostileIds.entries()) {
      const entry = { body: checkpointId, checkpointId };
      await expectCommitted(store, row(tenant, "r", { revision: index + 1 }), { entry });
    }
    for (const [index, checkpointId] of hostileIds.entries()) {
      const expected = { tenant, runId: "r", revision: index + 1, checkpointId, body: checkpointId };
      expectEqual(await store.getEntry(tenant, "r", checkpointId), expected, `checkpoint ${checkpointId}`);
    }
  }),

  storeCase("ids.claims", "Hostile kinds and keys of claims are texts like any other.", async ({ store, tenant }) => {
    for (const [index, id] of hostileIds.entries()) {
      const claims = [
        { kind: id, key: "k", body: `kind ${id}` },
        { kind: "the kind", key: id, body: `key ${id}` },
      ];
      await expectCommitted(store, row(tenant, "r", { revision: index + 1 }), { claims });
    }
    for (const id of hostileIds) {
      expectEqual((await store.getClaim(tenant, id, "k"))?.body, `kind ${id}`, `kind ${id}`);
      expectEqual((await store.getClaim(tenant, "the kind", id))?.body, `key ${id}`, `key ${id}`);
    }
  }),

  storeCase(
    "ids.claim-owners",
    "Claims of runs with hostile ids belong to those runs alone.",
    async ({ store, tenant }) => {
      for (const runId of hostileIds) {
        await expectCommitted(store, row(tenant, runId), { claims: [{ kind: "k", key: runId, body: "claim" }] });
      }
      for (const runId of hostileIds) {
        const owned = await store.listClaims(tenant, runId, { limit: all });
        expectEqual(owned, [{ tenant, runId, kind: "k", key: runId, body: "claim" }], `claims of ${runId}`);
      }
    },
  ),

  storeCase("ids.filters", "Hostile values in a filter match themselves only.", async ({ store, tenant }) => {
    const run = (id: string) => row(tenant, id, { status: id, skillId: id, sourceRunId: id });
    await Promise.all(hostileIds.map((id) => expectCommitted(store, run(id))));
    const expectAlone = async (id: string) => {
      for (const filter of [{ status: id }, { skillId: id }, { sourceRunId: id }]) {
        const found = await store.listRuns(tenant, { ...filter, limit: all, order: "ascending" });
        expectEqual(runIds(found), [id], JSON.stringify(filter));
        expectEqual(await store.countRuns(tenant, filter), 1, `count of ${JSON.stringify(filter)}`);
      }
    };
    await Promise.all(hostileIds.map(expectAlone));
  }),

  storeCase(
    "ids.list-order",
    "Run ids sort by code unit in lists, in due queries and as `after`.",
    async ({ store, tenant }) => {
      await bear(store, tenant, hostileIds);
      const sorted = hostileIds.toSorted(compareText);
      const ascending = await store.listRuns(tenant, { limit: all, order: "ascending" });
      expectEqual(runIds(ascending), sorted, "ascending");
      const descending = await store.listRuns(tenant, { limit: all, order: "descending" });
      expectEqual(runIds(descending), sorted.toReversed(), "descending");
      const due = await store.dueRuns({ tenant, now: endOfTime, limit: all });
      expectEqual(due, [], "due runs before any is due");
      await Promise.all(
        hostileIds.map((runId) => expectCommitted(store, row(tenant, runId, { revision: 2, dueAt: 5 }))),
      );
      expectEqual(runIds(await store.dueRuns({ tenant, now: 5, limit: all })), sorted, "due runs");
      for (const [index, runId] of sorted.entries()) {
        const after = { createdAt: row(tenant, runId).createdAt, runId };
        const next = await store.listRuns(tenant, { after, limit: 1, order: "ascending" });
        expectEqual(runIds(next), sorted.slice(index + 1, index + 2), `the run after ${runId}`);
      }
    },
  ),

  storeCase("ids.claim-order", "Kinds and keys of claims sort by code unit.", async ({ store, tenant }) => {
    for (const [index, id] of hostileIds.entries()) {
      const claims = [
        { kind: id, key: "k", body: "" },
        { kind: "the kind", key: id, body: "" },
      ];
      await expectCommitted(store, row(tenant, "r", { revision: index + 1 }), { claims });
    }
    const claims = await store.listClaims(tenant, "r", { limit: all });
    const kinds = claims.filter((claim) => claim.kind !== "the kind").map((claim) => claim.kind);
    expectEqual(kinds, hostileIds.toSorted(compareText), "kinds");
    const keys = claims.filter((claim) => claim.kind === "the kind").map((claim) => claim.key);
    expectEqual(keys, hostileIds.toSorted(compareText), "keys");
    const after = await store.listClaims(tenant, "r", { after: { kind: "the kind", key: "a" }, limit: 1 });
    expectEqual(after[0]?.key, "a ", "the claim after a");
  }),

  storeCase("ids.joined-runs", "Tenant and run id are two parts of a key, not one text.", async ({ store }) => {
    const keys = distinct(joinedPairs.flat());
    for (const [tenant, runId] of keys) await expectCommitted(store, row(tenant, runId, { skillId: tenant }));
    for (const [tenant, runId] of keys) {
      const run = row(tenant, runId, { skillId: tenant });
      expectEqual(await store.getRun(tenant, runId), run, `run (${tenant}, ${runId})`);
    }
  }),

  storeCase(
    "ids.joined-checkpoints",
    "Run id and checkpoint id are two parts of a key, not one text.",
    async ({ store, tenant }) => {
      const revisions = new Map<string, number>();
      for (const [runId, checkpointId] of distinct(joinedPairs.flat())) {
        const revision = (revisions.get(runId) ?? 0) + 1;
        revisions.set(runId, revision);
        const entry = { body: `${runId} and ${checkpointId}`, checkpointId, snapshot: `${runId} and ${checkpointId}` };
        await expectCommitted(store, row(tenant, runId, { revision }), { entry });
      }
      for (const [runId, checkpointId] of joinedPairs.flat()) {
        const entry = await store.getEntry(tenant, runId, checkpointId);
        expectEqual(entry?.body, `${runId} and ${checkpointId}`, `checkpoint (${runId}, ${checkpointId})`);
      }
      for (const [runId, count] of revisions) {
        const entries = await store.listEntries(tenant, runId, { limit: all });
        expectEqual(entries.length, count, `entries of ${runId}`);
        const snapshots = await store.getSnapshots(tenant, runId, 0, all);
        expectEqual(snapshots.length, count, `snapshots of ${runId}`);
      }
    },
  ),

  storeCase(
    "ids.joined-claims",
    "Kind and key are two parts of a claim's name, not one text.",
    async ({ store, tenant }) => {
      const names = distinct(joinedPairs.flat());
      for (const [index, [kind, key]] of names.entries()) {
        const claims = [{ kind, key, body: `${kind} and ${key}` }];
        await expectCommitted(store, row(tenant, `r${index}`), { claims });
      }
      for (const [index, [kind, key]] of names.entries()) {
        const expected = { tenant, runId: `r${index}`, kind, key, body: `${kind} and ${key}` };
        expectEqual(await store.getClaim(tenant, kind, key), expected, `claim (${kind}, ${key})`);
      }
    },
  ),
];

async function bear(store: Store, tenant: string, ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((runId) => expectCommitted(store, row(tenant, runId))));
}

function distinct(pairs: readonly (readonly [string, string])[]): readonly (readonly [string, string])[] {
  return pairs.filter(([a, b], index) => pairs.findIndex(([c, d]) => a === c && b === d) === index);
}
