import { type Context, Hono } from "hono";
import { type ChangedRun, type CurrentRun, decodeValue, type ResumeOutcome } from "../../../src/index.ts";
import { needs } from "../auth/caller.ts";
import { body, query } from "../body.ts";
import type { AppEnv } from "../call.ts";
import type { MarkedRunAnswer, ResumedRunAnswer, RunAnswer, RunListAnswer } from "../contract/answers.ts";
import type { RunPageAnswer } from "../contract/read-answers.ts";
import { gateDecision, newSignal, resumption, runQuery } from "../contract/requests.ts";
import { runAnswer } from "../contract/wire.ts";
import { cursorOf, parseCursor } from "../cursor.ts";
import { given } from "../decode.ts";
import { isKnown, preconditionOf, tag } from "../middleware/etag.ts";
import { idempotencyKeyOf, replayMark } from "../middleware/idempotency.ts";

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
    if (!isKnown(c, run)) return c.json(tagged(c, run));
    tag(c, run);
    return c.body(null, 304);
  })
  .delete("/v1/runs/:run_id", needs("admin"), async (c) => {
    await c.var.runs.delete(c.req.param("run_id"), preconditionOf(c));
    return c.body(null, 204);
  })
  .post("/v1/runs/:run_id/cancel", async (c) =>
    c.json(tagged(c, await c.var.runs.cancel(c.req.param("run_id"), preconditionOf(c)))),
  )
  .post("/v1/runs/:run_id/resume", body(resumption), async (c) => {
    const { checkpoint_id } = c.req.valid("json");
    const options = given({ checkpointId: checkpoint_id, idempotencyKey: idempotencyKeyOf(c) });
    return c.json(resumed(c, await c.var.runs.resume(c.req.param("run_id"), options, preconditionOf(c))));
  })
  .post("/v1/runs/:run_id/approve", body(gateDecision), async (c) => {
    const { approver, notes, step_id } = c.req.valid("json");
    const decision = given({ approver, notes, stepId: step_id, idempotencyKey: idempotencyKeyOf(c) });
    return c.json(resumed(c, await c.var.runs.approve(c.req.param("run_id"), decision, preconditionOf(c))));
  })
  .post("/v1/runs/:run_id/deny", body(gateDecision), async (c) => {
    const { approver, notes, step_id } = c.req.valid("json");
    const decision = given({ approver, notes, stepId: step_id, idempotencyKey: idempotencyKeyOf(c) });
    return c.json(changed(c, await c.var.runs.deny(c.req.param("run_id"), decision, preconditionOf(c))));
  })
  .post("/v1/runs/:run_id/signal", body(newSignal), async (c) => {
    const { name, payload = null } = c.req.valid("json");
    const sent = { name, payload: decodeValue(payload, "payload") };
    const signal = { ...sent, ...given({ idempotencyKey: idempotencyKeyOf(c) }) };
    return c.json(changed(c, await c.var.runs.signal(c.req.param("run_id"), signal, preconditionOf(c))));
  });

function tagged(c: Context<AppEnv>, run: CurrentRun): RunAnswer {
  tag(c, run);
  return runAnswer(run);
}

function changed(c: Context<AppEnv>, run: ChangedRun): MarkedRunAnswer {
  return { ...tagged(c, run), ...replayMark(run) };
}

function resumed(c: Context<AppEnv>, outcome: ResumeOutcome): ResumedRunAnswer {
  return {
    run: tagged(c, outcome.run),
    resume: { accepted: true, mode: "checkpoint_resume", checkpoint_id: outcome.checkpointId },
    ...replayMark(outcome),
  };
}
