import { aFunction, atLeast0, expectKind, given } from "../argument.ts";
import { DurableError, isDurableError } from "../errors.ts";
import { type Admission, type Guard, guard, type TenantQuota } from "../journal/host.ts";
import { utf8Length } from "../json.ts";
import type { Commit, Store, StoreUsage } from "../store.ts";

/** The limits of a tenant. */
export interface Quota {
  /** Runs of any status, without deleted runs. Default: no bound. */
  readonly maxRuns?: number;
  /**
   * Bytes of UTF-8 of everything that is stored for the tenant, including what deletions leave behind. Default: no
   * bound.
   */
  readonly maxBytes?: number;
}

/**
 * Makes the `quota` of a runtime. The function returns the limits of a tenant, or a promise of them; it is called at
 * each birth of a run, which waits for it. A birth is rejected with `invalid_request` if the limits are not an object of
 * numbers, and with `internal_error` if the function throws.
 *
 * @example
 * ```ts
 * import { createRuntime, defineQuota } from "orca-durable";
 * import { memoryStore } from "orca-durable/memory";
 *
 * const quota = defineQuota((tenant) => ({ maxRuns: tenant === "acme" ? 100_000 : 1_000, maxBytes: 2e9 }));
 * export const runtime = createRuntime({ store: memoryStore(), quota });
 * ```
 *
 * @throws `invalid_definition` if the argument is not a function.
 */
export function defineQuota(limits: (tenant: string) => Quota | Promise<Quota>): TenantQuota {
  expectKind(limits, aFunction, "quota", "invalid_definition");
  return Object.freeze({ [guard]: ((store, now) => new QuotaGuard(store, now, limits)) satisfies Guard });
}

type Limits = (tenant: string) => Quota | Promise<Quota>;

/** What a tenant had when it was read, and what was admitted since. */
interface Reading {
  readonly at: number;
  readonly hasBytes: boolean;
  readonly usage: Promise<StoreUsage>;
  moreRuns: number;
  moreBytes: number;
  /** True once a run was deleted here. */
  hasShrunk: boolean;
}

/** How long a reading is valid, in milliseconds: a store may read every row of the tenant for it. */
const holdsMs = 5_000;

/**
 * Admits births as long as their tenant has room. The usage of a tenant is read once in a while; births in between are
 * added to it before they are written, so that the births of one runtime do not pass a bound together.
 */
class QuotaGuard implements Admission {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #limits: Limits;
  /** By tenant, the oldest first. */
  readonly #readings = new Map<string, Reading>();

  constructor(store: Store, now: () => number, limits: Limits) {
    this.#store = store;
    this.#now = now;
    this.#limits = limits;
  }

  async admit(commit: Commit): Promise<() => void> {
    const { tenant, runId, status } = commit.run;
    const kinds = { maxRuns: atLeast0("runs"), maxBytes: atLeast0("bytes") };
    const unbounded = Number.POSITIVE_INFINITY;
    const { maxRuns = unbounded, maxBytes = unbounded } = given(
      await quotaOf(this.#limits, tenant),
      kinds,
      "quota",
      "quota",
    );
    const hasBytes = Number.isFinite(maxBytes);
    if (!hasBytes && !Number.isFinite(maxRuns)) return () => {};

    const neededBytes = hasBytes ? bytesOf(commit) : 0;
    // Read again if something was deleted since, before a birth is rejected for data that may be gone.
    for (;;) {
      const reading = this.#reading(tenant, hasBytes);
      const usage = await reading.usage;
      const runs = usage.runs + reading.moreRuns;
      const bytes = usage.bytes + reading.moreBytes;
      if (runs < maxRuns && (!hasBytes || bytes + neededBytes <= maxBytes)) {
        // The rows of an import under way are not yet a run.
        const born = status === undefined ? 0 : 1;
        reading.moreRuns += born;
        reading.moreBytes += neededBytes;
        return () => {
          reading.moreRuns -= born;
          reading.moreBytes -= neededBytes;
        };
      }
      if (reading.hasShrunk) {
        // Unless another birth has read it meanwhile.
        if (this.#readings.get(tenant) === reading) this.#readings.delete(tenant);
        continue;
      }
      const hint = "delete or prune runs that have ended";
      if (runs >= maxRuns) {
        const message = `the tenant has ${runs} runs; at most ${maxRuns} are allowed`;
        throw new DurableError("quota_exceeded", message, { hint, details: { runs, maxRuns } });
      }
      const message = `the tenant stores ${bytes} bytes and run "${runId}" needs ${neededBytes} more; at most ${maxBytes} are allowed`;
      throw new DurableError("quota_exceeded", message, { hint, details: { bytes, neededBytes, maxBytes } });
    }
  }

  erased(tenant: string): void {
    const reading = this.#readings.get(tenant);
    if (reading !== undefined) reading.hasShrunk = true;
  }

  #reading(tenant: string, hasBytes: boolean): Reading {
    const known = this.#readings.get(tenant);
    if (known !== undefined && this.#holds(known) && (known.hasBytes || !hasBytes)) return known;
    for (const [other, reading] of this.#readings) {
      if (this.#holds(reading)) break;
      this.#readings.delete(other);
    }
    const usage = hasBytes
      ? this.#store.usage(tenant)
      : this.#store.countRuns(tenant, {}).then((runs) => ({ runs, bytes: 0 }));
    const reading: Reading = { at: this.#now(), hasBytes, usage, moreRuns: 0, moreBytes: 0, hasShrunk: false };
    this.#readings.delete(tenant);
    this.#readings.set(tenant, reading);
    // The births that wait for it fail with it; the next one reads again.
    usage.catch(() => this.#readings.get(tenant) === reading && this.#readings.delete(tenant));
    return reading;
  }

  // Clocks can go backwards.
  #holds({ at }: Reading): boolean {
    return Math.abs(this.#now() - at) < holdsMs;
  }
}

async function quotaOf(limits: Limits, tenant: string): Promise<Quota> {
  try {
    return await limits(tenant);
  } catch (cause) {
    if (isDurableError(cause)) throw cause;
    throw new DurableError("internal_error", `the quota of tenant "${tenant}" could not be determined`, { cause });
  }
}

function bytesOf({ run, earlier = [], entry, claims = [] }: Commit): number {
  let bytes = utf8Length(run.body);
  for (const { body, snapshot = "" } of [...earlier, ...(entry === undefined ? [] : [entry])]) {
    bytes += utf8Length(body) + utf8Length(snapshot);
  }
  for (const { body } of claims) bytes += utf8Length(body);
  return bytes;
}
