import { expectKind } from "../argument.ts";
import { DurableError, isDurableError, notFound } from "../errors.ts";
import type { LoadedCheckpoint } from "../journal/held.ts";
import type { Json } from "../json.ts";
import type { RunRecord } from "../record/run.ts";
import type { ExecutionState } from "../record/state.ts";
import type { CapabilityRegistry } from "./capability.ts";
import type { Migration, Skill } from "./skill.ts";
import { aSkill } from "./skill-kind.ts";

/** The registered skills, by id and version. */
export class SkillRegistry {
  readonly #byId = new Map<string, Map<string, Skill>>();

  /** @throws `invalid_definition` if two have one id and version, or one uses a capability that is not registered. */
  constructor(skills: readonly Skill[], capabilities: CapabilityRegistry) {
    for (const skill of skills) {
      expectKind(skill, aSkill, "skills");
      const versions = this.#byId.get(skill.id) ?? new Map<string, Skill>();
      if (versions.has(skill.version)) {
        throw new DurableError("invalid_definition", `duplicate skill "${skill.id}" version ${skill.version}`);
      }
      this.#byId.set(skill.id, versions.set(skill.version, skill));
      if (skill.body.kind === "graph") skill.body.check(capabilities, skill.id);
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
    const ahead = reached === version ? undefined : this.successor(id, reached)?.skill;
    const latestFirst = [...(this.#byId.get(id)?.values() ?? [])].reverse();
    for (const skill of [ahead, this.find(id, version), ...latestFirst]) {
      const migrations = skill && migrationsFrom(skill, version);
      if (skill !== undefined && migrations !== undefined) return { skill, migrations };
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

interface Successor {
  readonly skill: Skill;
  readonly migrations: readonly Migration[];
}

function missingSkill(id: string, version: string | undefined): never {
  const name = version === undefined ? `"${id}"` : `"${id}" version ${version}`;
  throw notFound("skill", `skill ${name} is not registered here`);
}

/** The migrations from that version to the skill's own; empty from its own or none. `undefined` if there is no path. */
function migrationsFrom(skill: Skill, from = skill.version): readonly Migration[] | undefined {
  const path: Migration[] = [];
  for (let version = from; version !== skill.version; ) {
    const step = skill.migrations.find((migration) => migration.from === version && !path.includes(migration));
    if (step === undefined) return undefined;
    path.push(step);
    version = step.to ?? skill.version;
  }
  return path;
}

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
 *
 * @throws `not_found` that names the skill if neither that version nor one with a migration from it is registered here,
 * or if the run waits under the names of its own version, and no migration renames them; `internal_error` if a migration
 * throws, or returns something that is not a state.
 */
export function bindSkill(skills: SkillRegistry, record: RunRecord<Json>, { state, snapshot }: Origin): Binding {
  const { run, waits } = record;
  const version = versionOf(record, state, snapshot.revision);
  const successor = skills.successor(run.skillId, version, run.skillVersion);
  const { skill, migrations } = successor ?? missingSkill(run.skillId, version);
  if (waits.length > 0 && migrationsFrom(skill, run.skillVersion) === undefined) {
    missingSkill(run.skillId, `${run.skillVersion} with migrations from ${version}`);
  }
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
  const migrations = migrationsFrom(skill, version) ?? [];
  const renamed = migrations.reduce(
    (record, migration) => migration.renamed(skill.body.kind, record, migration.to ?? skill.version),
    record,
  );
  return {
    ...renamed,
    run: { ...renamed.run, skillVersion: skill.version },
    ...(version !== undefined && { formerVersions: [...formerVersions, { version, until: headRevision }] }),
  };
}
