import type { Json, Kind } from "../json.ts";
import type { NewEvent } from "../record/event.ts";
import type { Run } from "../record/run.ts";
import type { ExecutionState } from "../record/state.ts";
import type { Store } from "../store.ts";
import type { Failure, TelemetryHooks } from "./telemetry.ts";

/**
 * Brand that marks the result of `defineTelemetry`, also of another copy of this package, so that plain hooks are
 * rejected.
 */
export const instrument: unique symbol = Symbol.for("orca-durable.instrument");

/**
 * Hooks together with the code that calls them. Made by `defineTelemetry`, so that only programs that measure carry that
 * code.
 */
export interface Telemetry {
  readonly hooks: TelemetryHooks;
  /** An `Instrument`, which is no part of the public types. */
  readonly [instrument]: unknown;
}

/** Begins to measure a runtime over that store. `onError` is called with what a hook throws. */
export type Instrument = (store: Store, onError: (error: unknown) => void) => Instrumentation;

/** {@link aTelemetry} has seen that `defineTelemetry` made it. */
export function instrumentOf(telemetry: Telemetry): Instrument {
  return telemetry[instrument] as Instrument;
}

/** What `defineTelemetry` returns, and no plain hooks. */
export const aTelemetry: Kind = [
  "the result of defineTelemetry(hooks)",
  (value) => {
    const { hooks, [instrument]: made } = value as Telemetry;
    return typeof hooks === "object" && typeof made === "function";
  },
];

/** Observes what a runtime does. It runs the work that it is called with once, and returns its outcome. */
export interface Instrumentation {
  /** The store, with its calls measured. */
  readonly store: Store;
  /** Begins a pass of that executor over a run. */
  pass(executor: string, run: Run<Json>): MeasuredPass;
  /** Measures a drain of that executor. The drain uses the instrumentation that it is called with. */
  drain<T>(executor: string, drain: (below: Instrumentation) => Promise<T>): Promise<T>;
  /** The due runs that a drain saw. */
  drained(seen: { readonly taken: number; readonly passedOver: number; readonly left: number }): void;
  /** One call of an action, by the action's name; `failureOf` recognizes a failure. */
  attempt<T>(
    uses: string,
    context: { readonly runId: string; readonly stepId: string; readonly attempt: number },
    call: () => Promise<T>,
    failureOf: (outcome: T) => Failure | undefined,
  ): Promise<T>;
  commit<T extends { readonly kind: string }>(deliver: () => Promise<T>): Promise<T>;
  /** What a commit has added to a run's history, so that measurements agree with the history. */
  written(change: WrittenChange): void;
  leaseLost(skillId: string): void;
}

/** The part of a commit that is measured. */
export interface WrittenChange {
  readonly record: { readonly run: Run<Json> };
  readonly events: readonly NewEvent<Json>[];
  readonly checkpoint?: { readonly state: ExecutionState<Json> };
}

/** A pass that is measured. */
export interface MeasuredPass {
  /** What the pass must use, so that its store calls are below it in the trace. */
  readonly below: Instrumentation;
  within<T>(work: () => Promise<T>): Promise<T>;
  end(run: Run<Json>, how: { readonly isLost: boolean; readonly failure: unknown }): void;
}

/** The host for work below that instrumentation. */
export function measured<H extends { readonly store: Store; readonly instrumentation?: Instrumentation }>(
  host: H,
  below: Instrumentation,
): H {
  return { ...host, store: below.store, instrumentation: below };
}
