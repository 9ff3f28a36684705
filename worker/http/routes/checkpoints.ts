import type { Context } from "hono";
import { decodeState, readState } from "../../../src/codec/state.ts";
import { compareCheckpoints, type ExecutionState, saveCheckpoint } from "../../../src/index.ts";
import type { Json } from "../../../src/json.ts";
import { readStoredCheckpoint } from "../../../src/runs/stored.ts";
import {
  type CheckpointAnswer,
  type CheckpointListAnswer,
  checkpointQuery,
  comparisonQuery,
  newCheckpoint,
} from "../contract/checkpoints.ts";
import { checkpointRecordAnswer, comparisonAnswer } from "../contract/wire.ts";
import { Hono } from "../hono.ts";
import { type AppEnv, body, given, preconditionOf, query } from "../request.ts";

/** Routes to the checkpoints of a run. */
export const checkpointRoutes = new Hono<AppEnv>()
  .get("/v1/runs/:run_id/checkpoints", query(checkpointQuery), async (c) => {
    const runId = c.req.param("run_id");
    const { after, limit } = c.req.valid("query");
    const { items, head, total, next } = await c.var.runs.listCheckpoints(runId, {
      ...given({ after }),
      limit,
    });
    const answer: CheckpointListAnswer = {
      run_id: runId,
      checkpoints: items.map(checkpointRecordAnswer),
      total,
      checkpoint_head: head ?? null,
      ...(next === undefined ? {} : { next_after: next }),
    };
    return c.json(answer);
  })
  .post("/v1/runs/:run_id/checkpoints", body(newCheckpoint), async (c) => {
    const { checkpoint_id, step_id, kind, pending_writes, state } = c.req.valid("json");
    const request = {
      kind,
      state: stateOf(c, readState(state)),
      ...preconditionOf(c),
      ...given({ checkpointId: checkpoint_id, stepId: step_id, pendingWrites: pending_writes }),
    };
    const record = await saveCheckpoint(c.var.runs, c.req.param("run_id"), request);
    return c.json(checkpointRecordAnswer(record), 201);
  })
  .get("/v1/runs/:run_id/checkpoints/:checkpoint_id", async (c) => {
    const { run_id, checkpoint_id } = c.req.param();
    const { record, state } = await readStoredCheckpoint(c.var.runs, run_id, checkpoint_id);
    const answer: CheckpointAnswer = { record: checkpointRecordAnswer(record), state };
    return c.json(answer);
  })
  .get("/v1/runs/:run_id/checkpoints/:checkpoint_id/diff", query(comparisonQuery), async (c) => {
    const { run_id, checkpoint_id } = c.req.param();
    const { against } = c.req.valid("query");
    return c.json(
      comparisonAnswer(run_id, await compareCheckpoints(c.var.runs, run_id, checkpoint_id, given({ against }))),
    );
  });

// See `liveValue`.
function stateOf(c: Context<AppEnv>, state: ExecutionState<Json>): ExecutionState {
  return c.var.mayHaveTags ? decodeState(state) : state;
}
