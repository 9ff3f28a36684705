import { aFunction, anId, aRecord, aStepName, expectKind, given, type Kinds, needed } from "../argument.ts";
import { decodeState, encodeState } from "../codec/state.ts";
import { DurableError, invalidDefinition } from "../errors.ts";
import { undoingName } from "../ids.ts";
import { at, getOwn, type Json, present, read, setOwn } from "../json.ts";
import type { RunRecord } from "../record/run.ts";
import type { ExecutionState } from "../record/state.ts";
import { renamedAsks } from "./code/answers.ts";
import { type Form, type Names, renamedId } from "./renaming.ts";
import type { Migration, MigrationPath, Skill } from "./skill.ts";

/** How runs of an earlier version continue with a later one. */
export interface MigrationDefinition {
  readonly from: string;
  /** Default: the skill's own version. */
  readonly to?: string;
  /**
   * New names of steps by their old ones: ids of a graph's steps, or names in a body, each of which stands for all
   * steps of that name. The results of the steps are renamed with them, and so are their sleeps, waits and gates, their
   * ledger entries, and their idempotency keys.
   */
  readonly renames?: Readonly<Record<string, string>>;
  /**
   * The other changes: called with the state under the new names, returns the state of the next version. Pure: it may
   * be called again if a resume was interrupted. Its result is checked before it is written.
   */
  readonly migrate?: (state: ExecutionState) => ExecutionState;
}

/**
 * Makes a migration, for the `migrations` of a skill.
 *
 * @example
 * ```ts
 * import { defineMigration, defineSkill } from "orca-durable";
 *
 * const letter = defineSkill({
 *   id: "letter",
 *   version: "2",
 *   migrations: [defineMigration({ from: "1", renames: { send: "deliver" } })],
 *   run: (step) => step.do("deliver", async () => "delivered"),
 * });
 * ```
 * @throws `invalid_definition` that names the field.
 */
export function defineMigration(definition: MigrationDefinition): Migration {
  const { from, to, migrate, renames } = read("migration", () => checked(definition), "invalid_definition");
  const migration: OwnMigration = {
    from,
    ...present({ to }),
    path,
    state(form, state) {
      const renamed = renamedState(form, renames, state);
      // Encoding throws for a state that could not be read from the store.
      return migrate === undefined ? renamed : encodeState(atOnce(migrate(decodeState(renamed))));
    },
    record: (form, record, to) => renamedRecord(form, renames, record, from, to),
  };
  return Object.freeze(migration);
}

interface OwnMigration extends Migration {
  /** The state under the new names, migrated. */
  readonly state: (form: Form, state: ExecutionState<Json>) => ExecutionState<Json>;
  /** The record of a run of a state of version `from`, with its waits and gates under the names of `to`. */
  readonly record: (form: Form, record: RunRecord<Json>, to: string) => RunRecord<Json>;
}

function path(skill: Skill, from: string): MigrationPath | undefined {
  const steps = stepsFrom(skill, from);
  const { kind: form } = skill.body;
  const reached = ({ to = skill.version }: Migration) => to;
  return (
    steps && {
      isMigration: true,
      state(state, runId) {
        try {
          return steps.reduce(
            (state, step) => ({ ...step.state(form, state), skillId: skill.id, skillVersion: reached(step) }),
            state,
          );
        } catch (cause) {
          const versions = `version ${from} of skill "${skill.id}" to version ${skill.version}`;
          throw new DurableError("internal_error", `the migration of run "${runId}" from ${versions} failed`, {
            cause,
          });
        }
      },
      record: (record) => steps.reduce((record, step) => step.record(form, record, reached(step)), record),
    }
  );
}

/** The migrations from that version to the skill's own, in order. `undefined` if there is no path. */
function stepsFrom(skill: Skill, from: string): readonly OwnMigration[] | undefined {
  // Each was made by `defineMigration`.
  const migrations = skill.migrations as readonly OwnMigration[];
  const steps: OwnMigration[] = [];
  for (let version = from; version !== skill.version; ) {
    const step = migrations.find((migration) => migration.from === version && !steps.includes(migration));
    if (step === undefined) return undefined;
    steps.push(step);
    version = step.to ?? skill.version;
  }
  return steps;
}

