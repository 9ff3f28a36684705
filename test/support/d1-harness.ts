import type { D1Database } from "@cloudflare/workers-types";
import { d1Store } from "../../adapters/d1/index.ts";
import type { StoreHarness } from "../../src/conformance/index.ts";

/** The one migrated database over and over, emptied for each medium. */
export function d1Harness(db: D1Database): StoreHarness {
  return {
    fresh: async () => {
      const { results } = await db
        .prepare(
          "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*' AND name <> 'd1_migrations'",
        )
        .all<{ name: string }>();
      await db.batch(results.map(({ name }) => db.prepare(`DELETE FROM "${name}"`)));
      return { open: async () => d1Store(db) };
    },
  };
}
