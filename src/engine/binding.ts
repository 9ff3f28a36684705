import { decodeState, encodeState } from "../codec/state.ts";
import type { ExecutionState } from "../execution-state.ts";
import type { Json } from "../json.ts";
import type { Run } from "../run.ts";
import { missingSkill, type Skill } from "../skill.ts";
import type { Host } from "./host.ts";

/** A run's state, bound to the skill that continues it here. */
export interface Binding {
  readonly skill: Skill;
  /** Migrated where the skill is of a later version than the run. */
  readonly state: ExecutionState<Json>;
  readonly isMigrated: boolean;
}

/** `undefined` where neither the run's skill nor one with a migration from its version is registered here. */
export function findBinding(host: Host, run: Run<Json>, state: ExecutionState<Json>): Binding | undefined {
  const successor = host.skills.successor(run.skillId, run.skillVersion);
  if (successor === undefined) return undefined;
  const { skill, migrations } = successor;
  if (migrations.length === 0) return { skill, state, isMigrated: false };
  const migrated = migrations.reduce((state, { migrate }) => migrate(state), decodeState(state));
  return { skill, state: encodeState({ ...migrated, skillVersion: skill.version }), isMigrated: true };
}

/** @throws `not_found` that names the skill. */
export function bindSkill(host: Host, run: Run<Json>, state: ExecutionState<Json>): Binding {
  return findBinding(host, run, state) ?? missingSkill(run.skillId, run.skillVersion);
}

/** The run under the version of the skill that continues it. */
export function underSkill(run: Run<Json>, { version }: Skill): Run<Json> {
  return run.skillVersion === version ? run : { ...run, skillVersion: version };
}
