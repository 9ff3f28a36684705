import type { CapabilityRegistry } from "./capability.ts";
import { DurableError, notFound } from "./errors.ts";
import { type Graph, type GraphStep, parseGraph } from "./graph.ts";
import { isId } from "./ids.ts";
import type { Schema } from "./schema.ts";

/** What a run executes. Made by {@link defineSkill}. */
export interface Skill {
  readonly id: string;
  readonly version: string;
  readonly description?: string;
  readonly inputs?: Schema;
  readonly body: SkillBody;
}

export type SkillBody = { readonly kind: "graph"; readonly graph: Graph };

export interface GraphSkillDefinition {
  /** Printable ASCII, such as `text.digest`. */
  readonly id: string;
  readonly version: string;
  readonly description?: string;
  /** Checked when a run is created. */
  readonly inputs?: Schema;
  readonly steps: readonly GraphStep[];
}

/**
 * Defines a skill. It is checked here, so that a run never meets an unknown reference or a cycle.
 *
 * @throws `invalid_definition` that names the place.
 */
export function defineSkill(definition: GraphSkillDefinition): Skill {
  const { id, version, description, inputs, steps } = definition;
  const path = `skill "${id}"`;
  if (!isId(id))
    throw new DurableError("invalid_definition", `${path}: its id is not 1 to 200 printable ASCII characters`);
  if (!isId(version)) throw new DurableError("invalid_definition", `${path}: it has no version`);
  return Object.freeze({
    id,
    version,
    ...(description === undefined ? {} : { description }),
    ...(inputs === undefined ? {} : { inputs }),
    body: { kind: "graph" as const, graph: parseGraph(steps, `${path}.steps`) },
  });
}

/** The skills that are bound here, by id and version. */
export class SkillRegistry {
  private readonly byId = new Map<string, Map<string, Skill>>();

  /** @throws `invalid_definition` where two have one id and version, or one uses a capability that is not there. */
  constructor(skills: readonly Skill[], capabilities: CapabilityRegistry) {
    for (const skill of skills) {
      const versions = this.byId.get(skill.id) ?? new Map<string, Skill>();
      if (versions.has(skill.version)) {
        throw new DurableError("invalid_definition", `skill "${skill.id}" version ${skill.version} is there twice`);
      }
      this.byId.set(skill.id, versions.set(skill.version, skill));
      for (const { id, does } of skill.body.graph.steps) {
        if (does.kind === "capability" && capabilities.find(does.capabilityId) === undefined) {
          throw new DurableError(
            "invalid_definition",
            `skill "${skill.id}": step "${id}" uses capability "${does.capabilityId}", which is not registered`,
          );
        }
      }
    }
  }

  /** The skill of that version; of the version registered last where none is given. */
  find(id: string, version?: string): Skill | undefined {
    const versions = this.byId.get(id);
    return version === undefined ? [...(versions?.values() ?? [])].at(-1) : versions?.get(version);
  }

  /** @throws `not_found` that names the skill. */
  get(id: string, version?: string): Skill {
    const skill = this.find(id, version);
    if (skill !== undefined) return skill;
    const name = version === undefined ? `"${id}"` : `"${id}" version ${version}`;
    throw notFound("skill", `skill ${name} is not registered here`);
  }
}
