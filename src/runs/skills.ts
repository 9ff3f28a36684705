import { present } from "../json.ts";
import type { Skill } from "../skills/skill.ts";
import type { ListedSkill } from "./api.ts";

/** The skills by their id, each as its last version describes it. */
export function listedSkills(skills: readonly Skill[]): readonly ListedSkill[] {
  const listed = new Map<string, ListedSkill>();
  for (const { id: skillId, version, description, body } of skills) {
    const versions = [...(listed.get(skillId)?.versions ?? []), version];
    const steps =
      body.kind === "graph" ? body.graph.steps.map(({ id, dependsOn }) => ({ stepId: id, dependsOn })) : undefined;
    listed.set(skillId, { skillId, versions, form: body.kind, ...present({ description, steps }) });
  }
  return [...listed.values()];
}
