import { all, compareText } from "../rows.ts";
import { byKey, isOf } from "../tables.ts";
import { saboteur } from "./saboteur.ts";

export const claimListSaboteurs = [
  saboteur("claims-of-all", "The claims of every run of the tenant are listed.", ["claim-lists.own"], (_, tables) => ({
    listClaims: async (tenant) => tables.claims.filter((claim) => claim.tenant === tenant).sort(byKey),
  })),

  saboteur("claims-by-key", "Claims are sorted by key alone.", ["claim-lists.order"], (good) => ({
    listClaims: async (tenant, runId, query) =>
      [...(await good.listClaims(tenant, runId, query))].sort((a, b) => compareText(a.key, b.key)),
  })),

  saboteur(
    "claims-by-joined-text",
    "Claims are sorted by kind and key as one text.",
    ["claim-lists.order"],
    (good) => ({
      listClaims: async (tenant, runId, query) =>
        [...(await good.listClaims(tenant, runId, query))].sort((a, b) => compareText(a.kind + a.key, b.kind + b.key)),
    }),
  ),

  saboteur("claims-from", "`after` is inclusive in lists of claims.", ["claim-lists.after"], (_, tables) => ({
    listClaims: async (tenant, runId, { after, limit }) =>
      tables.claims
        .filter((claim) => isOf(claim, tenant, runId) && (after === undefined || byKey(claim, after) >= 0))
        .sort(byKey)
        .slice(0, limit),
  })),

  saboteur(
    "claims-after-both",
    "`after` wants a greater kind and a greater key.",
    ["claim-lists.after"],
    (_, tables) => ({
      listClaims: async (tenant, runId, { after, limit }) =>
        tables.claims
          .filter((claim) => isOf(claim, tenant, runId))
          .filter(({ kind, key }) => after === undefined || (kind >= after.kind && key > after.key))
          .sort(byKey)
          .slice(0, limit),
    }),
  ),

  saboteur("claims-unlimited", "Lists of claims ignore their limit.", ["claim-lists.limit"], (good) => ({
    listClaims: (tenant, runId, query) => good.listClaims(tenant, runId, { ...query, limit: all }),
  })),
];
