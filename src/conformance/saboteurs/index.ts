import { atomicSaboteurs } from "./atomic.ts";
import { bodySaboteurs } from "./bodies.ts";
import { claimListSaboteurs } from "./claim-lists.ts";
import { claimSaboteurs } from "./claims.ts";
import { dueSaboteurs } from "./due.ts";
import { entrySaboteurs } from "./entries.ts";
import { eraseSaboteurs } from "./erase.ts";
import { fenceSaboteurs } from "./fence.ts";
import { filterSaboteurs } from "./filters.ts";
import { handleSaboteurs } from "./handles.ts";
import { historySaboteurs } from "./histories.ts";
import { keySaboteurs } from "./keys.ts";
import { listSaboteurs } from "./lists.ts";
import { raceSaboteurs } from "./races.ts";
import { rowSaboteurs } from "./rows.ts";
import type { Saboteur } from "./saboteur.ts";
import { snapshotSaboteurs } from "./snapshots.ts";
import { usageSaboteurs } from "./usage.ts";
import { walkSaboteurs } from "./walk.ts";

/** At least one broken store for each case, so that no case can pass without looking. */
export const saboteurs: readonly Saboteur[] = [
  ...rowSaboteurs,
  ...fenceSaboteurs,
  ...raceSaboteurs,
  ...atomicSaboteurs,
  ...claimSaboteurs,
  ...claimListSaboteurs,
  ...entrySaboteurs,
  ...snapshotSaboteurs,
  ...historySaboteurs,
  ...bodySaboteurs,
  ...listSaboteurs,
  ...filterSaboteurs,
  ...dueSaboteurs,
  ...keySaboteurs,
  ...eraseSaboteurs,
  ...usageSaboteurs,
  ...handleSaboteurs,
  ...walkSaboteurs,
];
