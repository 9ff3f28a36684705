import type { Context } from "hono";
import type { NewRun } from "../../../src/index.ts";
import type { JsonObject } from "../../../src/json.ts";
import type { MarkedRunAnswer } from "../contract/records.ts";
import { execution, newRun, type StartedRunAnswer, skillExecution } from "../contract/starts.ts";
import { id } from "../contract/values.ts";
import { replayMark, runAnswer } from "../contract/wire.ts";
import { Hono } from "../hono.ts";
import { type AppEnv, body, decode, given, idempotencyKeyOf, liveValues, startedTraceId, tag } from "../request.ts";

/** Routes that create runs. */
export const startRoutes = new Hono<AppEnv>()
  .post("/v1/skills/:skill_id/execute/async", body(execution), async (c) => {
    const skillId = decode(id, c.req.param("skill_id"), "skill_id");
    return c.json(await startOf(c, { ...c.req.valid("json"), skill_id: skillId }), 202);
  })
  .post("/v1/run_async", body(skillExecution), async (c) => c.json(await startOf(c, c.req.valid("json")), 202))
  .post("/run_async", body(skillExecution), async (c) => c.json(await startOf(c, c.req.valid("json")), 202))
  .post("/v1/runs", body(newRun), async (c) => {
    const { start, start_at, delay, metadata, skill_version, run_id, thread_id, session_id, environment, ...request } =
      c.req.valid("json");
    const birth = {
      ...requestOf(c, request),
      ...given({
        skillVersion: skill_version,
        runId: run_id,
        threadId: thread_id,
        sessionId: session_id,
        environment,
        startAt: start_at == null ? undefined : new Date(start_at),
        delay,
      }),
      ...(metadata == null ? {} : { metadata: liveValues(c, metadata, "metadata") }),
    };
    const started = await (start === false ? c.var.runs.create(birth) : c.var.runs.start(birth));
    tag(c, started.run);
    const answer: MarkedRunAnswer = { ...runAnswer(started.run), ...replayMark(started) };
    return c.json(answer, 201);
  });

interface StartRequest {
  readonly skill_id: string;
  readonly inputs?: JsonObject | null | undefined;
  readonly trace_id?: string | null | undefined;
}

async function startOf(c: Context<AppEnv>, request: StartRequest): Promise<StartedRunAnswer> {
  const started = await c.var.runs.start(requestOf(c, request));
  const { run_id, skill_id, status, trace_id, checkpoint_head } = runAnswer(started.run);
  return { run_id, skill_id, status, trace_id, checkpoint_head, ...replayMark(started) };
}

function requestOf(c: Context<AppEnv>, { skill_id, inputs, trace_id }: StartRequest): NewRun {
  return {
    skillId: skill_id,
    inputs: liveValues(c, inputs, "inputs"),
    traceId: startedTraceId(c, trace_id),
    ...given({ idempotencyKey: idempotencyKeyOf(c) }),
  };
}
