import { DurableError } from "../errors.ts";
import type { Json } from "../json.ts";
import type { NewEvent } from "../record/event.ts";
import type { Run } from "../record/run.ts";
import type { ExecutionState } from "../record/state.ts";
import type { Store } from "../store.ts";
import type { Failure, TelemetryHooks } from "./telemetry.ts";

/** By this `defineTelemetry` gives what it made, so that nobody takes bare hooks for it; of any copy of this package. */
export const instrument: unique symbol = Symbol.for("orca-durable.instrument");

/** Hooks, with what tells them of a runtime. Made by `defineTelemetry`, so that only who measures carries that. */
export interface Telemetry {
  readonly hooks: TelemetryHooks;
  readonly [instrument]: (store: Store, onError: (error: unknown) => void) => Instrumentation;
}

/** @throws `invalid_definition` where it is none, such as bare hooks. */
export function checkTelemetry(telemetry: Telemetry | undefined): void {
  if (telemetry === undefined || typeof telemetry[instrument] === "function") return;
  throw new DurableError("invalid_definition", "telemetry: expected the result of defineTelemetry(hooks)", {
    path: "telemetry",
  });
}

/** Called with what a runtime does. Work that it is given it does once, and returns what came of it. */
export interface Instrumentation {
  /** The store, with its calls measured. */
  readonly store: Store;
  /** Begins a pass of that executor over a run. */
  pass(executor: string, run: Run<Json>): MeasuredPass;
  /** Measures a drain of that executor, which uses the instrumentation that it is given. */
  drain<T>(executor: string, drain: (below: Instrumentation) => Promise<T>): Promise<T>;
  /** The due runs that a drain saw. */
  drained(seen: { readonly taken: number; readonly passedOver: number; readonly left: number }): void;
  /** One call of what a step calls, by its name; `failureOf` says whether it failed. */
  attempt<T>(
    uses: string,
    context: { readonly runId: string; readonly stepId: string; readonly attempt: number },
    call: () => Promise<T>,
    failureOf: (outcome: T) => Failure | undefined,
  ): Promise<T>;
  commit<T extends { readonly kind: string }>(deliver: () => Promise<T>): Promise<T>;
  /** What a commit has added to a run's history, so that what is measured agrees with what is remembered. */
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
  /** What the pass is to use, so that what it asks of the store stands below it. */
  readonly below: Instrumentation;
  within<T>(work: () => Promise<T>): Promise<T>;
  end(run: Run<Json>, how: { readonly isLost: boolean; readonly failure: unknown }): void;
}

/** The host, as work below that instrumentation is to use it. */
export function measured<H extends { readonly store: Store; readonly instrumentation?: Instrumentation }>(
  host: H,
  below: Instrumentation,
): H {
  return { ...host, store: below.store, instrumentation: below };
}
