import { aFunction, atLeast0, expectKind, given } from "../argument.ts";
import { DurableError, isDurableError } from "../errors.ts";
import { type Admission, type Guard, guard, type TenantQuota } from "../journal/host.ts";
import { utf8Length } from "../json.ts";
import type { Commit, NewEntry, Store, StoreUsage } from "../store.ts";

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
  return Object.freeze({ [guard]: ((store, now) => admission(store, now, limits)) satisfies Guard });
}

type Limits = (tenant: string) => Quota | Promise<Quota>;

/** What a birth adds to its tenant. */
interface Birth {
  readonly tenant: string;
  /** 0 for the rows of an import, which are not yet a run. */
  readonly runs: number;
  readonly bytes: number;
}

/** What a tenant had when it was read, and what was written since. */
interface Reading {
  readonly tenant: string;
  readonly usage: Promise<StoreUsage>;
  readonly hasBytes: boolean;
  /** When it was asked for; absent until the store has answered. */
  at: number | undefined;
  runs: number;
  bytes: number;
  /** True once a run was deleted here. */
  hasShrunk: boolean;
}

/** How long a reading is valid, in milliseconds: a store may read every row of the tenant for it. */
const holdsMs = 5_000;

/**
 * Admits births as long as their tenant has room. The usage of a tenant is read once in a while. Births in between are
 * added to it before they are written, so that the births of one runtime do not pass a bound together.
 */
function admission(store: Store, now: () => number, limits: Limits): Admission {
  /** By tenant, the oldest first. */
  const readings = new Map<string, Reading>();
  /** Births whose outcome is not known yet. They count in every reading, since it may be older than they are. */
  const underWay = new Set<Birth>();

  // While a slow store is read, other births wait for the same reading. Clocks can go backwards.
  const holds = ({ at }: Reading) => at === undefined || Math.abs(now() - at) < holdsMs;

  function readingOf(tenant: string, hasBytes: boolean): Reading {
    const known = readings.get(tenant);
    if (known !== undefined && holds(known) && (known.hasBytes || !hasBytes)) return known;
    for (const [other, reading] of readings) {
      if (holds(reading)) break;
      readings.delete(other);
    }
    const at = now();
    const usage = hasBytes ? store.usage(tenant) : store.countRuns(tenant, {}).then((runs) => ({ runs, bytes: 0 }));
    const reading: Reading = { tenant, usage, hasBytes, at: undefined, runs: 0, bytes: 0, hasShrunk: false };
    readings.delete(tenant);
    readings.set(tenant, reading);
    usage.then(
      () => {
        reading.at = at;
      },
      // The births that wait for it fail with it; the next one reads again.
      () => readings.get(tenant) === reading && readings.delete(tenant),
    );
    return reading;
  }

  return {
    async admit(commit) {
      const { tenant, status } = commit.run;
      const kinds = { maxRuns: atLeast0("runs"), maxBytes: atLeast0("bytes") };
      const quota = given(await quotaOf(limits, tenant), kinds, "quota", "quota");
      const { maxRuns = Infinity, maxBytes = Infinity } = quota;
      const hasBytes = maxBytes < Infinity;
      if (!hasBytes && maxRuns === Infinity) return () => {};

      const neededBytes = hasBytes ? bytesOf(commit) : 0;
      for (;;) {
        const reading = readingOf(tenant, hasBytes);
        let { runs, bytes } = await reading.usage;
        // Another birth may have read again meanwhile.
        if (readings.get(tenant) !== reading) continue;
        for (const more of [reading, ...underWay]) {
          if (more.tenant !== tenant) continue;
          runs += more.runs;
          bytes += more.bytes;
        }
        if (runs < maxRuns && bytes + neededBytes <= maxBytes) {
          const birth: Birth = { tenant, runs: status === undefined ? 0 : 1, bytes: neededBytes };
          underWay.add(birth);
          return (mayBeWritten) => {
            underWay.delete(birth);
            const latest = readings.get(tenant);
            if (!mayBeWritten || latest === undefined) return;
            latest.runs += birth.runs;
            latest.bytes += birth.bytes;
          };
        }
        if (reading.hasShrunk) {
          // Read again, before a birth is rejected for data that may be gone.
          readings.delete(tenant);
          continue;
        }
        const isFull = runs >= maxRuns;
        throw new DurableError(
          "quota_exceeded",
          isFull
            ? `the tenant has ${runs} runs; at most ${maxRuns} are allowed`
            : `the tenant would have ${bytes + neededBytes} bytes; at most ${maxBytes} are allowed`,
          {
            hint: "delete or prune runs that have ended",
            details: isFull ? { runs, maxRuns } : { bytes, neededBytes, maxBytes },
          },
        );
      }
    },
    erased(tenant) {
      const reading = readings.get(tenant);
      if (reading !== undefined) reading.hasShrunk = true;
    },
  };
}

async function quotaOf(limits: Limits, tenant: string): Promise<Quota> {
  try {
    return await limits(tenant);
  } catch (cause) {
    if (isDurableError(cause)) throw cause;
    throw new DurableError("internal_error", `the quota of tenant "${tenant}" failed`, { cause });
  }
}

function bytesOf({ run, earlier = [], entry, claims = [] }: Commit): number {
  let bytes = 0;
  const parts: readonly Partial<NewEntry>[] = [run, ...earlier, entry ?? {}, ...claims];
  for (const { body = "", snapshot = "" } of parts) bytes += utf8Length(body) + utf8Length(snapshot);
  return bytes;
}
