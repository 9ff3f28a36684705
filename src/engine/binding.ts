import { decodeState, encodeState } from "../codec/state.ts";
import { DurableError } from "../errors.ts";
import type { ExecutionState } from "../execution-state.ts";
import type { Json } from "../json.ts";
import type { Run } from "../run.ts";
import type { Host } from "./host.ts";
import { missingSkill, type Skill } from "./skill.ts";

/** A run's state, bound to the skill that continues it here. */
export interface Binding {
  readonly skill: Skill;
  /** Migrated where the skill is of a later version than the run. */
  readonly state: ExecutionState<Json>;
  readonly isMigrated: boolean;
}

/**
 * `undefined` where neither the run's skill nor one with a migration from its version is registered here.
 *
 * @throws `internal_error` where a migration throws, or gives no state.
 */
export function findBinding(host: Host, run: Run<Json>, state: ExecutionState<Json>): Binding | undefined {
  const successor = host.skills.successor(run.skillId, run.skillVersion);
  if (successor === undefined) return undefined;
  const { skill, migrations } = successor;
  if (migrations.length === 0) return { skill, state, isMigrated: false };
  try {
    const migrated = migrations.reduce((state, { migrate }) => migrate(state), decodeState(state));
    const own = { skillId: skill.id, skillVersion: skill.version };
    return { skill, state: encodeState({ ...migrated, ...own }), isMigrated: true };
  } catch (cause) {
    const from = `version ${run.skillVersion} of skill "${skill.id}" to version ${skill.version}`;
    throw new DurableError("internal_error", `the migration of run "${run.runId}" from ${from} failed`, { cause });
  }
}

/** @throws `not_found` that names the skill. */
export function bindSkill(host: Host, run: Run<Json>, state: ExecutionState<Json>): Binding {
  return findBinding(host, run, state) ?? missingSkill(run.skillId, run.skillVersion);
}

/** The run under the version of the skill that continues it. */
export function underSkill(run: Run<Json>, { version }: Skill): Run<Json> {
  return run.skillVersion === version ? run : { ...run, skillVersion: version };
}
