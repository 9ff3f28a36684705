import { readLineage } from "../../../src/index.ts";
import { readChildren } from "../../../src/runs/children.ts";
import { readOutputPage } from "../../../src/runs/output.ts";
import { readStoredTrace } from "../../../src/runs/stored.ts";
import {
  type ChildPageAnswer,
  childQuery,
  type EventPageAnswer,
  eventQuery,
  type HistoryAnswer,
  historyQuery,
  type OutputPageAnswer,
  outputQuery,
} from "../contract/histories.ts";
import {
  childAnswer,
  eventAnswer,
  historyEntryAnswer,
  lineageAnswer,
  outputChunkAnswer,
  traceAnswer,
} from "../contract/wire.ts";
import { Hono } from "../hono.ts";
import { type AppEnv, given, query } from "../request.ts";

/** Routes to the history and the lineage of a run. */
export const historyRoutes = new Hono<AppEnv>()
  .get("/v1/runs/:run_id/history", query(historyQuery), async (c) => {
    const { after, limit } = c.req.valid("query");
    const runId = c.req.param("run_id");
    const { items, next } = await c.var.runs.history(runId, { after, limit });
    const answer: HistoryAnswer = {
      run_id: runId,
      history: items.map(historyEntryAnswer),
      pagination: {
        after,
        limit,
        has_more: next !== undefined,
        ...(next === undefined ? {} : { next_after: next }),
      },
    };
    return c.json(answer);
  })
  .get("/v1/runs/:run_id/events", query(eventQuery), async (c) => {
    const { after, limit } = c.req.valid("query");
    const runId = c.req.param("run_id");
    const { items, next } = await c.var.runs.events(runId, { ...given({ after }), limit });
    const answer: EventPageAnswer = {
      run_id: runId,
      events: items.map(eventAnswer),
      pagination: {
        limit,
        has_more: next !== undefined,
        ...(next === undefined ? {} : { next_after: next }),
      },
    };
    return c.json(answer);
  })
  .get("/v1/runs/:run_id/output", query(outputQuery), async (c) => {
    const { step, from, limit } = c.req.valid("query");
    const runId = c.req.param("run_id");
    const { items, next, isMore, status } = await readOutputPage(c.var.runs, runId, step, { from, limit });
    const answer: OutputPageAnswer = {
      run_id: runId,
      step_id: step,
      chunks: items.map(outputChunkAnswer),
      status: status ?? null,
      pagination: { from, limit, has_more: isMore, next_from: next },
    };
    return c.json(answer);
  })
  .get("/v1/runs/:run_id/trace", async (c) => {
    const { run, trace } = await readStoredTrace(c.var.runs, c.req.param("run_id"));
    return c.json(traceAnswer(run, trace));
  })
  .get("/v1/runs/:run_id/lineage", async (c) =>
    c.json(lineageAnswer(await readLineage(c.var.runs, c.req.param("run_id")))),
  )
  .get("/v1/runs/:run_id/children", query(childQuery), async (c) => {
    const { after, limit } = c.req.valid("query");
    const runId = c.req.param("run_id");
    const { items, next } = await readChildren(c.var.runs, runId, { ...given({ after }), limit });
    const answer: ChildPageAnswer = {
      run_id: runId,
      children: items.map(childAnswer),
      pagination: {
        limit,
        has_more: next !== undefined,
        ...(next === undefined ? {} : { next_after: next }),
      },
    };
    return c.json(answer);
  });
