import type { Host } from "../engine/host.ts";
import { DurableError } from "../errors.ts";
import type { TenantId } from "../ids.ts";
import { numberOption } from "./options.ts";

/** The most that a tenant may have. */
export interface Quota {
  /** Runs of any status. A deleted run is none. No bound where absent. */
  readonly maxRuns?: number;
}

/**
 * Lets a run be born where its tenant has room for it.
 *
 * @throws `quota_exceeded`.
 */
export async function expectRoom(host: Host, tenant: TenantId): Promise<void> {
  const quota = host.quota?.(tenant);
  if (quota?.maxRuns === undefined) return;
  const maxRuns = numberOption(quota.maxRuns, "quota.maxRuns", 0, "a number of at least 0", (given) => given >= 0);
  const count = await host.store.countRuns(tenant, {});
  if (count < maxRuns) return;
  throw new DurableError("quota_exceeded", `there are ${count} runs, and at most ${maxRuns} are allowed`, {
    hint: "delete or prune runs that have ended",
    details: { runs: count, maxRuns },
  });
}
