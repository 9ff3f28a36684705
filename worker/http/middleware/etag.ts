import type { Context } from "hono";
import { invalidRequest } from "../../../src/errors.ts";
import type { CurrentRun, Precondition } from "../../../src/index.ts";
import type { AppEnv } from "../call.ts";

// The ETag of a run is the revision of its last history entry. Source: RFC 9110, sections 8.8.3 and 13.

const tagList =
  /^[ \t]*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"(?:[ \t]*,[ \t]*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")*[ \t]*$/;

/** Says in the answer at which revision the run is. */
export function tag(c: Context<AppEnv>, { revision }: CurrentRun): void {
  c.header("etag", `"${revision}"`);
}

/**
 * What the request's If-Match demands of the run. A tag that no run can have demands something that never is.
 *
 * @throws `invalid_request` where it is no list of tags: a condition is not to be overlooked.
 */
export function preconditionOf(c: Context<AppEnv>): Precondition {
  const given = c.req.header("if-match");
  if (given === undefined || given.trim() === "*") return {};
  if (!tagList.test(given)) {
    throw invalidRequest("If-Match", 'expected * or the ETag of a run, such as "12"', {
      hint: "the quotation marks are part of it",
    });
  }
  const revisions = [...given.matchAll(/(W\/)?"([^"]*)"/g)].flatMap(([, weak, text = ""]) =>
    weak === undefined && /^\d{1,15}$/.test(text) ? [Number(text)] : [],
  );
  return { expectedRevision: revisions };
}

/** True where the caller has the run as it is. */
export function isKnown(c: Context<AppEnv>, { revision }: CurrentRun): boolean {
  const given = c.req.header("if-none-match");
  if (given === undefined) return false;
  return given.trim() === "*" || (tagList.test(given) && given.match(/"[^"]*"/g)?.includes(`"${revision}"`) === true);
}
