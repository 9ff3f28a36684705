import {
  above0,
  aFunction,
  aLength,
  anArray,
  anId,
  aStore,
  atLeast0,
  expectKind,
  given,
  type Kinds,
  needed,
  withMethods,
} from "./argument.ts";
import { type Clock, systemClock, wholeMs } from "./clock.ts";
import { Executor } from "./engine/executor.ts";
import type { Host } from "./engine/host.ts";
import type { Presence } from "./engine/presence.ts";
import { DurableError, type OnError } from "./errors.ts";
import { parseTenantId, pooledRandom, type RandomBytes, randomHex } from "./ids.ts";
import { typedStore } from "./journal/commit.ts";
import { aQuota, guardOf, type TenantQuota } from "./journal/host.ts";
import { localNotifier, type Notifier } from "./journal/notifier.ts";
import { aFlag, present, read, requireCrypto } from "./json.ts";
import { type Drained, type DrainOptions, drain } from "./runs/drain.ts";
import { Runs } from "./runs/runs.ts";
import { type ServeOptions, serve } from "./runs/serve.ts";
import { type AnyCapability, CapabilityRegistry } from "./skills/capability.ts";
import { SkillRegistry } from "./skills/registry.ts";
import type { Skill } from "./skills/skill.ts";
import type { Store } from "./store.ts";
import { aTelemetry, instrumentOf, type Telemetry } from "./telemetry/instrumentation.ts";

/** The options of `createRuntime`. */
export interface RuntimeOptions {
  readonly store: Store;
  readonly skills?: readonly Skill[];
  readonly capabilities?: readonly AnyCapability[];
  /** Names this runtime in leases; unique among all that share the medium. Default: a random name. */
  readonly executor?: string;
  /** How long a run stays with an executor that does not renew its lease, in milliseconds, above 0. Default 30,000. */
  readonly leaseMs?: number;
  /**
   * Timers up to this long keep the lease and wait; longer ones park the run until a drain. In milliseconds. Default
   * 5,000.
   */
  readonly holdMs?: number;
  /** After this time a pass hands its run over to the next drain, in milliseconds, above 0. Default: no limit. */
  readonly passMs?: number;
  /**
   * Returns true once the platform will soon allow no more work, such as queries; runs are left due then. It is called
   * with the number of steps in flight, whose results are still to be committed. Default: never.
   */
  readonly isSpent?: (steps: number) => boolean;
  /** The largest state that is stored, in bytes of its JSON. Default 32 MiB. */
  readonly maxStateBytes?: number;
  /**
   * The most values in a state that is stored: each array, object, string, number, boolean and null counts. Default
   * 500,000.
   */
  readonly maxStateValues?: number;
  /**
   * The limits of tenants; made by `defineQuota`. The usage of a tenant is read from the store at most once in five
   * seconds, and once more if this runtime has deleted runs and would otherwise reject a new one. New runs in between
   * are added to the usage. Several runtimes together may therefore exceed a limit. Without this option there is no
   * limit, and nothing is read.
   */
  readonly quota?: TenantQuota;
  /** False if this runtime only decides and commits, and leaves execution to others. Default true. */
  readonly executes?: boolean;
  /**
   * True if this runtime serves all tenants until it is stopped: it takes what is due at once, each second, and when a run
   * changes. That alone does not keep a process alive. A call of `serve` takes its place. If
   * false, runs that are due wait for `drain` or `serve`. Default true, and false with `background`, where a platform ends
   * the process between requests.
   */
  readonly serves?: boolean;
  readonly clock?: Clock;
  readonly random?: RandomBytes;
  /** Called with each pass, so that a platform keeps the process alive for it, as `waitUntil` does. */
  readonly background?: (work: Promise<void>) => void;
  /**
   * Announces changes of runs; `broadcastNotifier()` in a browser announces them to other tabs too. Default: this
   * runtime only.
   */
  readonly notifier?: Notifier;
  /** Detects dead executors at once; `webLocksPresence()` in a browser. Default: leases alone. */
  readonly presence?: Presence | undefined;
  /**
   * Called with failures of background work, which no caller awaits, and with the error of each step that has no
   * attempt left and of each body that fails. It receives the error itself, with its stack, which is not stored.
   * Default `console.error`.
   */
  readonly onError?: OnError;
  /**
   * How long a code-first body may be quiet, with no step in flight and none that waits, before its run fails with
   * `await_outside_step`. Pure work in the body, such as a digest or an import, may take this long. In milliseconds.
   * Default 30,000, and at most four fifths of {@link passMs}, so that a stuck body is not handed over forever.
   */
  readonly bodyQuietMs?: number;
  /** Receives measurements, in OpenTelemetry's names; made by `defineTelemetry`. Default: nothing is measured. */
  readonly telemetry?: Telemetry | undefined;
}

