import { HonoBase, type HonoOptions } from "hono/hono-base";
import { PatternRouter } from "hono/router/pattern-router";
import type { BlankEnv, BlankSchema, Env, Schema } from "hono/types";

/**
 * Hono with one router: its own preset carries three, of which one is used. This one ignores a slash at the end of a path, which
 * `createApp` refuses. (The smallest, TrieRouter, takes a path that has a literal `:run_id` for two routes.)
 */
export class Hono<E extends Env = BlankEnv, S extends Schema = BlankSchema, Path extends string = "/"> extends HonoBase<
  E,
  S,
  Path
> {
  constructor(options: HonoOptions<E> = {}) {
    super({ router: new PatternRouter(), ...options });
  }
}
