import type { Context } from "hono";
import type { AppEnv } from "../call.ts";

/** The key under which a call is made once, where it has one. */
export function idempotencyKeyOf(c: Context<AppEnv>): string | undefined {
  return c.req.header("idempotency-key");
}

/** The mark of an answer whose idempotency key had done it before. */
export function replayMark({ isRepeat }: { readonly isRepeat?: boolean }): { idempotent_replay?: true } {
  return isRepeat ? { idempotent_replay: true } : {};
}
