import type { ConformanceCase } from "../case.ts";
import { atomicCases } from "./atomic.ts";
import { bodyCases } from "./bodies.ts";
import { claimListCases } from "./claim-lists.ts";
import { claimCases } from "./claims.ts";
import { dueCases } from "./due.ts";
import { entryCases } from "./entries.ts";
import { eraseCases } from "./erase.ts";
import { fenceCases } from "./fence.ts";
import { filterCases } from "./filters.ts";
import { handleCases } from "./handles.ts";
import { idCases } from "./ids.ts";
import { listCases } from "./lists.ts";
import { pageCases } from "./pages.ts";
import { raceCases } from "./races.ts";
import { rowCases } from "./rows.ts";
import { snapshotCases } from "./snapshots.ts";
import { tenantCases } from "./tenants.ts";
import { usageCases } from "./usage.ts";
import { walkCases } from "./walk.ts";

/** Every clause of the Store contract, as data. */
export const storeCases: readonly ConformanceCase[] = [
  ...rowCases,
  ...fenceCases,
  ...raceCases,
  ...atomicCases,
  ...claimCases,
  ...claimListCases,
  ...entryCases,
  ...snapshotCases,
  ...bodyCases,
  ...listCases,
  ...filterCases,
  ...pageCases,
  ...dueCases,
  ...tenantCases,
  ...idCases,
  ...eraseCases,
  ...usageCases,
  ...handleCases,
  ...walkCases,
];