const kinds: Kinds<MigrationDefinition> = {
  from: needed(anId),
  to: anId,
  renames: aRecord,
  migrate: aFunction,
};

function checked(definition: MigrationDefinition): MigrationDefinition & { readonly renames: Names } {
  const path = "migration";
  const { from, renames = {}, ...rest } = given(definition, kinds, path, path, "invalid_definition");
  if (from === rest.to) throw invalidDefinition(path, `from and to are the same version, ${from}`);
  const place = at(path, "renames");
  const names = Object.entries(renames);
  for (const [old, name] of names) {
    for (const text of [old, name]) expectKind(text, aStepName, at(place, old), "invalid_definition");
  }
  const twice = repeated(names.map(([, name]) => name));
  if (twice !== undefined) throw invalidDefinition(place, `two steps would have the name "${twice}"`);
  // What undoes a step is renamed with it.
  const undoing = names.map((pair) => pair.map(undoingName));
  return { from, ...rest, renames: Object.freeze(Object.fromEntries([...names, ...undoing])) };
}

function repeated(names: readonly string[]): string | undefined {
  return names.find((name, index) => names.indexOf(name) < index);
}

function atOnce(state: ExecutionState): ExecutionState {
  const given: unknown = state;
  if (!(given instanceof Promise)) return state;
  // Its outcome comes too late, and must not end the process.
  given.catch(() => undefined);
  throw new TypeError("migrate: expected a state, not a promise");
}

/** @throws if two steps would have the same name. */
function renamedState(form: Form, renames: Names, state: ExecutionState<Json>): ExecutionState<Json> {
  const rename = (id: string) => renamedId(form, renames, id);
  const results = Object.entries(state.stepResults).map(([id, result]) => [rename(id), named(rename, result)] as const);
  const stepResults = Object.fromEntries(results);
  if (Object.keys(stepResults).length < results.length) {
    throw new Error(`renames: two steps would have the name "${repeated(results.map(([id]) => id))}"`);
  }
  return {
    ...state,
    stepResults,
    events: state.events.map((part) => named(rename, part)),
    trace: { ...state.trace, steps: state.trace.steps.map((part) => named(rename, part)) },
    extensions: renamedAsks(state.extensions, rename),
    ...present({ currentStep: state.currentStep && rename(state.currentStep) }),
  };
}

function named<T extends { readonly stepId?: string }>(rename: (id: string) => string, part: T): T {
  return part.stepId === undefined ? part : { ...part, stepId: rename(part.stepId) };
}

function renamedRecord(form: Form, renames: Names, record: RunRecord<Json>, from: string, to: string): RunRecord<Json> {
  const { run, ledgerNames = {} } = record;
  const before = getOwn(ledgerNames, from)?.names;
  if (before === undefined && Object.keys(renames).length === 0) return record;
  const rename = (id: string) => renamedId(form, renames, id);
  const { approvalRequest, currentStepId, error } = run;
  return {
    ...record,
    run: {
      ...run,
      ...present({
        approvalRequest: approvalRequest && named(rename, approvalRequest),
        currentStepId: currentStepId === undefined ? undefined : rename(currentStepId),
        error: error && named(rename, error),
      }),
    },
    waits: record.waits.map((wait) => named(rename, wait)),
    ledgerNames: { ...ledgerNames, [to]: { form, names: namesAfter(before ?? {}, renames, to) } },
  };
}

/** The names by which the ledger knows steps, after a migration to that version. */
function namesAfter(names: Names, renames: Names, to: string): Names {
  const after: Record<string, string> = { ...names };
  for (const old of Object.keys(renames)) {
    // Another step that takes the old name is not the one that the ledger knows by it. No step name contains U+0000.
    setOwn(after, old, `${old}\u0000${to}`);
  }
  for (const [old, name] of Object.entries(renames)) setOwn(after, name, getOwn(names, old) ?? old);
  return after;
}
