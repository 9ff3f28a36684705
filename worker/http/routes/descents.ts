import type { Context } from "hono";
import type { Descent, DescentOutcome } from "../../../src/index.ts";
import { descentMode } from "../../../src/record/lineage.ts";
import { descent, type ForkedRunAnswer, fork, type ReplayedRunAnswer } from "../contract/descents.ts";
import { replayMark, runAnswer } from "../contract/wire.ts";
import { Hono } from "../hono.ts";
import { type AppEnv, body, conditionsOf, given, liveValues } from "../request.ts";

/** Routes that create a run from another run. */
export const descentRoutes = new Hono<AppEnv>()
  .post("/v1/runs/:run_id/replay", body(descent), async (c) => {
    const made = await c.var.runs.replay(c.req.param("run_id"), descentOf(c, c.req.valid("json")));
    const replay = { ...accepted(made), mode: descentMode.replay };
    return c.json<ReplayedRunAnswer>({ run: runAnswer(made.run), replay, ...replayMark(made) });
  })
  .post("/v1/runs/:run_id/fork", body(fork), async (c) => {
    const { edit, ...request } = c.req.valid("json");
    const edited = edit && {
      inputs: liveValues(c, edit.inputs, "edit.inputs"),
      vars: liveValues(c, edit.vars, "edit.vars"),
    };
    const from = { ...descentOf(c, request), ...given({ edit: edited }) };
    const made = await c.var.runs.fork(c.req.param("run_id"), from);
    const mode = descentMode.fork;
    return c.json<ForkedRunAnswer>({
      run: runAnswer(made.run),
      fork: { ...accepted(made), mode },
      ...replayMark(made),
    });
  });

interface DescentRequest {
  readonly checkpoint_id?: string | null | undefined;
  readonly run_id?: string | null | undefined;
  readonly children?: "reuse" | "start" | null | undefined;
}

function descentOf(c: Context<AppEnv>, { checkpoint_id, run_id, children }: DescentRequest): Descent {
  return given({
    checkpointId: checkpoint_id,
    newRunId: run_id,
    children,
    ...conditionsOf(c),
  });
}

function accepted({ checkpointId, sourceRunId }: DescentOutcome) {
  return { accepted: true, checkpoint_id: checkpointId, source_run_id: sourceRunId } as const;
}
