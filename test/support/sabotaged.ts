import type { StoreHarness } from "../../src/conformance/index.ts";
import { saboteurs } from "../../src/conformance/saboteurs/index.ts";

/**
 * The harness, or the saboteur that the environment variable `ORCA_SABOTEUR` names: so that the verifiers can be shown a
 * store that is broken on purpose.
 */
export function unlessSabotaged(harness: StoreHarness): StoreHarness {
  const id = process.env.ORCA_SABOTEUR;
  if (id === undefined || id === "") return harness;
  const found = saboteurs.find((saboteur) => saboteur.id === id);
  if (found === undefined) throw new Error(`there is no saboteur "${id}"`);
  return found.harness;
}
