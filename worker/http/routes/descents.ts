import { type Context, Hono } from "hono";
import type { Descent } from "../../../src/index.ts";
import { descentMode } from "../../../src/record/lineage.ts";
import type { AppEnv } from "../call.ts";
import { descent, type ForkedRunAnswer, fork, type ReplayedRunAnswer } from "../contract/descents.ts";
import { replayMark, runAnswer } from "../contract/wire.ts";
import { body, conditionsOf, decodeFields, given } from "../request.ts";

/** Routes that create a run from another run. */
export const descentRoutes = new Hono<AppEnv>()
  .post("/v1/runs/:run_id/replay", body(descent), async (c) => {
    const from = descentOf(c, c.req.valid("json"));
    const replay = await c.var.runs.replay(c.req.param("run_id"), from);
    const answer: ReplayedRunAnswer = {
      run: runAnswer(replay.run),
      replay: {
        accepted: true,
        mode: descentMode.replay,
        checkpoint_id: replay.checkpointId,
        source_run_id: replay.sourceRunId,
      },
      ...replayMark(replay),
    };
    return c.json(answer);
  })
  .post("/v1/runs/:run_id/fork", body(fork), async (c) => {
    const { edit, ...request } = c.req.valid("json");
    const edited = edit && {
      inputs: decodeFields(edit.inputs ?? {}, "edit.inputs"),
      vars: decodeFields(edit.vars ?? {}, "edit.vars"),
    };
    const from = { ...descentOf(c, request), ...given({ edit: edited }) };
    const made = await c.var.runs.fork(c.req.param("run_id"), from);
    const answer: ForkedRunAnswer = {
      run: runAnswer(made.run),
      fork: {
        accepted: true,
        mode: descentMode.fork,
        checkpoint_id: made.checkpointId,
        source_run_id: made.sourceRunId,
      },
      ...replayMark(made),
    };
    return c.json(answer);
  });

interface DescentRequest {
  readonly checkpoint_id?: string | null | undefined;
  readonly run_id?: string | null | undefined;
}

function descentOf(c: Context<AppEnv>, { checkpoint_id, run_id }: DescentRequest): Descent {
  return given({
    checkpointId: checkpoint_id,
    newRunId: run_id,
    ...conditionsOf(c),
  });
}
