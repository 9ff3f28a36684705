import { expectKind, members } from "../argument.ts";
import type { Duration } from "../duration.ts";
import { present, read } from "../json.ts";
import type { Fields } from "../record/state.ts";
import type { Skill } from "../skills/skill.ts";
import { aSkill } from "../skills/skill-kind.ts";

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
   * The run begins at this time, and is pending until then: a Date, or milliseconds since 1970. A time that is past is now.
   * A resume begins it earlier, a cancellation prevents it. Default: at once.
   */
  readonly startAt?: Date | number;
  /** Instead of `startAt`: the time from the creation of the run, by the clock of the runtime that creates it. */
  readonly delay?: Duration;
  /**
   * A second call with this key within 24 hours returns the run of the first; with different content it throws
   * `idempotency_conflict`. Scoped by tenant and operation.
   */
  readonly idempotencyKey?: string;
}

/** The request of a start, which names its skill by id or passes the skill itself. Its members are not checked yet. */
export function birthOf(asked: NewRun | Skill, inputs: unknown, options: StartOptions | undefined): NewRun {
  const isRequest = inputs === undefined && options === undefined && !read("skill", () => aSkill[1](asked));
  if (isRequest) return asked as NewRun;
  const { id, version } = expectKind(asked as Skill, aSkill, "skill");
  return {
    ...(options && members(options)),
    skillId: id,
    skillVersion: version,
    ...present({ inputs: inputs as Fields | undefined }),
  };
}
