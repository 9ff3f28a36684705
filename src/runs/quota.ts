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
  return Object.freeze({ [guard]: ((store, now) => admission(store, now, limits)) satisfies Guard });
}

type Limits = (tenant: string) => Quota | Promise<Quota>;

/** What a birth adds to its tenant. */
interface Birth {
  /** 0 for the rows of an import, which are not yet a run. */
  readonly runs: number;
  readonly bytes: number;
}

/** What a tenant had when it was last read, and what was written since. */
interface Reading {
  usage: Promise<StoreUsage>;
  /** When it was read; absent until the store has answered, and `never` if the next birth must read again. */
  at: number | undefined;
  hasBytes: boolean;
  runs: number;
  bytes: number;
  /** True once a run was deleted here. */
  hasShrunk: boolean;
  /** Admitted births whose outcome is not known yet. They also count in the next reading, which may be older than they are. */
  readonly underWay: Set<Birth>;
}

/** How long a reading is valid, in milliseconds: a store may read every row of the tenant for it. */
const holdsMs = 5_000;
const never = -Infinity;

/**
 * Admits births as long as their tenant has room. The usage of a tenant is read once in a while. Births in between are
 * added to it before they are written, so that the births of one runtime do not pass a bound together.
 */
function admission(store: Store, now: () => number, limits: Limits): Admission {
  /** By tenant, the oldest first. */
  const readings = new Map<string, Reading>();

  // While a slow store is read, other births wait for the same reading. Clocks can go backwards.
  const holds = ({ at }: Reading) => at === undefined || Math.abs(now() - at) < holdsMs;

  function readingOf(tenant: string, hasBytes: boolean): Reading {
    const known = readings.get(tenant);
    if (known !== undefined && holds(known) && (known.hasBytes || !hasBytes)) return known;
    for (const [other, reading] of readings) {
      if (holds(reading)) break;
      if (reading.underWay.size === 0) readings.delete(other);
    }
    const at = now();
    const usage = hasBytes ? store.usage(tenant) : store.countRuns(tenant, {}).then((runs) => ({ runs, bytes: 0 }));
    const fresh = { usage, at: undefined, hasBytes, runs: 0, bytes: 0, hasShrunk: false };
    // The same object, since the births under way hold it.
    const reading: Reading = Object.assign(known ?? { underWay: new Set<Birth>() }, fresh);
    readings.delete(tenant);
    readings.set(tenant, reading);
    const settle = (at: number) => {
      if (reading.usage === usage) reading.at = at;
    };
    // The births that wait for a reading fail with it.
    usage.then(
      () => settle(at),
      () => settle(never),
    );
    return reading;
  }

  return {
    async admit(commit) {
      const { tenant, runId, status } = commit.run;
      const kinds = { maxRuns: atLeast0("runs"), maxBytes: atLeast0("bytes") };
      const quota = given(await quotaOf(limits, tenant), kinds, "quota", "quota");
      const { maxRuns = Infinity, maxBytes = Infinity } = quota;
      const hasBytes = maxBytes < Infinity;
      if (!hasBytes && maxRuns === Infinity) return () => {};

      const neededBytes = hasBytes ? bytesOf(commit) : 0;
      for (;;) {
        const reading = readingOf(tenant, hasBytes);
        const asked = reading.usage;
        const usage = await asked;
        // Another birth may have asked again meanwhile.
        if (readings.get(tenant)?.usage !== asked) continue;
        let runs = usage.runs + reading.runs;
        let bytes = usage.bytes + reading.bytes;
        for (const birth of reading.underWay) {
          runs += birth.runs;
          bytes += birth.bytes;
        }
        if (runs < maxRuns && bytes + neededBytes <= maxBytes) {
          const birth: Birth = { runs: status === undefined ? 0 : 1, bytes: neededBytes };
          reading.underWay.add(birth);
          return (mayBeWritten) => {
            reading.underWay.delete(birth);
            if (!mayBeWritten) return;
            reading.runs += birth.runs;
            reading.bytes += birth.bytes;
          };
        }
        if (reading.hasShrunk) {
          // Read again, before a birth is rejected for data that may be gone.
          reading.at = never;
          continue;
        }
        const isFull = runs >= maxRuns;
        throw new DurableError(
          "quota_exceeded",
          isFull
            ? `the tenant has ${runs} runs; at most ${maxRuns} are allowed`
            : `the tenant stores ${bytes} bytes and run "${runId}" needs ${neededBytes} more; at most ${maxBytes} are allowed`,
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
