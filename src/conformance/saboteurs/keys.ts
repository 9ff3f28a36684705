import type { ClaimRow, Commit, Store, StoreUsage } from "../../store.ts";
import { all } from "../rows.ts";
import { byKey, erase, isInForce, repeatsCheckpoint, type Tables, verdict } from "../tables.ts";
import { commitsAnd, decidesBy, type Spoil, saboteur } from "./saboteur.ts";

/** The clause that each operation breaks if it looks at every tenant's rows, beside `tenants.unseen`. */
const clauseOf = {
  getRun: "tenants.own",
  listRuns: "tenants.own",
  countRuns: "tenants.own",
  usage: "tenants.own",
  dueRuns: "due.one-tenant",
  getEntry: "tenants.own",
  listEntries: "tenants.own",
  getSnapshots: "tenants.own",
  getClaim: "tenants.own",
  listClaims: "tenants.own",
} as const satisfies Record<Exclude<keyof Store, "commit" | "close">, string>;
const readers = Object.keys(clauseOf) as readonly (keyof typeof clauseOf)[];

/** Against tenants and ids: keys that are less than they should be. */
export const keySaboteurs = [
  ...readers.map((method) =>
    saboteur(
      `tenant-ignored-${method.toLowerCase()}`,
      `\`${method}\` looks at every tenant's rows.`,
      ["tenants.unseen", clauseOf[method]],
      (good, tables) => ({ [method]: ofEveryTenant(good, tables)[method] }),
    ),
  ),

  saboteur(
    "tenants-share-fence",
    "The fence looks at the run of that id in any tenant.",
    ["tenants.fence", "tenants.own"],
    (good, tables) => ({
      commit: async (commit) => {
        const revisions = tables.runs.filter((run) => run.runId === commit.run.runId).map((run) => run.revision);
        return Math.max(0, ...revisions) === commit.run.revision - 1 ? good.commit(commit) : { kind: "conflict" };
      },
    }),
  ),

  saboteur(
    "tenants-share-claims",
    "A claim is held when a run of any tenant has it.",
    ["tenants.claims"],
    decidesBy((tables, commit) => {
      const { run, claims = [], now } = commit;
      const isHeld = (claim: ClaimRow) => claim.runId !== run.runId && isInForce(claim, now);
      const held = tables.claims.find((claim) => claims.some((one) => byKey(one, claim) === 0) && isHeld(claim));
      return held === undefined ? verdict(tables, commit) : { kind: "claimed", claim: held };
    }),
  ),

  saboteur(
    "tenants-share-checkpoints",
    "A checkpoint id is taken when a run of that id in any tenant has it.",
    ["tenants.checkpoints", "tenants.own"],
    decidesBy((tables, commit) => {
      const tenants = new Set(tables.runs.map((run) => run.tenant));
      const isTaken = [...tenants].some((tenant) =>
        repeatsCheckpoint(tables, { ...commit, run: { ...commit.run, tenant } }),
      );
      if (isTaken) throw new Error("duplicate");
      return verdict(tables, commit);
    }),
  ),

  saboteur(
    "erases-every-tenant",
    "An erasure takes the run of that id in every tenant.",
    ["tenants.writes"],
    commitsAnd((outcome, { run, erase: isErasing }, tables) => {
      if (outcome !== "committed" || isErasing !== true) return;
      for (const { tenant } of tables.runs) erase(tables, { tenant, runId: run.runId });
    }),
  ),

  saboteur(
    "claims-replace-everywhere",
    "A new claim replaces those of its name in every tenant.",
    ["tenants.writes", "tenants.claims"],
    commitsAnd((outcome, { run, claims = [] }, tables) => {
      if (outcome !== "committed") return;
      tables.claims = tables.claims.filter(
        (claim) => claim.tenant === run.tenant || !claims.some((one) => byKey(one, claim) === 0),
      );
    }),
  ),

  ...Object.entries({
    folded: { harm: "Upper and lower case are one.", fold: (id: string) => id.toLowerCase() },
    trimmed: { harm: "Blanks around an id do not count.", fold: (id: string) => id.trim() },
    numeric: { harm: "An id that reads as a number is that number.", fold: numeric },
    shortened: { harm: "Only the first 190 characters of an id count.", fold: (id: string) => id.slice(0, 190) },
  }).map(([id, { harm, fold }]) =>
    saboteur(`${id}-ids`, harm, ["ids.runs", "ids.tenants", "ids.checkpoints", "ids.claims"], foldsIds(fold)),
  ),

  saboteur("map-in-object", "Rows are kept in a plain object under their run ids.", ["ids.runs"], (_, tables) => ({
    getRun: async (tenant, runId) => {
      const own = tables.runs.filter((run) => run.tenant === tenant);
      const byId = Object.fromEntries(own.map((run) => [run.runId, run]));
      // What assigning to `object[id]` would have made of it.
      return runId === "__proto__" ? undefined : byId[runId];
    },
  })),

  saboteur(
    "owner-by-prefix",
    "The claims of a run are those whose owner begins alike.",
    ["ids.claim-owners", "claim-lists.own"],
    (_, tables) => ({
      listClaims: async (tenant, runId) =>
        tables.claims.filter((claim) => claim.tenant === tenant && claim.runId.startsWith(runId)).sort(byKey),
    }),
  ),

  saboteur(
    "claims-by-locale",
    "Claims are sorted as people sort.",
    ["ids.claim-order", "claim-lists.order"],
    (good) => ({
      listClaims: async (tenant, runId, { limit }) =>
        (await good.listClaims(tenant, runId, { limit: all }))
          .toSorted((a, b) => a.kind.localeCompare(b.kind, "en") || a.key.localeCompare(b.key, "en"))
          .slice(0, limit),
    }),
  ),

  ...["", "/", ":", '","'].map((delimiter) =>
    saboteur(
      `joined-by-${delimiter === "" ? "nothing" : delimiter}`,
      `The parts of a key are one text, joined by ${delimiter === "" ? "nothing" : delimiter}.`,
      ["ids.joined-runs", "ids.joined-checkpoints", "ids.joined-claims"],
      joins(delimiter),
    ),
  ),
];

