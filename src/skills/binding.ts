import { DurableError, isDurableError } from "../errors.ts";
import type { LoadedCheckpoint } from "../journal/held.ts";
import type { Json } from "../json.ts";
import type { RunRecord } from "../record/run.ts";
import type { ExecutionState } from "../record/state.ts";
import { type Migration, migrationsFrom, missingSkill, type Skill, type SkillRegistry } from "./skill.ts";

/** A run's state, bound to the skill that continues it in this runtime. */
export interface Binding {
  readonly skill: Skill;
  /** Migrated if it is of an earlier version than the skill. */
  readonly state: ExecutionState<Json>;
  readonly isMigrated: boolean;
}

/** A checkpoint from which a run continues. */
type Origin = Pick<LoadedCheckpoint, "state" | "snapshot">;

/**
 * The version of the state decides, not that of the run: an older checkpoint has the version that the run had then.
 * `undefined` if neither that version nor one with a migration from it is registered here.
 *
 * @throws `internal_error` if a migration throws, or returns something that is not a state.
 */
export function findBinding(
  skills: SkillRegistry,
  record: RunRecord<Json>,
  { state, snapshot }: Origin,
): Binding | undefined {
  const { run } = record;
  const version = versionOf(record, state, snapshot.revision);
  const successor = skills.successor(run.skillId, version, run.skillVersion);
  if (successor === undefined) return undefined;
  const { skill, migrations } = successor;
  const named = { ...state, skillVersion: skill.version };
  if (migrations.length === 0) {
    return { skill, state: state.skillVersion === skill.version ? state : named, isMigrated: false };
  }
  try {
    const migrated = migrations.reduce((state, migration) => applied(skill, migration, state), state);
    return { skill, state: migrated, isMigrated: true };
  } catch (cause) {
    const from = `version ${version} of skill "${skill.id}" to version ${skill.version}`;
    throw new DurableError("internal_error", `the migration of run "${run.runId}" from ${from} failed`, { cause });
  }
}

/** @throws `not_found` that names the skill. */
export function bindSkill(skills: SkillRegistry, record: RunRecord<Json>, from: Origin): Binding {
  const { skillId } = record.run;
  return (
    findBinding(skills, record, from) ?? missingSkill(skillId, versionOf(record, from.state, from.snapshot.revision))
  );
}

/**
 * True if a run's state cannot be read: a damaged or missing snapshot, one of a newer version, a migration that fails.
 */
export function isUnreadable(error: unknown): boolean {
  return isDurableError(error, "corrupt_data", "not_found", "unsupported_version", "internal_error");
}

/**
 * The version of the skill that wrote a state: the version in the state, or the version of the run at that revision.
 */
export function versionOf(
  { run, formerVersions = [] }: RunRecord<Json>,
  state: ExecutionState<Json>,
  revision: number,
): string | undefined {
  return state.skillVersion ?? formerVersions.find(({ until }) => revision <= until)?.version ?? run.skillVersion;
}

function applied(skill: Skill, migration: Migration, before: ExecutionState<Json>): ExecutionState<Json> {
  const state = migration.migrated(skill.body.kind, before);
  return { ...state, skillId: skill.id, skillVersion: migration.to ?? skill.version };
}

/** The record under the version of the skill that continues the run, with its waits under the names of that version. */
export function underSkill(record: RunRecord<Json>, skill: Skill): RunRecord<Json> {
  const { run, formerVersions = [], headRevision } = record;
  const { skillVersion: version } = run;
  if (version === skill.version) return record;
  const migrations = (version === undefined ? undefined : migrationsFrom(skill, version)) ?? [];
  const renamed = migrations.reduce(
    (record, migration) => migration.renamed(skill.body.kind, record, migration.to ?? skill.version),
    record,
  );
  return {
    ...renamed,
    run: { ...renamed.run, skillVersion: skill.version },
    ...(version === undefined ? {} : { formerVersions: [...formerVersions, { version, until: headRevision }] }),
  };
}
