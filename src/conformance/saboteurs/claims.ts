import type { ClaimRow, Commit } from "../../store.ts";
import { byKey, findClaim, heldClaim, isInForce, isOf, passesFence, type Tables, verdict, write } from "../tables.ts";
import { commitsAnd, commitsInstead, decidesBy, type Spoil, saboteur } from "./saboteur.ts";

export const claimSaboteurs = [
  saboteur("null-claim", "A missing claim is null.", ["claims.missing"], (good) => ({
    getClaim: async (tenant, kind, key) => (await good.getClaim(tenant, kind, key)) ?? (null as unknown as undefined),
  })),

  saboteur(
    "all-lasting",
    "The lapse of a claim is not kept.",
    ["claims.free", "claims.free-at-lapse"],
    commitsInstead((commit) => ({
      ...commit,
      claims: (commit.claims ?? []).map(({ lapsesAt: _lost, ...claim }) => claim),
    })),
  ),

  saboteur(
    "key-alone",
    "Whether a claim is held is asked by key, whatever its kind.",
    ["claims.kind-and-key"],
    heldBy((claim, { claims = [], run }) => run.tenant === claim.tenant && claims.some(({ key }) => key === claim.key)),
  ),

  saboteur(
    "kind-alone",
    "Whether a claim is held is asked by kind, whatever its key.",
    ["claims.kind-and-key"],
    heldBy(
      (claim, { claims = [], run }) => run.tenant === claim.tenant && claims.some(({ kind }) => kind === claim.kind),
    ),
  ),

  saboteur(
    "lasting-lapses",
    "A claim without a lapse counts as lapsed.",
    ["claims.lasting", "claims.first-held"],
    heldWhile(({ lapsesAt = 0 }, now) => lapsesAt > now),
  ),

  saboteur(
    "never-held",
    "Any run may replace any claim.",
    ["claims.lasting", "claims.held-until-lapse"],
    heldWhile(() => false),
  ),

  saboteur(
    "lapses-early",
    "A claim is free one millisecond before it lapses.",
    ["claims.held-until-lapse", "erase.claims-in-force"],
    heldWhile((claim, now) => isInForce(claim, now + 1)),
  ),

  saboteur(
    "lapses-late",
    "A claim is still held in the millisecond in which it lapses.",
    ["claims.free-at-lapse", "races.lapsed-claim"],
    heldWhile((claim, now) => isInForce(claim, now - 1)),
  ),

  saboteur(
    "zero-lapse-lasts",
    "A lapse of 0 counts as none.",
    ["claims.lapse-at-zero"],
    heldWhile(({ lapsesAt }, now) => !lapsesAt || lapsesAt > now),
  ),

  saboteur(
    "own-clock",
    "The store asks its own clock what has lapsed.",
    ["claims.no-clock"],
    heldWhile((claim) => isInForce(claim, Date.now())),
  ),

  saboteur(
    "sweeps-lapsed",
    "Each commit throws away the claims that have lapsed.",
    ["claims.lapsed-stays"],
    commitsAnd((_outcome, { now }, tables) => {
      tables.claims = tables.claims.filter((claim) => isInForce(claim, now));
    }),
  ),

  saboteur(
    "owner-refused",
    "A claim in force is not even replaced by its owner.",
    ["claims.owner-replaces"],
    decidesBy((tables, commit) => {
      const { run, claims = [], now } = commit;
      const found = claims.map(({ kind, key }) => findClaim(tables, run.tenant, kind, key));
      const held = found.find((claim) => claim !== undefined && isInForce(claim, now));
      return held === undefined ? verdict(tables, commit) : { kind: "claimed", claim: held };
    }),
  ),

  saboteur(
    "first-version-stays",
    "The owner's new version of a claim is ignored.",
    ["claims.owner-replaces"],
    commitsInstead((commit, tables) => ({
      ...commit,
      claims: (commit.claims ?? []).map((claim) => {
        const old = findClaim(tables, commit.run.tenant, claim.kind, claim.key);
        return old?.runId === commit.run.runId ? old : claim;
      }),
    })),
  ),

  saboteur(
    "first-held-by-name",
    "Of several held claims the outcome has the first by name.",
    ["claims.first-held"],
    decidesBy((tables, commit) => {
      const sorted = [...(commit.claims ?? [])].sort(byKey);
      return verdict(tables, { ...commit, claims: sorted });
    }),
  ),

  saboteur(
    "last-held",
    "Of several held claims the outcome has the last.",
    ["claims.first-held"],
    decidesBy((tables, commit) => verdict(tables, { ...commit, claims: (commit.claims ?? []).toReversed() })),
  ),

  saboteur(
    "first-claim-decides",
    "Only the first claim that is there already is looked at.",
    ["claims.own-before-held"],
    decidesBy((tables, commit) => {
      const { run, claims = [] } = commit;
      const there = claims.filter(({ kind, key }) => findClaim(tables, run.tenant, kind, key) !== undefined);
      return verdict(tables, { ...commit, claims: there.slice(0, 1) });
    }),
  ),

  saboteur(
    "conflict-first",
    "The fence is asked before the claims.",
    ["claims.before-conflict"],
    decidesBy((tables, commit) => (passesFence(tables, commit) ? verdict(tables, commit) : { kind: "conflict" })),
  ),

  saboteur(
    "owner-stays",
    "A replaced claim stays in the old owner's name.",
    ["claims.moves", "races.lapsed-claim"],
    (_, tables) => ({
      commit: async (commit) => {
        const owners = (commit.claims ?? []).map(({ kind, key }) => findClaim(tables, commit.run.tenant, kind, key));
        const outcome = verdict(tables, commit);
        if (outcome.kind === "committed") write(tables, commit);
        for (const old of outcome.kind === "committed" ? owners : []) {
          tables.claims = tables.claims.map((claim) =>
            old?.tenant === claim.tenant && byKey(old, claim) === 0 ? { ...claim, runId: old.runId } : claim,
          );
        }
        return outcome;
      },
    }),
  ),

  saboteur(
    "claims-replaced-as-a-set",
    "A commit throws away the run's claims that it does not bring.",
    ["claims.kept"],
    commitsAnd((outcome, { run, claims = [] }, tables) => {
      if (outcome !== "committed") return;
      const isBrought = (claim: ClaimRow) => claims.some((one) => byKey(one, claim) === 0);
      tables.claims = tables.claims.filter((claim) => !isOf(claim, run.tenant, run.runId) || isBrought(claim));
    }),
  ),
];

/** Asks whether a claim of another run is in force in another way. */
function heldWhile(isHeld: (claim: ClaimRow, now: number) => boolean): Spoil {
  return decidesBy((tables, commit) => {
    const { run, claims = [], now } = commit;
    const held = claims
      .map(({ kind, key }) => findClaim(tables, run.tenant, kind, key))
      .find((claim) => claim !== undefined && claim.runId !== run.runId && isHeld(claim, now));
    return held === undefined ? withoutClaims(tables, commit) : { kind: "claimed", claim: held };
  });
}

/** Asks in another way which claims of other runs stand in a commit's way. */
function heldBy(standsInTheWay: (claim: ClaimRow, commit: Commit) => boolean): Spoil {
  return decidesBy((tables, commit) => {
    const others = tables.claims.filter((claim) => claim.runId !== commit.run.runId && isInForce(claim, commit.now));
    const held = heldClaim(tables, commit) ?? others.find((claim) => standsInTheWay(claim, commit));
    return held === undefined ? verdict(tables, commit) : { kind: "claimed", claim: held };
  });
}

/** The verdict if the claims were judged already. */
function withoutClaims(tables: Tables, { claims: _judged, ...commit }: Commit) {
  return verdict(tables, commit);
}
