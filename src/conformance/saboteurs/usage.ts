import { utf8Length } from "../../json.ts";
import { liveRuns, type Tables } from "../tables.ts";
import { saboteur } from "./saboteur.ts";

const everyTable = ["runs", "entries", "snapshots", "claims"] as const;

export const usageSaboteurs = [
  ...everyTable.map((left) =>
    saboteur(
      `usage-without-${left}`,
      `\`usage\` leaves out the bodies of ${left}.`,
      ["usage.bytes", "tenants.own"],
      (good, tables) => ({
        usage: async (tenant) => {
          const { runs } = await good.usage(tenant);
          return {
            runs,
            bytes: sum(
              bodies(
                tables,
                tenant,
                everyTable.filter((table) => table !== left),
              ),
              utf8Length,
            ),
          };
        },
      }),
    ),
  ),

  saboteur(
    "usage-in-characters",
    "`usage` counts code units, not bytes.",
    ["usage.bytes", "usage.long-snapshots"],
    (good, tables) => ({
      usage: async (tenant) => {
        const { runs } = await good.usage(tenant);
        return { runs, bytes: sum(bodies(tables, tenant, everyTable), ({ length }) => length) };
      },
    }),
  ),

  saboteur(
    "usage-of-heads",
    "`usage` counts what of a snapshot stands in its first row.",
    ["usage.long-snapshots"],
    (good, tables) => ({
      usage: async (tenant) => {
        const { runs } = await good.usage(tenant);
        return {
          runs,
          bytes: sum(bodies(tables, tenant, everyTable), (body) => Math.min(utf8Length(body), 1_998_000)),
        };
      },
    }),
  ),

  saboteur("usage-only-grows", "`usage` counts what was ever written.", ["usage.replaced", "usage.erased"], (good) => {
    const most = new Map<string, number>();
    return {
      usage: async (tenant) => {
        const { runs, bytes } = await good.usage(tenant);
        most.set(tenant, Math.max(bytes, most.get(tenant) ?? 0));
        return { runs, bytes: most.get(tenant) ?? bytes };
      },
    };
  }),

  saboteur("usage-counts-tombstones", "`usage` counts tombstones as runs.", ["usage.erased"], (good, tables) => ({
    usage: async (tenant) => ({
      ...(await good.usage(tenant)),
      runs: tables.runs.filter((run) => run.tenant === tenant).length,
    }),
  })),

  saboteur("usage-of-the-living", "`usage` leaves out the bodies of tombstones.", ["usage.erased"], (good, tables) => ({
    usage: async (tenant) => {
      const { runs, bytes } = await good.usage(tenant);
      const all = sum(bodies(tables, tenant, ["runs"]), utf8Length);
      const living = sum(
        liveRuns(tables, tenant, {}).map(({ body }) => body),
        utf8Length,
      );
      return { runs, bytes: bytes - all + living };
    },
  })),
];

function bodies(tables: Tables, tenant: string, of: readonly (keyof Tables)[]): readonly string[] {
  const rows = of.flatMap((table): readonly { readonly tenant: string; readonly body: string }[] => tables[table]);
  return rows.filter((row) => row.tenant === tenant).map(({ body }) => body);
}

function sum(texts: readonly string[], sizeOf: (text: string) => number): number {
  return texts.reduce((total, text) => total + sizeOf(text), 0);
}
