import type { AttemptOutcome } from "../engine/attempt.ts";
import type { Host } from "../engine/host.ts";
import { DurableError } from "../errors.ts";
import type { Change, WriteOutcome } from "../journal/held.ts";
import type { Json } from "../json.ts";
import type { RunRecord } from "../record/run.ts";
import type { CapabilityDefinition, StepContext } from "../skills/capability.ts";
import type { Store } from "../store.ts";
import type { TelemetryHooks } from "./telemetry.ts";

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
  throw new DurableError("invalid_definition", "telemetry: expected what defineTelemetry(hooks) gives", {
    path: "telemetry",
  });
}

/** Told what a runtime does. Work that it is given it does once, and gives back what came of it. */
export interface Instrumentation {
  /** The store, with its calls measured. */
  readonly store: Store;
  pass(host: Host, record: RunRecord<Json>): MeasuredPass;
  /** `drain` is given the host that it is to use. */
  drain<T>(host: Host, drain: (host: Host) => Promise<T>): Promise<T>;
  /** The due runs that a drain saw. */
  drained(seen: { readonly taken: number; readonly passedOver: number; readonly left: number }): void;
  attempt(
    definition: CapabilityDefinition,
    context: StepContext,
    call: () => Promise<AttemptOutcome>,
  ): Promise<AttemptOutcome>;
  commit<T extends Pick<WriteOutcome, "kind">>(deliver: () => Promise<T>): Promise<T>;
  /** What a commit has added to a run's history, so that what is measured agrees with what is remembered. */
  written(change: Change): void;
  leaseLost(skillId: string): void;
}

/** A pass that is measured. */
export interface MeasuredPass {
  /** The host, as the pass is to use it: what it asks of the store stands below the pass. */
  readonly host: Host;
  within<T>(work: () => Promise<T>): Promise<T>;
  end(record: RunRecord<Json>, how: { readonly isLost: boolean; readonly failure: unknown }): void;
}
