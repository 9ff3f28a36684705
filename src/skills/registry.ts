import { expectKind } from "../argument.ts";
import { DurableError, isDurableError, notFound } from "../errors.ts";
import type { LoadedCheckpoint } from "../journal/held.ts";
import type { Json } from "../json.ts";
import type { RunRecord } from "../record/run.ts";
import type { ExecutionState } from "../record/state.ts";
import type { CapabilityRegistry } from "./capability.ts";
import type { MigrationPath, Skill } from "./skill.ts";
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
   * The skill that continues a state of that version, with the path to it: this very version, or the one
   * registered last that has migrations from it. A run that has reached a later version continues with that one, also
   * from its older states.
   */
  successor(id: string, version: string | undefined, reached = version): Successor | undefined {
    const ahead = reached === version ? undefined : this.successor(id, reached)?.skill;
    const latestFirst = [...(this.#byId.get(id)?.values() ?? [])].reverse();
    for (const skill of [ahead, this.find(id, version), ...latestFirst]) {
      const path = skill && pathTo(skill, version);
      if (skill !== undefined && path !== undefined) return { skill, path };
    }
    return undefined;
  }

  /** @throws `not_found` that names the skill if there is no successor. */
  demand(id: string, version: string | undefined, reached?: string): Successor {
    const successor = this.successor(id, version, reached);
    if (successor === undefined) throw missingSkill(id, version);
    return successor;
  }

  /** Every skill, the versions of each in the order of their registration. */
  all(): readonly Skill[] {
    return [...this.#byId.values()].flatMap((versions) => [...versions.values()]);
  }

  /** @throws `not_found` that names the skill. */
  get(id: string, version?: string): Skill {
    const skill = this.find(id, version);
    if (skill === undefined) throw missingSkill(id, version);
    return skill;
  }
}

interface Successor {
  readonly skill: Skill;
  readonly path: MigrationPath;
}

function missingSkill(id: string, version: string | undefined): DurableError {
  const name = version === undefined ? `"${id}"` : `"${id}" version ${version}`;
  return notFound("skill", `skill ${name} is not registered here`);
}

const noPath: MigrationPath = { isMigration: false, state: (state) => state, record: (record) => record };

/** The path from that version to the skill's own; nothing changes on that from its own or none. `undefined` if there is none. */
function pathTo(skill: Skill, from = skill.version): MigrationPath | undefined {
  return from === skill.version ? noPath : skill.migrations[0]?.path(skill, from);
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
  const { skill, path } = skills.demand(run.skillId, version, run.skillVersion);
  if (waits.length > 0 && pathTo(skill, run.skillVersion) === undefined) {
    throw missingSkill(run.skillId, `${run.skillVersion} with migrations from ${version}`);
  }
  const reached = path.state(state, run.runId);
  const { version: skillVersion } = skill;
  return {
    skill,
    state: reached.skillVersion === skillVersion ? reached : { ...reached, skillVersion },
    isMigrated: path.isMigration,
  };
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

/** The record under the version of the skill that continues the run, with its waits under the names of that version. */
export function underSkill(record: RunRecord<Json>, skill: Skill): RunRecord<Json> {
  const { run, formerVersions = [], headRevision } = record;
  const { skillVersion: version } = run;
  if (version === skill.version) return record;
  const renamed = (pathTo(skill, version) ?? noPath).record(record);
  return {
    ...renamed,
    run: { ...renamed.run, skillVersion: skill.version },
    ...(version !== undefined && { formerVersions: [...formerVersions, { version, until: headRevision }] }),
  };
}
