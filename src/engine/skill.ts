import type { CapabilityRegistry } from "../capability.ts";
import { DurableError, notFound } from "../errors.ts";
import type { ExecutionState } from "../execution-state.ts";
import type { Graph } from "../graph.ts";
import { isId } from "../ids.ts";
import { present } from "../present.ts";
import type { Schema } from "../schema.ts";
import type { WorkflowBody } from "../workflow.ts";
import type { Pass } from "./pass.ts";

/** What a run executes. Made by `defineSkill` or `defineGraphSkill`. */
export interface Skill {
  readonly id: string;
  readonly version: string;
  readonly description?: string;
  readonly inputs?: Schema;
  readonly migrations: readonly Migration[];
  readonly body: SkillBody;
}

/** Carries the state of a run from one version of a skill to a later one. */
export interface Migration {
  readonly from: string;
  /** The skill's own version where absent. */
  readonly to?: string;
  /** Pure: it may run again where a resume was interrupted. Ids of steps and their results are state too. */
  readonly migrate: (state: ExecutionState) => ExecutionState;
}

/**
 * What a skill does, in one of two forms. Each brings what executes it, so that an app carries only the forms that it
 * uses.
 */
export type SkillBody = SkillForm & {
  /** Goes on with the run of that pass as far as it goes now. */
  readonly execute: (pass: Pass) => Promise<void>;
};

type SkillForm =
  | { readonly kind: "graph"; readonly graph: Graph }
  | { readonly kind: "code"; readonly run: WorkflowBody };

/** What skills of both forms are defined by. */
export interface SkillDefinition<Inputs> {
  /** Printable ASCII, such as `text.digest`. */
  readonly id: string;
  readonly version: string;
  readonly description?: string;
  /** Checked when a run is created. */
  readonly inputs?: Schema<Inputs>;
  /** How runs of earlier versions go on with this one. Without a migration they need their own version registered. */
  readonly migrations?: readonly Migration[];
}

/**
 * A skill with that body.
 *
 * @throws `invalid_definition` that names the place.
 */
export function skillWith(definition: SkillDefinition<unknown>, bodyOf: (path: string) => SkillBody): Skill {
  const { id, version, description, inputs, migrations = [] } = definition;
  const path = `skill "${id}"`;
  if (!isId(id))
    throw new DurableError("invalid_definition", `${path}: its id is not 1 to 200 printable ASCII characters`);
  if (!isId(version)) throw new DurableError("invalid_definition", `${path}: it has no version`);
  return Object.freeze({
    id,
    version,
    ...present({ description, inputs }),
    migrations: Object.freeze(migrations.map((migration) => Object.freeze({ ...migration }))),
    body: bodyOf(path),
  });
}

/** The skills that are bound here, by id and version. */
export class SkillRegistry {
  readonly #byId = new Map<string, Map<string, Skill>>();

  /** @throws `invalid_definition` where two have one id and version, or one uses a capability that is not there. */
  constructor(skills: readonly Skill[], capabilities: CapabilityRegistry) {
    for (const skill of skills) {
      const versions = this.#byId.get(skill.id) ?? new Map<string, Skill>();
      if (versions.has(skill.version)) {
        throw new DurableError("invalid_definition", `skill "${skill.id}" version ${skill.version} is there twice`);
      }
      this.#byId.set(skill.id, versions.set(skill.version, skill));
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
    const versions = this.#byId.get(id);
    return version === undefined ? [...(versions?.values() ?? [])].at(-1) : versions?.get(version);
  }

  /**
   * The skill that continues a run of that version: this very version, or the one registered last that has migrations from
   * it, with the migrations in order.
   */
  successor(id: string, version: string | undefined): Successor | undefined {
    const own = this.find(id, version);
    if (own !== undefined || version === undefined) return own && { skill: own, migrations: [] };
    for (const skill of [...(this.#byId.get(id)?.values() ?? [])].reverse()) {
      const migrations = migrationsFrom(skill, version);
      if (migrations !== undefined) return { skill, migrations };
    }
    return undefined;
  }

  /** Every skill, the versions of each in the order of their registration. */
  all(): readonly Skill[] {
    return [...this.#byId.values()].flatMap((versions) => [...versions.values()]);
  }

  /** @throws `not_found` that names the skill. */
  get(id: string, version?: string): Skill {
    return this.find(id, version) ?? missingSkill(id, version);
  }
}

export interface Successor {
  readonly skill: Skill;
  readonly migrations: readonly Migration[];
}

export function missingSkill(id: string, version: string | undefined): never {
  const name = version === undefined ? `"${id}"` : `"${id}" version ${version}`;
  throw notFound("skill", `skill ${name} is not registered here`);
}

function migrationsFrom(skill: Skill, from: string): readonly Migration[] | undefined {
  const path: Migration[] = [];
  for (let version = from; version !== skill.version; ) {
    const step = skill.migrations.find((migration) => migration.from === version && !path.includes(migration));
    if (step === undefined) return undefined;
    path.push(step);
    version = step.to ?? skill.version;
  }
  return path;
}
