import { Hono } from "hono";
import { invalidRequest } from "../../../src/errors.ts";
import { isId } from "../../../src/ids.ts";
import type { RunPosition } from "../../../src/store.ts";
import { type AppEnv, needs } from "../call.ts";
import { type RunListAnswer, type RunPageAnswer, runQuery } from "../contract/runs.ts";
import { runAnswer } from "../contract/wire.ts";
import { given, isKnown, preconditionOf, query, tag } from "../request.ts";

/** Routes to runs that are there. */
export const runRoutes = new Hono<AppEnv>()
  .get("/v1/runs", query(runQuery), async (c) => {
    const { status, skill_id, source_run_id, order, limit, offset, cursor } = c.req.valid("query");
    const filter = given({ status, skillId: skill_id, sourceRunId: source_run_id });
    const part = { ...filter, ...given({ order }), limit };
    if (cursor !== undefined) {
      const { runs, next } = await c.var.runs.list({ ...part, ...given({ after: parseCursor(cursor, offset) }) });
      const answer: RunPageAnswer = {
        runs: runs.map(runAnswer),
        pagination: {
          limit,
          has_more: next !== undefined,
          ...(next === undefined ? {} : { next_cursor: cursorOf(next) }),
        },
      };
      return c.json<RunPageAnswer | RunListAnswer>(answer);
    }
    const [page, total] = await Promise.all([c.var.runs.list({ ...part, offset }), c.var.runs.count(filter)]);
    const hasMore = page.next !== undefined;
    const answer: RunListAnswer = {
      runs: page.runs.map(runAnswer),
      pagination: {
        offset,
        limit,
        total,
        has_more: hasMore,
        ...(hasMore ? { next_offset: offset + page.runs.length } : {}),
      },
    };
    return c.json<RunPageAnswer | RunListAnswer>(answer);
  })
  .get("/v1/runs/:run_id", async (c) => {
    const run = await c.var.runs.get(c.req.param("run_id"));
    tag(c, run);
    return isKnown(c, run) ? c.body(null, 304) : c.json(runAnswer(run));
  })
  .delete("/v1/runs/:run_id", needs("admin"), async (c) => {
    await c.var.runs.delete(c.req.param("run_id"), preconditionOf(c));
    return c.body(null, 204);
  });

/** The cursor of the page that begins after this place. Callers hand it back as it is. */
function cursorOf({ createdAt, runId }: RunPosition): string {
  return btoa(`${createdAt}:${runId}`).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * The place of a cursor; none of the empty one, with which the first page is asked for.
 *
 * @throws `invalid_request` where it is none of ours, or an offset is asked for beside it.
 */
function parseCursor(cursor: string, offset: number): RunPosition | undefined {
  if (offset > 0) throw invalidRequest("offset", "expected no offset beside a cursor");
  if (cursor === "") return undefined;
  const [, createdAt = "", runId] = /^(\d{1,15}):(.+)$/.exec(textOf(cursor)) ?? [];
  if (!isId(runId)) throw invalidRequest("cursor", "expected an empty text or the next_cursor of a page");
  return { createdAt: Number(createdAt), runId };
}

function textOf(cursor: string): string {
  try {
    return atob(cursor.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return "";
  }
}
