import type { CapabilityRegistry } from "./capability.ts";
import { DurableError, notFound } from "./errors.ts";
import { type Graph, type GraphStep, parseGraph } from "./graph.ts";
import { isId } from "./ids.ts";
import type { Schema } from "./schema.ts";
import type { WorkflowBody } from "./workflow.ts";

/** What a run executes. Made by {@link defineSkill}. */
export interface Skill {
  readonly id: string;
  readonly version: string;
  readonly description?: string;
  readonly inputs?: Schema;
  readonly body: SkillBody;
}

export type SkillBody =
  | { readonly kind: "graph"; readonly graph: Graph }
  | { readonly kind: "code"; readonly run: WorkflowBody };

interface SkillDefinition<Inputs> {
  /** Printable ASCII, such as `text.digest`. */
  readonly id: string;
  readonly version: string;
  readonly description?: string;
  /** Checked when a run is created. */
  readonly inputs?: Schema<Inputs>;
}

/** A skill as a graph of steps. */
export interface GraphSkillDefinition extends SkillDefinition<unknown> {
  readonly steps: readonly GraphStep[];
}

/** A skill as an async function over durable steps. */
export interface CodeSkillDefinition<Inputs, Result> extends SkillDefinition<Inputs> {
  readonly run: WorkflowBody<Inputs, Result>;
}

/**
 * Defines a skill in one of two forms. A graph is checked here, so that a run never meets an unknown reference or a cycle.
 *
 * @throws `invalid_definition` that names the place.
 */
export function defineSkill<Inputs = unknown, Result = unknown>(
  definition: GraphSkillDefinition | CodeSkillDefinition<Inputs, Result>,
): Skill {
  const { id, version, description, inputs } = definition;
  const path = `skill "${id}"`;
  if (!isId(id))
    throw new DurableError("invalid_definition", `${path}: its id is not 1 to 200 printable ASCII characters`);
  if (!isId(version)) throw new DurableError("invalid_definition", `${path}: it has no version`);
  return Object.freeze({
    id,
    version,
    ...(description === undefined ? {} : { description }),
    ...(inputs === undefined ? {} : { inputs }),
    body: bodyOf(definition, path),
  });
}

function bodyOf<I, R>(definition: GraphSkillDefinition | CodeSkillDefinition<I, R>, path: string): SkillBody {
  if ("steps" in definition) return { kind: "graph", graph: parseGraph(definition.steps, `${path}.steps`) };
  if (typeof definition.run === "function") return { kind: "code", run: asUntyped(definition.run) };
  throw new DurableError("invalid_definition", `${path}: expected steps or a run function`);
}

// A run's inputs were checked by the skill's schema, or are what its author says they are.
function asUntyped<I, R>(run: WorkflowBody<I, R>): WorkflowBody {
  return run as unknown as WorkflowBody;
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
      if (skill.body.kind !== "graph") continue;
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
