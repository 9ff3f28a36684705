import type { Clock } from "../clock.ts";
import type { ValueLimits } from "../codec/values.ts";
import type { OnError } from "../errors.ts";
import type { RandomBytes, TenantId } from "../ids.ts";
import type { Kind } from "../json.ts";
import type { Commit, Store } from "../store.ts";
import type { Instrumentation } from "../telemetry/instrumentation.ts";
import type { Notifier } from "./notifier.ts";

/** What reading and writing runs needs: the medium, a clock, and the name under which this process writes. */
export interface JournalHost extends ValueLimits {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: RandomBytes;
  /** Names this executor in leases; unique among all that share the medium. */
  readonly executor: string;
  /** Called after each change that this host commits. */
  readonly notifier: Notifier;
  /** Resolves once others can see that this executor is alive; nothing is committed before. */
  readonly ready: Promise<void>;
  /** Called before a run is born; absent if the tenants have no quota. */
  readonly admission?: Admission;
  /** Called with failures of background work, which no caller awaits, and of steps that have no attempt left. */
  readonly onError: OnError;
  /** Absent if nothing is measured. */
  readonly instrumentation?: Instrumentation;
}

/** Decides whether a tenant has room for one more run. */
export interface Admission {
  /**
   * Reserves room for a commit that is a birth, or a part of an import. The function that it returns must be called once
   * the outcome is known, with false if nothing was written.
   *
   * @throws `quota_exceeded`.
   */
  admit(commit: Commit): Promise<(mayBeWritten: boolean) => void>;
  /** Called after a run of the tenant was erased. */
  erased(tenant: string): void;
}

/** The member of a quota by which a runtime begins to enforce it; the same for every copy of this package. */
export const guard: unique symbol = Symbol.for("orca-durable.quota");

/**
 * Limits of tenants, with the code that enforces them. Made by `defineQuota`, so that only programs with limits carry that
 * code.
 */
export interface TenantQuota {
  /** A {@link Guard}, which is no part of the public types. */
  readonly [guard]: unknown;
}

/** Begins to admit births to that store. `now` is the clock of the runtime. */
export type Guard = (store: Store, now: () => number) => Admission;

/** What `defineQuota` returns, and no plain function. */
export const aQuota: Kind = [
  "the result of defineQuota(limits)",
  (value) => (value as TenantQuota)[guard] !== undefined,
];

/** {@link aQuota} has seen that `defineQuota` made it. */
export function guardOf(quota: TenantQuota): Guard {
  return quota[guard] as Guard;
}

/** Where runs are read and written: on a host, for one tenant. */
export interface JournalScope {
  readonly host: JournalHost;
  readonly tenant: TenantId;
}
