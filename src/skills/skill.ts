import { anArray, anId, expectKind, given, type Kinds, needed } from "../argument.ts";
import type { FamilyOf } from "../engine/host.ts";
import type { Pass } from "../engine/pass.ts";
import { invalidDefinition } from "../errors.ts";
import type { Change } from "../journal/change.ts";
import { aText, at, type Json, type Kind, read } from "../json.ts";
import type { RunRecord } from "../record/run.ts";
import type { ExecutionState, Fields } from "../record/state.ts";
import { aSchema, type Schema } from "../schema.ts";
import { type CapabilityRegistry, placeOf } from "./capability.ts";
import type { WorkflowBody } from "./code/workflow.ts";
import type { Graph } from "./graph/planned.ts";

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
  /**
   * @internal The path of the skill's migrations from that version to its own, `undefined` if there is none. A migration
   * brings it, so that an app without migrations does not carry it.
   */
  readonly path: (skill: Skill, from: string) => MigrationPath | undefined;
}

/** How a run gets from one version of a skill to a later one. */
export interface MigrationPath {
  /** False if the versions are the same. */
  readonly isMigration: boolean;
  /** The state of that run under the new names, migrated. Throws `internal_error` if a migration throws. */
  readonly state: (state: ExecutionState<Json>, runId: string) => ExecutionState<Json>;
  /** The record of the run, with its waits and gates under the new names. */
  readonly record: (record: RunRecord<Json>) => RunRecord<Json>;
}

/**
 * The body of a skill, in one of two forms. Each brings the code that executes it, so that an app carries only the
 * forms that it uses.
 */
export type SkillBody = SkillForm & {
  /** Executes the run of that pass as far as possible now. */
  readonly execute: (pass: Pass) => Promise<unknown>;
} & BodyParts;

/** What kinds of steps add to a body. */
export interface BodyParts {
  /** Present if the body has child runs. */
  readonly family?: FamilyOf;
  /**
   * Present if gates of the body take data. Called with the record of a run that has only the gate that is decided, under
   * the names of this version.
   *
   * Throws `invalid_request` that names the place in the data, and then the gate stays open.
   */
  readonly checkData?: (record: RunRecord<Json>, data: unknown) => unknown;
  /**
   * Present if the body can undo its steps: the change with which a cancel that undoes them begins. Without a change the run
   * is canceled at once.
   */
  readonly undo?: (record: RunRecord<Json>, now: number) => Change | undefined;
}

type SkillForm =
  | {
      readonly kind: "graph";
      readonly graph: Graph;
      /** Throws `invalid_definition` if a step uses a capability that is not registered. */
      readonly check: (capabilities: CapabilityRegistry, skillId: string) => void;
    }
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
  const path = placeOf("skill", definition);
  const { migrations = [], ...checked } = given(definition, kinds, path, path, "invalid_definition");
  const define = () => ({ migrations: checkedMigrations(migrations, `${path}.migrations`), body: bodyOf(path) });
  return Object.freeze({ ...checked, ...read(path, define, "invalid_definition") });
}

const kinds: Kinds<SkillDefinition<unknown>> = {
  id: needed(anId),
  version: needed(anId),
  description: aText,
  inputs: aSchema,
  migrations: anArray,
};

const aMigration: Kind = ["the result of defineMigration", (value) => typeof (value as Migration).path === "function"];

function checkedMigrations(migrations: readonly Migration[], path: string): readonly Migration[] {
  for (const [index, migration] of migrations.entries()) {
    const place = at(path, index);
    const { from } = expectKind(migration, aMigration, place, "invalid_definition");
    if (migrations.findIndex((other) => other.from === from) < index) {
      throw invalidDefinition(at(place, "from"), `duplicate migration from version ${from}`);
    }
  }
  return Object.freeze([...migrations]);
}
