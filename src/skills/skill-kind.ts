import { isId } from "../ids.ts";
import type { Kind } from "../json.ts";

// Apart from the skills themselves: a client, which executes none, tells a skill from a request too.

/** What `defineSkill` and `defineGraphSkill` return. */
export const aSkill: Kind = [
  "the result of defineSkill or defineGraphSkill",
  (value) => {
    const { id, version, body } = (value ?? {}) as { id?: unknown; version?: unknown; body?: { execute?: unknown } };
    return isId(id) && isId(version) && typeof body?.execute === "function";
  },
];
