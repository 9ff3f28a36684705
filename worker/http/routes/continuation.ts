import type { Context } from "hono";
import type * as v from "valibot";
import type { CurrentRun, ResumeOutcome } from "../../../src/index.ts";
import type { ChangedRun } from "../../../src/types.ts";
import { cancelQuery, gateDecision, newSignal, type ResumedRunAnswer, resumption } from "../contract/continuation.ts";
import type { MarkedRunAnswer, RunAnswer } from "../contract/records.ts";
import { replayMark, runAnswer } from "../contract/wire.ts";
import { Hono } from "../hono.ts";
import { type AppEnv, body, conditionsOf, given, liveValue, preconditionOf, query, tag } from "../request.ts";

/** Routes that continue or end a run. */
export const continuationRoutes = new Hono<AppEnv>()
  .post("/v1/runs/:run_id/cancel", query(cancelQuery), async (c) => {
    const rollback = c.req.valid("query").rollback === "true";
    return c.json(tagged(c, await c.var.runs.cancel(c.req.param("run_id"), { rollback, ...preconditionOf(c) })));
  })
  .post("/v1/runs/:run_id/resume", body(resumption), async (c) => {
    const { checkpoint_id } = c.req.valid("json");
    const options = given({ checkpointId: checkpoint_id, ...conditionsOf(c) });
    return c.json(resumed(c, await c.var.runs.resume(c.req.param("run_id"), options)));
  })
  .post("/v1/runs/:run_id/approve", body(gateDecision), async (c) => {
    const decision = decisionOf(c, c.req.valid("json"));
    return c.json(resumed(c, await c.var.runs.approve(c.req.param("run_id"), decision)));
  })
  .post("/v1/runs/:run_id/deny", body(gateDecision), async (c) => {
    const decision = decisionOf(c, c.req.valid("json"));
    return c.json(changed(c, await c.var.runs.deny(c.req.param("run_id"), decision)));
  })
  .post("/v1/runs/:run_id/signal", body(newSignal), async (c) => {
    const { name, payload = null } = c.req.valid("json");
    const signal = { name, payload: liveValue(c, payload, "payload"), ...conditionsOf(c) };
    return c.json(changed(c, await c.var.runs.signal(c.req.param("run_id"), signal)));
  });

function decisionOf(c: Context<AppEnv>, { approver, notes, step_id, data }: v.InferOutput<typeof gateDecision>) {
  const live = data === undefined ? undefined : liveValue(c, data, "data");
  return given({ approver, notes, stepId: step_id, data: live, ...conditionsOf(c) });
}

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
