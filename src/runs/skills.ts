import { present } from "../present.ts";
import type { Skill } from "../skills/skill.ts";
import type { ListedSkill } from "./api.ts";

/** The skills by their id, each as its last version describes it. */
export function listedSkills(skills: readonly Skill[]): readonly ListedSkill[] {
  return [...Map.groupBy(skills, ({ id }) => id)].flatMap(([skillId, all]) => {
    const latest = all.at(-1);
    if (latest === undefined) return [];
    const { body, description } = latest;
    const graph = body.kind === "graph" ? body.graph.steps : undefined;
    const steps = graph?.map(({ id, dependsOn }) => ({ stepId: id, dependsOn }));
    return {
      skillId,
      versions: all.map(({ version }) => version),
      form: body.kind,
      ...present({ description, steps }),
    };
  });
}