const none: StoreUsage = { runs: 0, bytes: 0 };

/** Each read, over the rows of all tenants at once. */
function ofEveryTenant(good: Store, tables: Tables): Store {
  const owner = (runId: string) => tables.runs.find((run) => run.runId === runId)?.tenant ?? "";
  const tenants = () => [...new Set(tables.runs.map((run) => run.tenant))];
  return {
    ...good,
    getRun: (_, runId) => good.getRun(owner(runId), runId),
    listRuns: async (_, query) => (await Promise.all(tenants().map((tenant) => good.listRuns(tenant, query)))).flat(),
    countRuns: async (_, filter) => {
      const counts = await Promise.all(tenants().map((tenant) => good.countRuns(tenant, filter)));
      return counts.reduce((sum, count) => sum + count, 0);
    },
    usage: async () => {
      const found = await Promise.all(tenants().map((tenant) => good.usage(tenant)));
      return found.reduce((sum, { runs, bytes }) => ({ runs: sum.runs + runs, bytes: sum.bytes + bytes }), none);
    },
    dueRuns: ({ now, limit }) => good.dueRuns({ now, limit }),
    getEntry: (_, runId, checkpointId) => good.getEntry(owner(runId), runId, checkpointId),
    listEntries: (_, runId, query) => good.listEntries(owner(runId), runId, query),
    getSnapshots: (_, runId, from, to) => good.getSnapshots(owner(runId), runId, from, to),
    getClaim: async (_, kind, key) => tables.claims.find((claim) => byKey(claim, { kind, key }) === 0),
    listClaims: (_, runId, query) => good.listClaims(owner(runId), runId, query),
  };
}

/** Every id on its way in is folded; on the way out it is what came in first. */
function foldsIds(fold: (id: string) => string): Spoil {
  return (good) => ({
    getRun: (tenant, runId) => good.getRun(fold(tenant), fold(runId)),
    listRuns: (tenant, query) => good.listRuns(fold(tenant), query),
    countRuns: (tenant, filter) => good.countRuns(fold(tenant), filter),
    usage: (tenant) => good.usage(fold(tenant)),
    getEntry: (tenant, runId, checkpointId) => good.getEntry(fold(tenant), fold(runId), fold(checkpointId)),
    listEntries: (tenant, runId, query) => good.listEntries(fold(tenant), fold(runId), query),
    getClaim: (tenant, kind, key) => good.getClaim(fold(tenant), fold(kind), fold(key)),
    commit: (commit) => good.commit(folded(commit, fold)),
  });
}

function folded(commit: Commit, fold: (id: string) => string): Commit {
  const { run, entry, claims = [] } = commit;
  return {
    ...commit,
    run: { ...run, tenant: fold(run.tenant), runId: fold(run.runId) },
    ...(entry && {
      entry: { ...entry, ...(entry.checkpointId !== undefined && { checkpointId: fold(entry.checkpointId) }) },
    }),
    claims: claims.map((claim) => ({ ...claim, kind: fold(claim.kind), key: fold(claim.key) })),
  };
}

function numeric(id: string): string {
  return id.trim() === "" || Number.isNaN(Number(id)) ? id : String(Number(id));
}

function joins(delimiter: string): Spoil {
  const isSame = (a: readonly string[], b: readonly string[]) => a.join(delimiter) === b.join(delimiter);
  return (_good, tables) => ({
    getRun: async (...key) => tables.runs.find((run) => isSame([run.tenant, run.runId], key)),
    getEntry: async (tenant, ...key) =>
      tables.entries.find((entry) => entry.tenant === tenant && isSame([entry.runId, entry.checkpointId ?? ""], key)),
    getClaim: async (tenant, ...key) =>
      tables.claims.find((claim) => claim.tenant === tenant && isSame([claim.kind, claim.key], key)),
  });
}
