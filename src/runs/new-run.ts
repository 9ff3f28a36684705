import { invalidRequest } from "../errors.ts";
import { present } from "../json.ts";
import type { Fields } from "../record/state.ts";
import type { Skill } from "../skills/skill.ts";
import { expectObject } from "./argument.ts";

/** The data of a new run. */
export interface NewRun extends StartOptions {
  readonly skillId: string;
  /** Default: the version registered last. */
  readonly skillVersion?: string;
  readonly inputs?: Fields;
}

/** The options of a new run, beside its skill and inputs. */
export interface StartOptions {
  /** Default: a random id. */
  readonly runId?: string;
  readonly traceId?: string;
  readonly threadId?: string;
  readonly sessionId?: string;
  readonly environment?: string;
  readonly metadata?: Fields;
  /**
   * A second call with this key within 24 hours returns the run of the first; with different content it throws
   * `idempotency_conflict`. Scoped by tenant and operation.
   */
  readonly idempotencyKey?: string;
}

/** The request of a start, which names its skill by id or passes the skill itself. */
export function birthOf(given: NewRun | Skill, inputs: unknown, options: StartOptions | undefined): NewRun {
  if (inputs === undefined && options === undefined && !isSkill(given)) return given;
  if (!isSkill(given)) throw invalidRequest("skill", "expected a skill, as defineSkill or defineGraphSkill returns it");
  expectObject(options ?? {}, "options");
  return {
    ...options,
    skillId: given.id,
    skillVersion: given.version,
    ...present({ inputs: inputs as Fields | undefined }),
  };
}

function isSkill(given: NewRun | Skill): given is Skill {
  return typeof given === "object" && given !== null && "body" in given && "id" in given;
}
