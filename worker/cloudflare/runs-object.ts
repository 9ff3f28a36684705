import { durableObjectStore, ObjectAlarm } from "../../adapters/durable-object/index.ts";
import { aFunction, anObject, given, type Kinds, needed } from "../../src/argument.ts";
import type { Presence } from "../../src/engine/presence.ts";
import {
  type AnyCapability,
  createRuntime,
  localNotifier,
  type OnError,
  type Runtime,
  type Skill,
} from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import type { Telemetry } from "../../src/telemetry/index.ts";
import { aTelemetry } from "../../src/telemetry/instrumentation.ts";
import { createApp, type ScheduleApi } from "../http/index.ts";
import { logError } from "../http/middleware/failure.ts";
import { forwardedCaller } from "./forwarded.ts";
import type { ObjectState } from "./platform.ts";
import { aSource, type Source, sourced } from "./sources.ts";

/** The options of `runsObject`. */
export interface RunsObjectOptions<Bindings> {
  /** The skills, or a function of the bindings that returns them. */
  readonly skills: Source<Skill, Bindings>;
  /** The capabilities, or a function of the bindings that returns them. */
  readonly capabilities?: Source<AnyCapability, Bindings>;
  /** The routes to schedules: `scheduleApi` of `orca-durable/schedules/http`. The front needs them too. */
  readonly schedules?: ScheduleApi;
  /** As for `createWorker`. */
  readonly onError?: OnError;
  /** As for `createWorker`. */
  readonly telemetry?: Telemetry;
}

/** A Durable Object with the runs of one tenant. */
export interface RunsObject {
  fetch(request: Request): Response | Promise<Response>;
  alarm(): Promise<void>;
}

const optionKinds: Kinds<RunsObjectOptions<object>> = {
  skills: needed(aSource),
  capabilities: aSource,
  schedules: anObject,
  onError: aFunction,
  telemetry: aTelemetry,
};

/** How often an object has an alarm while it executes runs, in milliseconds: after a crash the next one brings a new instance. */
const heartbeatMs = 10_000;
/** Long, since no other executor waits for a lease to lapse. */
const leaseMs = 120_000;
/** An alarm or a request keeps an object up for 15 minutes. */
const passMs = 10 * 60_000;
/** The first and the longest pause before due runs that no executor could take are looked at again, in milliseconds. */
const pauses = { first: 2_000, longest: 60_000 } as const;
const concurrency = 16;
/** How long one run is taken up alone after a start, in milliseconds. */
const aloneMs = 1_000;
const noTime = 8.64e15;

/**
 * The class of a Durable Object that has the runs of one tenant in its SQLite, and executes them: the same API as `createWorker`, behind
 * {@link createFront}. Name it in `new_sqlite_classes`.
 *
 * @example
 * ```ts
 * import { createFront, runsObject } from "orca-durable/cloudflare";
 * import { capabilities, skills } from "./skills.ts";
 *
 * export default createFront();
 * export class Runs extends runsObject({ skills, capabilities }) {}
 * ```
 */
export function runsObject<Bindings extends object = object>(
  options: RunsObjectOptions<Bindings>,
): new (
  state: ObjectState,
  env: Bindings,
) => RunsObject {
  const checked = given(options as RunsObjectOptions<object>, optionKinds) as RunsObjectOptions<Bindings>;
  const { skills, capabilities = [], schedules, onError = logError, telemetry } = checked;
  return class implements RunsObject {
    readonly #env: Bindings;
    readonly #state: ObjectState;
    readonly #keeper: Keeper;
    readonly #app;

    constructor(state: ObjectState, env: Bindings) {
      this.#env = env;
      this.#state = state;
      const keeper = new Keeper(state, onError, (store, background) =>
        createRuntime({
          store,
          skills: sourced(skills, env),
          capabilities: sourced(capabilities, env),
          leaseMs,
          passMs,
          presence: soleExecutor,
          notifier: localNotifier(),
          serves: false,
          background,
          onError,
          telemetry,
        }),
      );
      this.#keeper = keeper;
      this.#app = createApp<Bindings>({
        authenticate: ({ request }) => forwardedCaller(request),
        runs: (tenant) => keeper.runtime.for(tenant),
        schedules,
        onError,
        telemetry,
      });
      void state.blockConcurrencyWhile(() => keeper.begin());
    }

    fetch(request: Request): Response | Promise<Response> {
      const waitUntil = (work: Promise<unknown>) => this.#state.waitUntil(work);
      return this.#app.fetch(request, this.#env, { waitUntil, passThroughOnException: () => {}, props: {} });
    }

    alarm(): Promise<void> {
      return this.#keeper.alarm();
    }
  };
}