/** Durable runs on one medium. */
export interface Runtime {
  /**
   * The runs of one tenant.
   *
   * @example
   * ```ts
   * import { runtime } from "./runs.ts";
   *
   * const runs = runtime.for("acme");
   * console.log(await runs.count());
   * ```
   *
   * @throws `invalid_request` if the name is not an id.
   */
  for(tenant: string): Runs;
  /**
   * Executes runs that are due, of all tenants or of one: runs whose executor is gone, timers, retries. Call it when a
   * page loads, on a tick, or from a cron trigger.
   *
   * @example
   * ```ts
   * import { runtime } from "./runs.ts";
   *
   * await runtime.drain({ tenant: "acme", limit: 10 });
   * ```
   */
  drain(options?: DrainOptions): Promise<Drained>;
  /**
   * Drains at once, and again on a tick, when a run changes elsewhere, and when another executor dies, until `signal`
   * aborts. For a page or a server; the edge drains from a cron trigger.
   *
   * @example
   * ```ts
   * import { runtime } from "./runs.ts";
   *
   * const stopping = new AbortController();
   * const serving = runtime.serve({ tenant: "acme", everyMs: 5_000, signal: stopping.signal });
   * addEventListener("pagehide", () => stopping.abort());
   * await serving;
   * ```
   */
  serve(options: ServeOptions): Promise<void>;
  /**
   * Resolves when nothing is being executed here.
   *
   * @example
   * ```ts
   * import { runs, runtime } from "./runs.ts";
   * import { letter } from "./skills.ts";
   *
   * await runs.start(letter, { to: "Alice" });
   * await runtime.idle();
   * ```
   */
  idle(): Promise<void>;
  /**
   * Stops executing without another write; each run that was under way is due once its lease lapses. The store stays
   * open.
   *
   * No handler is called and no run is taken any more, also by a drain, a `serve` or a start that is under way: drains
   * and `serve` end. From then on this runtime only decides, like one with `executes: false`: a run that is started or
   * resumed here is left due for other executors, and `drain` and `serve` reject with `unsupported`.
   *
   * Resolves when the medium has answered all earlier calls. If it does not answer, `onError` is called after the
   * length of a lease, and `stop` waits no longer: a write that still arrives is fenced like any other.
   *
   * @example
   * ```ts
   * import { createRuntime } from "orca-durable";
   * import { memoryStore } from "orca-durable/memory";
   * import { skills } from "./skills.ts";
   *
   * const store = memoryStore();
   * const runtime = createRuntime({ store, skills });
   * await runtime.drain();
   * await runtime.stop();
   * await store.close();
   * ```
   */
  stop(): Promise<void>;
}

const optionKinds: Kinds<RuntimeOptions> = {
  store: needed(aStore),
  skills: anArray,
  capabilities: anArray,
  executor: anId,
  leaseMs: aLength,
  holdMs: atLeast0("milliseconds"),
  passMs: above0("milliseconds"),
  isSpent: aFunction,
  maxStateBytes: above0("bytes"),
  maxStateValues: above0("values"),
  quota: aQuota,
  executes: aFlag,
  serves: aFlag,
  clock: withMethods("now", "sleep"),
  random: aFunction,
  background: aFunction,
  notifier: withMethods("notify", "subscribe", "close"),
  presence: withMethods("announce", "release"),
  onError: aFunction,
  bodyQuietMs: aLength,
  telemetry: aTelemetry,
};

/**
 * A runtime over a store.
 *
 * @throws `invalid_definition` if a skill uses a capability that is not registered; `invalid_request` that names an option
 * of the wrong type or out of range; `unsupported` without WebCrypto.
 * @example
 * ```ts
 * import { createRuntime } from "orca-durable";
 * import { memoryStore } from "orca-durable/memory";
 * import { capabilities, skills } from "./skills.ts";
 *
 * const runtime = createRuntime({ store: memoryStore(), skills, capabilities });
 * const runs = runtime.for("acme");
 * await runtime.drain();
 * console.log(await runs.list({ status: "failed" }));
 * ```
 */
