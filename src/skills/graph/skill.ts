import { type Skill, type SkillDefinition, skillWith } from "../skill.ts";
import { type GraphStep, parseGraph } from "./graph.ts";
import { runGraph } from "./run.ts";

/** A skill as a graph of steps. */
export interface GraphSkillDefinition extends SkillDefinition<unknown> {
  readonly steps: readonly GraphStep[];
}

/**
 * Defines a skill as a graph of steps. The graph is checked here, so that a run never meets an unknown reference or a cycle.
 *
 * @throws `invalid_definition` that names the place.
 */
export function defineGraphSkill(definition: GraphSkillDefinition): Skill {
  return skillWith(definition, (path) => {
    const graph = parseGraph(definition.steps, `${path}.steps`);
    return { kind: "graph", graph, execute: (pass) => runGraph(pass, graph) };
  });
}
