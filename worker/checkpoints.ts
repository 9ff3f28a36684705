import { Hono } from "hono";
import { decodeState, readState } from "../src/index.ts";
import type { CheckpointListAnswer } from "./answers.ts";
import { body } from "./body.ts";
import type { AppEnv } from "./call.ts";
import { given } from "./decode.ts";
import { newCheckpoint } from "./requests.ts";
import { checkpointAnswer, checkpointRecordAnswer } from "./wire.ts";

/** Routes to the checkpoints of a run. */
export const checkpointRoutes = new Hono<AppEnv>()
  .get("/v1/runs/:run_id/checkpoints", async (c) => {
    const runId = c.req.param("run_id");
    const { checkpoints, head } = await c.var.runs.listCheckpoints(runId);
    const answer: CheckpointListAnswer = {
      run_id: runId,
      checkpoints: checkpoints.map(checkpointRecordAnswer),
      total: checkpoints.length,
      checkpoint_head: head ?? null,
    };
    return c.json(answer);
  })
  .post("/v1/runs/:run_id/checkpoints", body(newCheckpoint), async (c) => {
    const { checkpoint_id, step_id, kind, pending_writes, state } = c.req.valid("json");
    const record = await c.var.runs.saveCheckpoint(c.req.param("run_id"), {
      kind,
      state: decodeState(readState(state)),
      ...given({ checkpointId: checkpoint_id, stepId: step_id, pendingWrites: pending_writes }),
    });
    return c.json(checkpointRecordAnswer(record), 201);
  })
  .get("/v1/runs/:run_id/checkpoints/:checkpoint_id", async (c) => {
    const { run_id, checkpoint_id } = c.req.param();
    return c.json(checkpointAnswer(await c.var.runs.loadCheckpoint(run_id, checkpoint_id)));
  });
