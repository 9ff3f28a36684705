import { storeCase } from "../case.ts";
import { expectEqual } from "../expect.ts";
import { all, claimRow, endOfTime, expectClaimed, expectCommitted, expectConflict, row } from "../rows.ts";

/** Who may take a claim, and when. */
export const claimCases = [
  storeCase("claims.missing", "A claim that was never made is undefined.", async ({ store, tenant }) => {
    expectEqual(await store.getClaim(tenant, "k", "a"), undefined, "getClaim of no claim");
    await expectCommitted(store, row(tenant, "r"), { claims: [{ kind: "k", key: "a", body: "claim" }] });
    expectEqual(await store.getClaim(tenant, "k", "b"), undefined, "getClaim of another key");
  }),

  storeCase("claims.free", "A claim that is absent is free, and becomes the run's.", async ({ store, tenant }) => {
    const lasting = { kind: "k", key: "a", body: "lasting" };
    const lapsing = { kind: "k", key: "b", lapsesAt: 5_000, body: "lapsing" };
    await expectCommitted(store, row(tenant, "r"), { claims: [lapsing, lasting] });
    expectEqual(await store.getClaim(tenant, "k", "a"), claimRow(tenant, "r", lasting), "getClaim");
    expectEqual(await store.getClaim(tenant, "k", "b"), claimRow(tenant, "r", lapsing), "getClaim");
  }),

  storeCase(
    "claims.kind-and-key",
    "Kind and key together name a claim: neither alone stands in another's way.",
    async ({ store, tenant }) => {
      const names = [
        ["k", "a"],
        ["k", "b"],
        ["l", "a"],
        ["a", "k"],
      ] as const;
      for (const [kind, key] of names) {
        const runId = `${kind} ${key}`;
        await expectCommitted(store, row(tenant, runId), { claims: [{ kind, key, body: runId }] });
      }
      for (const [kind, key] of names) {
        expectEqual((await store.getClaim(tenant, kind, key))?.body, `${kind} ${key}`, `body of (${kind}, ${key})`);
      }
    },
  ),

  storeCase("claims.lasting", "A claim without a lapse is in force for ever.", async ({ store, tenant }) => {
    const claim = { kind: "k", key: "a", body: "first" };
    await expectCommitted(store, row(tenant, "a"), { claims: [claim] });
    const late = { now: endOfTime, claims: [{ ...claim, body: "second" }] };
    await expectClaimed(store, claimRow(tenant, "a", claim), row(tenant, "b"), late);
    expectEqual(await store.getClaim(tenant, "k", "a"), claimRow(tenant, "a", claim), "getClaim");
  }),

  storeCase(
    "claims.held-until-lapse",
    "A claim is held by its owner up to the millisecond before it lapses.",
    async ({ store, tenant }) => {
      const claim = { kind: "k", key: "a", lapsesAt: 2_000, body: "first" };
      await expectCommitted(store, row(tenant, "a"), { claims: [claim] });
      const wanted = [{ kind: "k", key: "a", body: "second" }];
      for (const now of [0, 1_000, 1_999]) {
        await expectClaimed(store, claimRow(tenant, "a", claim), row(tenant, "b"), { now, claims: wanted });
      }
    },
  ),

  storeCase("claims.free-at-lapse", "A claim is free from its `lapsesAt` on.", async ({ store, tenant }) => {
    const first = { kind: "k", key: "a", lapsesAt: 2_000, body: "first" };
    await expectCommitted(store, row(tenant, "a"), { claims: [first, { ...first, key: "b" }] });
    const second = { kind: "k", key: "a", lapsesAt: 3_000, body: "second" };
    await expectCommitted(store, row(tenant, "b"), { now: 2_000, claims: [second] });
    expectEqual(await store.getClaim(tenant, "k", "a"), claimRow(tenant, "b", second), "getClaim");
    await expectCommitted(store, row(tenant, "c"), { now: endOfTime, claims: [{ ...second, key: "b" }] });
  }),

  storeCase("claims.lapse-at-zero", "A claim that lapses at 0 lapses.", async ({ store, tenant }) => {
    const claim = { kind: "k", key: "a", lapsesAt: 0, body: "first" };
    await expectCommitted(store, row(tenant, "a"), { now: 0, claims: [claim] });
    expectEqual(await store.getClaim(tenant, "k", "a"), claimRow(tenant, "a", claim), "getClaim");
    await expectCommitted(store, row(tenant, "b"), { now: 0, claims: [{ ...claim, body: "second" }] });
  }),

  storeCase(
    "claims.no-clock",
    "The commit's `now` alone decides what has lapsed, before and after any real time.",
    async ({ store, tenant }) => {
      const future = { kind: "k", key: "future", lapsesAt: endOfTime, body: "first" };
      const past = { kind: "k", key: "past", lapsesAt: 10, body: "first" };
      await expectCommitted(store, row(tenant, "a"), { now: 9, claims: [future, past] });
      const wanted = [{ kind: "k", key: "past", body: "second" }];
      await expectClaimed(store, claimRow(tenant, "a", past), row(tenant, "b"), { now: 9, claims: wanted });
      const then = [{ kind: "k", key: "future", body: "second" }];
      await expectCommitted(store, row(tenant, "b"), { now: endOfTime, claims: then });
    },
  ),

  storeCase("claims.lapsed-stays", "A lapsed claim can be read until it is replaced.", async ({ store, tenant }) => {
    const claim = { kind: "k", key: "a", lapsesAt: 2_000, body: "claim" };
    await expectCommitted(store, row(tenant, "r"), { claims: [claim] });
    const other = { kind: "k", key: "b", body: "other" };
    await expectCommitted(store, row(tenant, "other"), { now: 9_000, claims: [other] });
    await expectCommitted(store, row(tenant, "r", { revision: 2 }), { now: 9_000 });
    expectEqual(await store.getClaim(tenant, "k", "a"), claimRow(tenant, "r", claim), "getClaim");
    const owned = await store.listClaims(tenant, "r", { limit: all });
    expectEqual(owned, [claimRow(tenant, "r", claim)], "listClaims");
  }),

  storeCase(
    "claims.owner-replaces",
    "The owner replaces its claim, in force or lapsed, in every field.",
    async ({ store, tenant }) => {
      const versions = [
        { kind: "k", key: "a", body: "lasting" },
        { kind: "k", key: "a", body: "lapsing", lapsesAt: 5_000 },
        { kind: "k", key: "a", body: "longer", lapsesAt: 6_000 },
        { kind: "k", key: "a", body: "shorter", lapsesAt: 500 },
        { kind: "k", key: "a", body: "lasting again" },
      ];
      for (const [index, claim] of versions.entries()) {
        await expectCommitted(store, row(tenant, "r", { revision: index + 1 }), { claims: [claim] });
        expectEqual(await store.getClaim(tenant, "k", "a"), claimRow(tenant, "r", claim), claim.body);
        expectEqual((await store.listClaims(tenant, "r", { limit: all })).length, 1, "claims of the run");
      }
    },
  ),

  storeCase(
    "claims.first-held",
    "If several claims are held, the outcome has the first in the order of the commit.",
    async ({ store, tenant }) => {
      const [a, b, c] = ["a", "b", "c"].map((key) => ({ kind: "k", key, body: `held ${key}` }));
      if (a === undefined || b === undefined || c === undefined) return;
      await expectCommitted(store, row(tenant, "one"), { claims: [a, c] });
      await expectCommitted(store, row(tenant, "two"), { claims: [b] });
      const free = { kind: "k", key: "0", body: "free" };
      await expectClaimed(store, claimRow(tenant, "two", b), row(tenant, "r"), { claims: [free, b, a, c] });
      await expectClaimed(store, claimRow(tenant, "one", c), row(tenant, "r"), { claims: [c, b, free, a] });
      await expectClaimed(store, claimRow(tenant, "one", a), row(tenant, "r"), { claims: [a, b, c] });
    },
  ),

  storeCase(
    "claims.own-before-held",
    "A claim of the run's own is passed over on the way to the first that is held.",
    async ({ store, tenant }) => {
      const own = { kind: "k", key: "own", body: "own" };
      const held = { kind: "k", key: "held", body: "held" };
      await expectCommitted(store, row(tenant, "r"), { claims: [own] });
      await expectCommitted(store, row(tenant, "holder"), { claims: [held] });
      const wanted = { claims: [own, { ...held, body: "mine now" }] };
      await expectClaimed(store, claimRow(tenant, "holder", held), row(tenant, "r", { revision: 2 }), wanted);
    },
  ),

  storeCase(
    "claims.before-conflict",
    "A held claim is `claimed` also if the revision is stale, skipped or a second birth.",
    async ({ store, tenant }) => {
      const held = { kind: "k", key: "a", body: "held" };
      await expectCommitted(store, row(tenant, "holder"), { claims: [held] });
      await expectCommitted(store, row(tenant, "r"), { entry: { body: "entry", checkpointId: "c" } });
      const claims = [{ ...held, body: "mine now" }];
      for (const revision of [1, 3]) {
        await expectClaimed(store, claimRow(tenant, "holder", held), row(tenant, "r", { revision }), { claims });
      }
      const entry = { body: "again", checkpointId: "c" };
      await expectClaimed(store, claimRow(tenant, "holder", held), row(tenant, "r"), { entry, claims });
    },
  ),

  storeCase(
    "claims.stale-owner",
    "A stale commit with a claim that it could have is a conflict, and the claim stays.",
    async ({ store, tenant }) => {
      const own = { kind: "k", key: "own", body: "own" };
      const lapsed = { kind: "k", key: "lapsed", lapsesAt: 500, body: "lapsed" };
      await expectCommitted(store, row(tenant, "r"), { claims: [own] });
      await expectCommitted(store, row(tenant, "old"), { claims: [lapsed] });
      await expectConflict(store, row(tenant, "r"), { claims: [{ ...own, body: "new" }] });
      await expectConflict(store, row(tenant, "r"), { claims: [{ ...lapsed, body: "new" }] });
      expectEqual(await store.getClaim(tenant, "k", "own"), claimRow(tenant, "r", own), "the run's own claim");
      expectEqual(await store.getClaim(tenant, "k", "lapsed"), claimRow(tenant, "old", lapsed), "the lapsed claim");
    },
  ),

  storeCase(
    "claims.moves",
    "A replaced claim belongs to its new owner alone, and the old one finds it held.",
    async ({ store, tenant }) => {
      const first = { kind: "k", key: "a", lapsesAt: 2_000, body: "first" };
      const second = { kind: "k", key: "a", body: "second" };
      await expectCommitted(store, row(tenant, "old"), { claims: [first] });
      await expectCommitted(store, row(tenant, "new"), { now: 2_000, claims: [second] });
      expectEqual(await store.listClaims(tenant, "old", { limit: all }), [], "claims of the old owner");
      const owned = await store.listClaims(tenant, "new", { limit: all });
      expectEqual(owned, [claimRow(tenant, "new", second)], "claims of the new owner");
      const again = { now: 9_000, claims: [first] };
      await expectClaimed(store, claimRow(tenant, "new", second), row(tenant, "old", { revision: 2 }), again);
    },
  ),

  storeCase(
    "claims.kept",
    "A commit that brings no claims leaves those of the run as they are.",
    async ({ store, tenant }) => {
      const claim = { kind: "k", key: "a", lapsesAt: 5_000, body: "claim" };
      await expectCommitted(store, row(tenant, "r"), { claims: [claim] });
      await expectCommitted(store, row(tenant, "r", { revision: 2 }));
      await expectCommitted(store, row(tenant, "r", { revision: 3 }), { claims: [] });
      await expectCommitted(store, row(tenant, "r", { revision: 4 }), {
        claims: [{ kind: "k", key: "b", body: "more" }],
      });
      expectEqual(await store.getClaim(tenant, "k", "a"), claimRow(tenant, "r", claim), "getClaim");
    },
  ),
];
