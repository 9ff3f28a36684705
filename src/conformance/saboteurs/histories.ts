import { compareText } from "../rows.ts";
import { saboteur } from "./saboteur.ts";

/** Against whatever is read of one run, entries and snapshots alike. */
export const historySaboteurs = [
  saboteur(
    "unknown-run-throws",
    "Reading of a run that is not there rejects.",
    ["claim-lists.empty", "entries.missing", "snapshots.missing"],
    (good) => {
      const demand = async (tenant: string, runId: string) => {
        if ((await good.getRun(tenant, runId)) === undefined) throw new Error("no such run");
      };
      return {
        listClaims: (tenant, runId, query) => demand(tenant, runId).then(() => good.listClaims(tenant, runId, query)),
        listEntries: (tenant, runId, query) => demand(tenant, runId).then(() => good.listEntries(tenant, runId, query)),
        getSnapshots: (...range) => demand(range[0], range[1]).then(() => good.getSnapshots(...range)),
      };
    },
  ),

  saboteur(
    "revisions-as-text",
    "Entries and snapshots are sorted by revision as text.",
    ["entries.order", "snapshots.order"],
    (good) => ({
      listEntries: async (tenant, runId, query) => (await good.listEntries(tenant, runId, query)).toSorted(byText),
      getSnapshots: async (...range) => (await good.getSnapshots(...range)).toSorted(byText),
    }),
  ),

  saboteur("newest-first", "Entries and snapshots come descending.", ["entries.order", "snapshots.order"], (good) => ({
    listEntries: async (tenant, runId, query) => (await good.listEntries(tenant, runId, query)).toReversed(),
    getSnapshots: async (...range) => (await good.getSnapshots(...range)).toReversed(),
  })),
];

function byText(a: { readonly revision: number }, b: { readonly revision: number }): number {
  return compareText(String(a.revision), String(b.revision));
}
