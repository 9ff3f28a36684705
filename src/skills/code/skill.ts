import { invalidDefinition } from "../../errors.ts";
import { type Skill, type SkillBody, type SkillDefinition, skillWith } from "../skill.ts";
import { runCode } from "./run.ts";
import type { StepKind, StepsOf } from "./step-kind.ts";
import type { WorkflowBody } from "./workflow.ts";

/** A skill as an async function over durable steps. */
export interface CodeSkillDefinition<Inputs, Result, Given = Inputs, Uses extends readonly StepKind[] = readonly []>
  extends SkillDefinition<Inputs, Given> {
  /** Kinds of steps that `run` calls beside those that each body has. */
  readonly uses?: Uses;
  readonly run: WorkflowBody<Inputs, Result, StepsOf<Uses>>;
}

/**
 * Defines a skill as an async function over durable steps. Use `defineGraphSkill` for a graph of steps. The skill
 * remembers its types: `runs.start(skill, inputs)` checks the inputs, and `runs.result(skill, runId)` has the type of
 * the return value of `run`. If `inputs` is a schema that transforms, a start is called with the schema's input, and
 * `run` with its output.
 *
 * @example
 * ```ts
 * import { defineSkill } from "orca-durable";
 *
 * export const letter = defineSkill({
 *   id: "letter",
 *   version: "1",
 *   async run(step, { to }: { to: string }) {
 *     const text = await step.do("draft", async () => `Dear ${to}, …`);
 *     await step.waitForApproval("sign");
 *     return step.do("send", { sideEffects: "external_action" }, async () => ({ sent: text }));
 *   },
 * });
 * ```
 *
 * @throws `invalid_definition` that names the place.
 */
export function defineSkill<
  Inputs = unknown,
  Result = unknown,
  Given = Inputs,
  const Uses extends readonly StepKind[] = readonly [],
>(definition: CodeSkillDefinition<Inputs, Result, Given, Uses>): Skill<Given, Result> {
  const skill = skillWith(definition, (path) => {
    const { run, uses = [] } = definition;
    if (typeof run !== "function") {
      throw invalidDefinition(path, "expected a run function");
    }
    const body = codeBody(uses.reduce((body, kind) => kind.extend(body), asUntyped(run)));
    return Object.assign(body, ...uses.map(({ parts }) => parts));
  });
  return ofTypes(skill);
}

/** The body of a code-first skill. */
export function codeBody(run: WorkflowBody): SkillBody {
  return { kind: "code", run, execute: (pass) => runCode(pass, run) };
}

// A run's inputs were checked by the skill's schema, or have the types that its author declares.
function asUntyped<I, R, S>(run: WorkflowBody<I, R, S>): WorkflowBody {
  return run as unknown as WorkflowBody;
}

// The types of a skill are those of its definition; at run time they do not exist.
function ofTypes<Inputs, Result>(skill: Skill): Skill<Inputs, Result> {
  return skill as unknown as Skill<Inputs, Result>;
}
