import type { RandomBytes } from "../ids.ts";
import type { Notifier } from "../journal/notifier.ts";
import { present } from "../present.ts";
import type { RunRecord } from "../record/run.ts";
import type { CapabilityRegistry } from "../skills/capability.ts";
import type { SkillRegistry } from "../skills/skill.ts";
import type { Commit, Store } from "../store.ts";
import type { Instrumentation } from "../telemetry/instrumentation.ts";
import type { Presence } from "./presence.ts";

/** Where time comes from. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /**
   * Resolves after that many milliseconds, or as soon as `signal` aborts. After none it resolves in a later turn of the
   * event loop, once all that is ready by then has gone on.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** What a runtime works with: its medium, its skills, its clock, and its name among executors. */
export interface Host {
  readonly store: Store;
  readonly skills: SkillRegistry;
  readonly capabilities: CapabilityRegistry;
  readonly clock: Clock;
  readonly random: RandomBytes;
  /** Names this executor in leases; unique among all that share the medium. */
  readonly executor: string;
  /** How long a lease lasts, in milliseconds. */
  readonly leaseMs: number;
  /** Waits up to this long are waited out with the lease held; longer ones park the run. In milliseconds. */
  readonly holdMs: number;
  /** How long one pass over a run goes on before it hands over, in milliseconds. */
  readonly passMs: number;
  /** True once the platform will soon allow no more work, such as queries; passes hand over then. */
  readonly isSpent: () => boolean;
  /** The largest state that is kept, in bytes of its JSON. */
  readonly maxStateBytes: number;
  /** The most values in a state that is kept: each costs memory that its JSON does not show. */
  readonly maxStateValues: number;
  /** Asked before a run is born; absent where what a tenant may have is not bounded. */
  readonly admission?: Admission;
  /** Told of each change that this host commits. */
  readonly notifier: Notifier;
  /** Knows of dead executors before their leases lapse, where the platform can. */
  readonly presence?: Presence;
  /** Resolves once others can see that this executor is alive; no lease is taken before. */
  readonly ready: Promise<void>;
  /** How long a body may await something else than a step before its run fails, in milliseconds. */
  readonly bodyQuietMs: number;
  /** The steps that are in flight, of all passes here. */
  readonly inFlight: { count: number };
  /** Called with failures of background work, which no caller awaits, and of steps that have no attempt left. */
  readonly onError: OnError;
  /** Absent where nothing is measured. */
  readonly instrumentation?: Instrumentation;
}

/** Decides whether a tenant has room for one more run. */
export interface Admission {
  /**
   * Takes the room for a commit that is a birth, or a part of an import. Returns what gives it back where nothing was written.
   *
   * @throws `quota_exceeded`.
   */
  admit(commit: Commit): Promise<() => void>;
  /** Called after a run of the tenant was erased. */
  erased(tenant: string): void;
}

/** Where an error was met. */
export interface ErrorContext {
  readonly tenantId?: string;
  readonly runId?: string;
  readonly skillId?: string;
  /** The step that failed, where the error is its own. */
  readonly stepId?: string;
  /** The run's, or that of the request that met the error. */
  readonly traceId?: string;
}

export type OnError = (error: unknown, context?: ErrorContext) => void;

/** Where an error of that run, or of one of its steps, was met. */
export function contextOf({ run }: RunRecord<unknown>, stepId?: string): ErrorContext {
  const { tenantId, runId, skillId, traceId } = run;
  return { runId, skillId, ...present({ tenantId, stepId, traceId }) };
}

/** The time of the host's clock, ISO-8601 in UTC. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** A number in [0, 1). */
export function randomFraction(random: RandomBytes): number {
  return random(4).reduce((sum, byte) => (sum + byte) / 256, 0);
}

/** The platform's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep(ms, signal) {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      if (ms <= 0 && typeof MessageChannel !== "undefined") return nextTurn(resolve);
      // A timer beyond 2^31 - 1 ms would fire at once.
      const timer = setTimeout(done, Math.min(ms, 2_147_483_647));
      signal?.addEventListener("abort", done);
      function done(): void {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      }
    });
  },
};

// A timer of no length waits up to a second in a hidden tab, a message never does.
function nextTurn(resolve: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    resolve();
  };
  port2.postMessage(null);
}
