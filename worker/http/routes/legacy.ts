import type { CurrentRun } from "../../../src/index.ts";
import type { RunAnswer } from "../contract/records.ts";
import { runAnswer } from "../contract/wire.ts";
import { Hono } from "../hono.ts";
import { type AppEnv, preconditionOf } from "../request.ts";

/** Routes for clients that are older than cancellation: they see a canceled run as failed. */
export const legacyRoutes = new Hono<AppEnv>()
  .get("/v1/run_status/:run_id", async (c) => c.json(legacyAnswer(await c.var.runs.get(c.req.param("run_id")))))
  .get("/run_status/:run_id", async (c) => c.json(legacyAnswer(await c.var.runs.get(c.req.param("run_id")))))
  .post("/v1/run_cancel/:run_id", async (c) =>
    c.json(legacyAnswer(await c.var.runs.cancel(c.req.param("run_id"), preconditionOf(c)))),
  )
  .post("/run_cancel/:run_id", async (c) =>
    c.json(legacyAnswer(await c.var.runs.cancel(c.req.param("run_id"), preconditionOf(c)))),
  );

function legacyAnswer(run: CurrentRun): RunAnswer {
  const answer = runAnswer(run);
  return answer.status === "canceled" ? { ...answer, status: "failed" } : answer;
}
