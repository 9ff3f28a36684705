import { DurableError } from "../../errors.ts";
import { type Skill, type SkillBody, type SkillDefinition, skillWith } from "../skill.ts";
import { runCode } from "./run.ts";
import type { WorkflowBody } from "./workflow.ts";

/** A skill as an async function over durable steps. */
export interface CodeSkillDefinition<Inputs, Result> extends SkillDefinition<Inputs> {
  readonly run: WorkflowBody<Inputs, Result>;
}

/**
 * Defines a skill as an async function over durable steps. `defineGraphSkill` makes one of a graph.
 *
 * @throws `invalid_definition` that names the place.
 */
export function defineSkill<Inputs = unknown, Result = unknown>(
  definition: CodeSkillDefinition<Inputs, Result>,
): Skill {
  const { run } = definition;
  return skillWith(definition, (path) => {
    if (typeof run !== "function") {
      throw new DurableError("invalid_definition", `${path}: expected a run function`, {
        hint: "a graph of steps is defined by defineGraphSkill",
      });
    }
    return codeBody(asUntyped(run));
  });
}

/** The body of a code-first skill. */
export function codeBody(run: WorkflowBody): SkillBody {
  return { kind: "code", run, execute: (pass) => runCode(pass, run) };
}

// A run's inputs were checked by the skill's schema, or are what its author says they are.
function asUntyped<I, R>(run: WorkflowBody<I, R>): WorkflowBody {
  return run as unknown as WorkflowBody;
}