/** An object has one instance: any other executor that holds a lease is an earlier one. */
const soleExecutor: Presence = {
  prefix: "object_",
  announce: async () => {},
  isGone: async () => true,
  whenGone: async () => {},
  release: () => {},
};

/**
 * Keeps the time of an object. Its alarm is armed by the commits of runs that are due at a time, here for what is left over, and while
 * anything is executed as a heartbeat: a new instance takes up what the one before had.
 */
class Keeper {
  readonly runtime: Runtime;
  readonly #state: ObjectState;
  readonly #onError: OnError;
  readonly #alarm: ObjectAlarm;
  readonly #store: Store;
  /** The passes and the drains under way. */
  #executing = 0;
  #drains = 0;
  /** How many runs may be executed side by side: one at first. */
  #concurrency = 1;
  #pauseMs: number = pauses.first;

  constructor(
    state: ObjectState,
    onError: OnError,
    runtimeOf: (store: Store, background: (work: Promise<void>) => void) => Runtime,
  ) {
    this.#state = state;
    this.#onError = (error) => {
      try {
        onError(error);
      } catch (thrown) {
        logError(thrown);
        logError(error);
      }
    };
    this.#alarm = new ObjectAlarm(state.storage);
    this.#store = durableObjectStore(state.storage, this.#alarm);
    this.runtime = runtimeOf(this.#store, (work) => this.#keepAwake(work));
  }

  /** Begins to take up what the instance before had. */
  async begin(): Promise<void> {
    await this.#alarm.ready();
    this.#state.waitUntil(this.#takeUp());
  }

  /** Never throws, since the platform gives an alarm up that does, and awaits no pass: until it returns no other alarm comes. */
  async alarm(): Promise<void> {
    try {
      await this.#alarm.ready();
      this.#alarm.spent();
      this.#state.waitUntil(this.#drain());
    } catch (error) {
      this.#onError(error);
    } finally {
      await this.#arm();
    }
  }

  #keepAwake(work: Promise<void>): void {
    this.#executing += 1;
    this.#state.waitUntil(
      work.finally(() => {
        this.#executing -= 1;
      }),
    );
    // The commit that took the lease has armed the alarm for its end.
    if (this.#executing === 1) void this.#armFor(Date.now() + heartbeatMs);
  }

  /**
   * Takes the runs of an earlier instance: at first one, and one more beside it each second. So a run that brings down its object each
   * time uses up its own recoveries, and not those of the others.
   */
  async #takeUp(): Promise<void> {
    for (let isOver = false; !isOver && this.#concurrency < concurrency; this.#concurrency += 1) {
      const drained = this.#drain().then(() => {
        isOver = true;
      });
      await Promise.race([drained, new Promise((resolve) => setTimeout(resolve, aloneMs))]);
    }
    this.#concurrency = concurrency;
  }

  /** Executes what is due. Never rejects. */
  async #drain(): Promise<void> {
    this.#drains += 1;
    try {
      // An object has one tenant, which its rows name.
      const [first] = await this.#store.dueRuns({ now: noTime, limit: 1 });
      if (first === undefined) return;
      const { taken } = await this.runtime.drain({ tenant: first.tenant, concurrency: this.#concurrency });
      if (taken > 0) this.#pauseMs = pauses.first;
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#drains -= 1;
      await this.#arm();
    }
  }

  /** Arms the alarm for what comes next. */
  async #arm(): Promise<void> {
    try {
      const now = Date.now();
      const [first] = await this.#store.dueRuns({ now: noTime, limit: 1 });
      const isLeft = first?.dueAt !== undefined && first.dueAt <= now;
      const [next] = isLeft
        ? await this.#store.dueRuns({ now: noTime, limit: 1, after: { dueAt: now, tenant: first.tenant, runId: "~" } })
        : [first];
      const times = [next?.dueAt ?? noTime];
      if (this.#executing > 0 || (isLeft && this.#drains > 0)) times.push(now + heartbeatMs);
      else if (isLeft) {
        times.push(now + this.#pauseMs);
        this.#pauseMs = Math.min(2 * this.#pauseMs, pauses.longest);
      }
      const time = Math.min(...times);
      if (time < noTime) await this.#armFor(time);
    } catch (error) {
      // The medium may be back then.
      this.#onError(error);
      await this.#armFor(Date.now() + pauses.longest);
    }
  }

  async #armFor(time: number): Promise<void> {
    try {
      await this.#alarm.armed(time, () => {});
    } catch (error) {
      this.#onError(error);
    }
  }
}