export function createRuntime(options: RuntimeOptions): Runtime {
  requireCrypto();
  const {
    presence,
    random: fill,
    telemetry,
    isSpent,
    quota,
    background,
    executes = true,
    serves = background === undefined,
    store: bare,
    skills = [],
    capabilities: registered = [],
    executor: name,
    onError: report = (error: unknown) => console.error(error),
    ...rest
  } = given(options, optionKinds);
  const clock = wholeMs(rest.clock ?? systemClock);
  const random = fill === undefined ? pooledRandom() : checkedRandom(fill);
  const capabilities = read("capabilities", () => new CapabilityRegistry(registered));
  const registry = read("skills", () => new SkillRegistry(skills, capabilities));
  const executorId = name ?? `${presence?.prefix ?? "executor_"}${randomHex(random, 8)}`;
  // Both errors go to the console.
  const onError: OnError = guarded(report, (failure, of) =>
    console.error(failure, "while onError was called with", of),
  );
  const inFlight = { count: 0 };
  const store = typedStore(bare);
  const instrumentation = telemetry && instrumentOf(telemetry)(store, onError);
  const ready = presence?.announce(executorId) ?? Promise.resolve();
  // Each commit awaits it, and fails with its error.
  ready.catch(() => undefined);
  const observed = instrumentation?.store ?? store;
  const admission = quota && guardOf(quota)(observed, clock.now);
  const host: Host = {
    maxStateBytes: 32 * 1024 * 1024,
    maxStateValues: 500_000,
    leaseMs: 30_000,
    holdMs: 5_000,
    passMs: Number.POSITIVE_INFINITY,
    bodyQuietMs: 30_000,
    notifier: localNotifier(),
    ...rest,
    ...present({ instrumentation, admission, presence }),
    ...{ store: observed, capabilities, clock, random, ready, inFlight, onError },
    executor: executorId,
    ...present({ isSpent: isSpent && (() => isSpent(inFlight.count) === true) }),
  };
  const keptAlive = background && guarded(background, (failure) => onError(failure));
  const executor = read("skills", () => new Executor(host, registry, executes, keptAlive));
  const place = { host, executor };
  /** The drains under way. */
  const draining = new Set<Promise<unknown>>();
  const executing = async <T>(work: () => Promise<T>): Promise<T> => {
    if (!executor.executes) {
      const why = executor.stopped.aborted ? "was stopped" : "has `executes: false`";
      throw new DurableError("unsupported", `this runtime ${why}: drain with another`);
    }
    const done = work();
    draining.add(done);
    return done.finally(() => draining.delete(done));
  };
  /** Ends what this runtime does unasked. */
  const unasked = new AbortController();
  if (serves && executes) executing(() => serve(place, unasked, true)).catch(onError);
  return {
    for: (tenant) => new Runs({ ...place, tenant: parseTenantId(tenant) }),
    drain: (options = {}) => executing(() => drain(place, options)),
    serve: (options) => {
      unasked.abort();
      return executing(() => serve(place, options));
    },
    idle: () => executor.idle(),
    async stop() {
      executor.abandon();
      const idle = new AbortController();
      const answered = Promise.all([executor.idle(), Promise.allSettled(draining)]).then(() => idle.abort("idle"));
      await Promise.race([answered, host.clock.sleep(host.leaseMs, idle.signal)]);
      if (!idle.signal.aborted) onError(new DurableError("store_failed", "the store did not answer in time"));
      presence?.release();
      host.notifier.close();
    },
  };
}

/** The bytes of a caller's `random`, which may return anything. */
function checkedRandom(fill: RandomBytes): RandomBytes {
  return (length) =>
    expectKind(fill(length), [`${length} bytes`, (value) => (value as Uint8Array).byteLength === length], "random");
}

/** A caller's function that may throw, or return a promise that rejects: neither must break a run. */
function guarded<Args extends readonly unknown[]>(
  call: (...args: Args) => unknown,
  failed: (failure: unknown, first: Args[0]) => void,
): (...args: Args) => void {
  return (...args) => {
    const fail = (failure: unknown) => failed(failure, args[0]);
    try {
      const done = call(...args);
      if (done instanceof Promise) done.catch(fail);
    } catch (failure) {
      fail(failure);
    }
  };
}
