import type { Pass } from "../engine/pass.ts";
import { DurableError, invalidDefinition, notFound } from "../errors.ts";
import { isId } from "../ids.ts";
import { at, type Json, present } from "../json.ts";
import type { RunRecord } from "../record/run.ts";
import type { ExecutionState, Fields } from "../record/state.ts";
import type { Schema } from "../schema.ts";
import { type CapabilityRegistry, checkIdentity } from "./capability.ts";
import type { WorkflowBody } from "./code/workflow.ts";
import type { Graph } from "./graph/graph.ts";

declare const types: unique symbol;

/**
 * The definition that a run executes (a workflow). Made by `defineSkill` or `defineGraphSkill`. `Inputs` is the type of
 * the inputs of a start, `Result` that of the result; `Skill` alone is a skill of any types.
 */
export interface Skill<Inputs = never, Result = unknown> {
  /** For types alone; no value has it. */
  readonly [types]?: (inputs: Inputs) => Result;
  readonly id: string;
  readonly version: string;
  readonly description?: string;
  readonly inputs?: Schema;
  readonly migrations: readonly Migration[];
  /** @internal */
  readonly body: SkillBody;
}

/** The inputs of a skill; any fields if its type does not specify them. */
export type InputsOf<Inputs> = [Inputs] extends [never] ? Fields : Inputs;

/** Carries runs from one version of a skill to a later one. Made by `defineMigration`. */
export interface Migration {
  readonly from: string;
  /** Default: the skill's own version. */
  readonly to?: string;
  /** @internal The state under the new names, migrated. */
  readonly migrated: (form: SkillBody["kind"], state: ExecutionState<Json>) => ExecutionState<Json>;
  /** @internal The record of a run of a state of version `from`, with its waits and gates under the names of `to`. */
  readonly renamed: (form: SkillBody["kind"], record: RunRecord<Json>, to: string) => RunRecord<Json>;
}

/**
 * The body of a skill, in one of two forms. Each brings the code that executes it, so that an app carries only the
 * forms that it uses.
 */
export type SkillBody = SkillForm & {
  /** Executes the run of that pass as far as possible now. */
  readonly execute: (pass: Pass) => Promise<void>;
};

type SkillForm =
  | { readonly kind: "graph"; readonly graph: Graph }
  | { readonly kind: "code"; readonly run: WorkflowBody };

/** The common part of the definitions of both forms. */
export interface SkillDefinition<Inputs, Given = unknown> {
  /** Printable ASCII, such as `text.digest`. */
  readonly id: string;
  readonly version: string;
  readonly description?: string;
  /** Checked when a run is created. */
  readonly inputs?: Schema<Inputs, Given>;
  /**
   * How runs of earlier versions continue with this one. Without a migration they need their own version registered.
   */
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
  checkIdentity(definition, path);
  checkMigrations(migrations, `${path}.migrations`);
  return Object.freeze({
    id,
    version,
    ...present({ description, inputs }),
    migrations: Object.freeze([...migrations]),
    body: bodyOf(path),
  });
}

function checkMigrations(migrations: readonly Migration[], path: string): void {
  if (!Array.isArray(migrations)) throw invalidDefinition(path, "expected an array");
  for (const [index, migration] of (migrations as readonly Partial<Migration>[]).entries()) {
    const place = at(path, index);
    if (typeof migration?.migrated !== "function") {
      throw invalidDefinition(place, "expected a migration, as defineMigration returns it");
    }
    if (migrations.findIndex((other) => other.from === migration.from) < index) {
      throw invalidDefinition(at(place, "from"), `duplicate migration from version ${migration.from}`);
    }
  }
}

/** The registered skills, by id and version. */
export class SkillRegistry {
  readonly #byId = new Map<string, Map<string, Skill>>();

  /** @throws `invalid_definition` if two have one id and version, or one uses a capability that is not registered. */
  constructor(skills: readonly Skill[], capabilities: CapabilityRegistry) {
    for (const skill of skills) {
      const versions = this.#byId.get(skill.id) ?? new Map<string, Skill>();
      if (versions.has(skill.version)) {
        throw new DurableError("invalid_definition", `duplicate skill "${skill.id}" version ${skill.version}`);
      }
      this.#byId.set(skill.id, versions.set(skill.version, skill));
      if (skill.body.kind !== "graph") continue;
      for (const { id, does } of skill.body.graph.steps) {
        if (does.kind !== "capability" || does.capability !== undefined) continue;
        if (capabilities.find(does.capabilityId) === undefined) {
          throw invalidDefinition(
            `skill "${skill.id}"`,
            `step "${id}" uses capability "${does.capabilityId}", which is not registered`,
          );
        }
      }
    }
  }

  /** The skill of that version; without a version, the one registered last. */
  find(id: string, version?: string): Skill | undefined {
    const versions = this.#byId.get(id);
    return version === undefined ? [...(versions?.values() ?? [])].at(-1) : versions?.get(version);
  }

  /**
   * The skill that continues a state of that version, with the migrations in order: this very version, or the one
   * registered last that has migrations from it. A run that has reached a later version continues with that one, also
   * from its older states.
   */
  successor(id: string, version: string | undefined, reached = version): Successor | undefined {
    if (reached !== version && version !== undefined) {
      const ahead = this.successor(id, reached)?.skill;
      const migrations = ahead && migrationsFrom(ahead, version);
      if (ahead !== undefined && migrations !== undefined) return { skill: ahead, migrations };
    }
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

/** The migrations from that version to the skill's own; empty from its own. `undefined` if there is no path. */
export function migrationsFrom(skill: Skill, from: string): readonly Migration[] | undefined {
  const path: Migration[] = [];
  for (let version = from; version !== skill.version; ) {
    const step = skill.migrations.find((migration) => migration.from === version && !path.includes(migration));
    if (step === undefined) return undefined;
    path.push(step);
    version = step.to ?? skill.version;
  }
  return path;
}
