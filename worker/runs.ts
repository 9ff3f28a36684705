import { Hono } from "hono";
import { decodeValue } from "../src/index.ts";
import { descentMode } from "../src/lineage.ts";
import type { ForkedRunAnswer, HistoryAnswer, ReplayedRunAnswer, ResumedRunAnswer, RunListAnswer } from "./answers.ts";
import { body, query } from "./body.ts";
import type { AppEnv } from "./call.ts";
import { given } from "./decode.ts";
import { descent, gateDecision, historyQuery, newSignal, resumption, runQuery } from "./requests.ts";
import { historyEntryAnswer, runAnswer } from "./wire.ts";

/** Routes to runs that are there. */
export const runRoutes = new Hono<AppEnv>()
  .get("/v1/runs", query(runQuery), async (c) => {
    const { status, limit, offset } = c.req.valid("query");
    const filter = given({ status });
    const [page, total] = await Promise.all([c.var.runs.list({ ...filter, limit, offset }), c.var.runs.count(filter)]);
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
    return c.json(answer);
  })
  .get("/v1/runs/:run_id", async (c) => c.json(runAnswer(await c.var.runs.get(c.req.param("run_id")))))
  .get("/v1/runs/:run_id/history", query(historyQuery), async (c) => {
    const { after, limit } = c.req.valid("query");
    const runId = c.req.param("run_id");
    const entries = await c.var.runs.history(runId, { after, limit: limit + 1 });
    const page = entries.slice(0, limit);
    const last = entries.length > limit ? page.at(-1) : undefined;
    const answer: HistoryAnswer = {
      run_id: runId,
      history: page.map(historyEntryAnswer),
      pagination: {
        after,
        limit,
        has_more: last !== undefined,
        ...(last === undefined ? {} : { next_after: last.revision }),
      },
    };
    return c.json(answer);
  })
  .post("/v1/runs/:run_id/cancel", async (c) => c.json(runAnswer(await c.var.runs.cancel(c.req.param("run_id")))))
  .post("/v1/runs/:run_id/resume", body(resumption), async (c) => {
    const { checkpoint_id } = c.req.valid("json");
    const options = given({ checkpointId: checkpoint_id });
    const { run, checkpointId } = await c.var.runs.resume(c.req.param("run_id"), options);
    const answer: ResumedRunAnswer = {
      run: runAnswer(run),
      resume: { accepted: true, mode: "checkpoint_resume", checkpoint_id: checkpointId },
    };
    return c.json(answer);
  })
  .post("/v1/runs/:run_id/replay", body(descent), async (c) => {
    const { checkpoint_id, run_id } = c.req.valid("json");
    const from = given({ checkpointId: checkpoint_id, newRunId: run_id });
    const { run, checkpointId, sourceRunId } = await c.var.runs.replay(c.req.param("run_id"), from);
    const answer: ReplayedRunAnswer = {
      run: runAnswer(run),
      replay: {
        accepted: true,
        mode: descentMode.replay,
        checkpoint_id: checkpointId,
        source_run_id: sourceRunId,
      },
    };
    return c.json(answer);
  })
  .post("/v1/runs/:run_id/fork", body(descent), async (c) => {
    const { checkpoint_id, run_id } = c.req.valid("json");
    const from = given({ checkpointId: checkpoint_id, newRunId: run_id });
    const { run, checkpointId, sourceRunId } = await c.var.runs.fork(c.req.param("run_id"), from);
    const answer: ForkedRunAnswer = {
      run: runAnswer(run),
      fork: { accepted: true, mode: descentMode.fork, checkpoint_id: checkpointId, source_run_id: sourceRunId },
    };
    return c.json(answer);
  })
  .post("/v1/runs/:run_id/approve", body(gateDecision), async (c) => {
    const { approver, notes, step_id } = c.req.valid("json");
    const decision = given({ approver, notes, stepId: step_id });
    const { run, checkpointId } = await c.var.runs.approve(c.req.param("run_id"), decision);
    const answer: ResumedRunAnswer = {
      run: runAnswer(run),
      resume: { accepted: true, mode: "checkpoint_resume", checkpoint_id: checkpointId },
    };
    return c.json(answer);
  })
  .post("/v1/runs/:run_id/deny", body(gateDecision), async (c) => {
    const { approver, notes, step_id } = c.req.valid("json");
    const decision = given({ approver, notes, stepId: step_id });
    return c.json(runAnswer(await c.var.runs.deny(c.req.param("run_id"), decision)));
  })
  .post("/v1/runs/:run_id/signal", body(newSignal), async (c) => {
    const { name, payload = null } = c.req.valid("json");
    const signal = { name, payload: decodeValue(payload, "payload") };
    return c.json(runAnswer(await c.var.runs.signal(c.req.param("run_id"), signal)));
  });
