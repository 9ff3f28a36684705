import type { Duration } from "../../duration.ts";
import type { StepSpec } from "../../engine/kernel.ts";
import type { Pass, StepOutcome } from "../../engine/pass.ts";
import type { Json } from "../../json.ts";
import type { Fields } from "../../record/state.ts";
import type { Retries } from "../../retry.ts";
import type { AnyCapability, Capability } from "../capability.ts";

// What a skill holds of its graph, apart from how it is defined: a step of a definition may name another skill.

/** The values that a `when` function may read. Fresh copies: changing them changes nothing. */
export interface Scope {
  readonly inputs: Fields;
  readonly vars: Fields;
  readonly outputs: Fields;
}

/** A graph in which every reference is known to lead to a value. Made by `parseGraph`. */
export interface Graph {
  /** Each step comes after those on which it depends. */
  readonly steps: readonly PlannedStep[];
}

/** A step as it is executed. */
export interface PlannedStep {
  readonly id: string;
  readonly does: StepAction;
  readonly dependsOn: readonly string[];
  readonly when?: Reference | ((scope: Scope) => boolean);
  /** What a `when` function must not read, such as `vars.draft`: a parallel step may write it. */
  readonly hidden: ReadonlySet<string>;
  readonly outputs: readonly Output[];
  readonly onFailure: "fail" | "continue";
  /** As in the lists of the state, such as `inputs.text`. */
  readonly reads: readonly string[];
  readonly writes: readonly string[];
}

export type StepAction =
  | {
      readonly kind: "capability";
      readonly capabilityId: string;
      /** Called if no capability is registered under the id. */
      readonly capability?: AnyCapability;
      readonly input: InputMapping;
      readonly retries?: Retries;
      readonly timeout?: Duration;
    }
  | { readonly kind: "signal"; readonly name: string; readonly timeoutMs?: number }
  | { readonly kind: "sleep"; readonly forMs: number }
  | ({ readonly kind: "run"; readonly input: InputMapping } & RunAction);

/** A step that starts a run. The kind of steps that brings it executes it. */
export interface RunAction {
  /** As in records. */
  readonly uses: string;
  /** Takes the step as far as possible now, with that input. */
  readonly take: (pass: Pass, step: StepSpec, input: Json) => Promise<StepOutcome>;
}

/** The capability as a step of that pass calls it. */
export type Handle = (pass: Pass, capability: Capability) => Capability;

type Root = "inputs" | "vars" | "outputs";
export type InputMapping =
  | ParsedSource
  | { readonly kind: "properties"; readonly of: readonly [string, ParsedSource][] };
export type ParsedSource = Reference | { readonly kind: "literal"; readonly json: Json };

export interface Reference {
  readonly kind: "reference";
  readonly root: Root;
  readonly path: readonly string[];
  readonly text: string;
}

export interface Output {
  /** Absent for the whole output. */
  readonly property?: string;
  readonly root: "vars" | "outputs";
  readonly name: string;
}
