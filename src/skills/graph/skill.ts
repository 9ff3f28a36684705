import { invalidDefinition } from "../../errors.ts";
import type { Fields } from "../../record/state.ts";
import type { Capability, CapabilityRegistry } from "../capability.ts";
import type { StepKind } from "../code/step-kind.ts";
import { type InputsOf, type Skill, type SkillBody, type SkillDefinition, skillWith } from "../skill.ts";
import { type GraphStep, parseGraph, type Source } from "./graph.ts";
import type { Graph } from "./planned.ts";
import { runGraph } from "./run.ts";

/** A skill as a graph of steps. */
export interface GraphSkillDefinition<Given = unknown> extends SkillDefinition<unknown, Given> {
  /** Kinds of steps beside those that each graph has: `childRuns`. */
  readonly uses?: readonly StepKind[];
  readonly steps: readonly GraphStep[];
}

/**
 * Steps whose mappings fit the declarations of their capabilities, as far as types can express it: a step that uses a
 * capability itself, not its id, maps every property of its input, no other property, and no property that its output
 * lacks. The same holds for a step that runs a skill itself.
 */
export type CheckedSteps<Steps extends readonly GraphStep[]> = {
  readonly [Index in keyof Steps]: CheckedStep<Steps[Index]>;
};

/** One step of {@link CheckedSteps}. */
export type CheckedStep<Step> = [UnknownMember<Step>] extends [never]
  ? FittingStep<Step>
  : Step & Without<UnknownMember<Step>>;

/** Unknown members of a step. TypeScript does not check a literal of a generic type for excess properties. */
export type UnknownMember<Step> = Exclude<keyof Step, MemberOf<GraphStep>>;

/** The names of all members of a union of step types. */
export type MemberOf<Step> = Step extends unknown ? keyof Step : never;

/** The step, if its mappings fit its capability or skill. */
export type FittingStep<Step> = Step extends { readonly uses: Capability<infer Input, infer Output> }
  ? Step & {
      readonly input?: Source | CheckedInput<Input, Step extends { readonly input: infer Given } ? Given : unknown>;
      readonly output?: string | CheckedOutput<Output, Step extends { readonly output: infer Given } ? Given : unknown>;
    }
  : Step extends { readonly run: Skill<infer Inputs, infer Result> }
    ? Step & FittingRun<ChildInputs<Inputs>, Step extends { readonly wait: false } ? StartedRun : Result, Step>
    : Step;

/** The mappings of a step that runs a skill. */
export interface FittingRun<Inputs, Result, Step> {
  readonly input?: Source | CheckedInput<Inputs, Step extends { readonly input: infer Given } ? Given : unknown>;
  readonly output?:
    | string
    | (unknown extends Result
        ? Readonly<Record<string, string>>
        : CheckedOutput<Result, Step extends { readonly output: infer Given } ? Given : unknown>);
}

/** The inputs of a skill; any fields if its type does not specify them. */
export type ChildInputs<Inputs> = unknown extends Inputs ? Fields : InputsOf<Inputs>;

/** The output of a step that does not wait for its child. */
export interface StartedRun {
  readonly runId: unknown;
}

/** An input mapping that names the fields of the capability's input. */
export type CheckedInput<Input, Given> = { readonly [Name in keyof Input]: Source } & Without<
  Exclude<keyof Given, keyof Input>
>;
/** An output mapping that names fields of the capability's output. */
export type CheckedOutput<Output, Given> = { readonly [Name in keyof Output]?: string } & Without<
  Exclude<keyof Given, keyof Output>
>;
/** An object without these fields. */
export type Without<Names extends PropertyKey> = { readonly [Name in Names]?: never };

/**
 * Defines a skill as a graph of steps. The graph is checked here, so that a run never meets an unknown reference or a
 * cycle. The result of a run is its outputs.
 *
 * @example
 * ```ts
 * import { defineCapability, defineGraphSkill } from "orca-durable";
 *
 * const draft = defineCapability({ id: "draft", version: "1" }, ({ to }: { to: string }) => ({ text: `Dear ${to}, …` }));
 *
 * export const letter = defineGraphSkill({
 *   id: "letter",
 *   version: "1",
 *   steps: [{ id: "draft", uses: draft, input: { to: "inputs.to" }, output: { text: "outputs.text" } }],
 * });
 * ```
 *
 * @throws `invalid_definition` that names the place.
 */
export function defineGraphSkill<const Steps extends readonly GraphStep[], Given = Fields>(
  definition: Omit<GraphSkillDefinition<Given>, "steps"> & { readonly steps: Steps & CheckedSteps<Steps> },
): Skill<Given, Fields> {
  const skill: Skill = skillWith(definition, (path) => {
    const { steps, uses = [] } = definition;
    const other = uses.find(({ parseRun, handle }) => (parseRun ?? handle) === undefined);
    if (other !== undefined) throw invalidDefinition(`${path}.uses`, `a graph has no steps of ${other.name}`);
    const graph = parseGraph(steps, `${path}.steps`, uses.find(({ parseRun }) => parseRun)?.parseRun);
    const handle = uses.find(({ handle }) => handle)?.handle;
    const check = checkCapabilities.bind(undefined, graph);
    const body: SkillBody = { kind: "graph", graph, check, execute: (pass) => runGraph(pass, graph, handle) };
    return Object.assign(body, ...uses.map(({ parts }) => parts));
  });
  return skill as Skill<Given, Fields>;
}

function checkCapabilities({ steps }: Graph, capabilities: CapabilityRegistry, skillId: string): void {
  for (const { id, does } of steps) {
    if (does.kind !== "capability" || does.capability !== undefined) continue;
    if (capabilities.find(does.capabilityId) === undefined) {
      throw invalidDefinition(
        `skill "${skillId}"`,
        `step "${id}" uses capability "${does.capabilityId}", which is not registered`,
      );
    }
  }
}
