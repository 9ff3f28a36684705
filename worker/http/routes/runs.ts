import { invalidRequest } from "../../../src/errors.ts";
import { parseCursor } from "../../../src/runs/cursor.ts";
import { readStoredRun } from "../../../src/runs/stored.ts";
import { type RunListAnswer, type RunPageAnswer, runQuery } from "../contract/runs.ts";
import { runAnswer, storedRunAnswer } from "../contract/wire.ts";
import { Hono } from "../hono.ts";
import { type AppEnv, given, isKnown, needs, preconditionOf, query, tag } from "../request.ts";

/** Routes to existing runs. */
export const runRoutes = new Hono<AppEnv>()
  .get("/v1/runs", query(runQuery), async (c) => {
    const { status, skill_id, source_run_id, order, limit, offset, cursor } = c.req.valid("query");
    const filter = given({ status, skillId: skill_id, sourceRunId: source_run_id });
    const part = { ...filter, ...given({ order }), limit };
    if (cursor !== undefined) {
      const after = checkedCursor(cursor, offset);
      const { items, next } = await c.var.runs.list({ ...part, ...given({ after }) });
      const answer: RunPageAnswer = {
        runs: items.map(runAnswer),
        pagination: {
          limit,
          has_more: next !== undefined,
          ...(next === undefined ? {} : { next_cursor: next }),
        },
      };
      return c.json<RunPageAnswer | RunListAnswer>(answer);
    }
    const [page, total] = await Promise.all([c.var.runs.list({ ...part, offset }), c.var.runs.count(filter)]);
    const hasMore = page.next !== undefined;
    const answer: RunListAnswer = {
      runs: page.items.map(runAnswer),
      pagination: {
        offset,
        limit,
        total,
        has_more: hasMore,
        ...(hasMore ? { next_offset: offset + page.items.length } : {}),
      },
    };
    return c.json<RunPageAnswer | RunListAnswer>(answer);
  })
  .get("/v1/runs/:run_id", async (c) => {
    const stored = await readStoredRun(c.var.runs, c.req.param("run_id"));
    tag(c, stored);
    // What a run waits for can change without an entry of its history.
    const isSame = stored.waiting === undefined && isKnown(c, stored);
    return isSame ? c.body(null, 304) : c.json(storedRunAnswer(stored));
  })
  .delete("/v1/runs/:run_id", needs("admin"), async (c) => {
    await c.var.runs.delete(c.req.param("run_id"), preconditionOf(c));
    return c.body(null, 204);
  });

/**
 * The cursor of a request; undefined for the empty cursor of the first page.
 *
 * @throws `invalid_request` if the cursor is malformed, or if there is also an offset.
 */
function checkedCursor(cursor: string, offset: number): string | undefined {
  if (offset > 0) throw invalidRequest("offset", "send either `offset` or `cursor`, not both");
  if (cursor === "") return undefined;
  parseCursor(cursor, "cursor");
  return cursor;
}
