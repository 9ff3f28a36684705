import { exportRun, importRun } from "../../../src/transfer.ts";
import { chunkStream } from "../chunks.ts";
import type { RunAnswer } from "../contract/records.ts";
import { runAnswer } from "../contract/wire.ts";
import { Hono } from "../hono.ts";
import { type AppEnv, needs, readChunks, tag } from "../request.ts";

/** The default maximum number of bytes in an import. */
export const defaultMaxImportBytes = 100 * 1024 * 1024;

/** Routes that export and import runs, as streams of lines. */
export const transferRoutes = new Hono<AppEnv>()
  .get("/v1/runs/:run_id/export", async (c) => {
    const lines = exportRun(c.var.runs, c.req.param("run_id"));
    // A run that cannot be exported fails before the answer begins.
    const first = await lines.next();
    const body = chunkStream(from(first, lines), c.var.report, () => void lines.return());
    return c.body(body, 200, { "content-type": "application/x-ndjson" });
  })
  .post("/v1/import", needs("admin"), async (c) => {
    const run = await importRun(c.var.runs, readChunks(c.req.raw, c.var.maxImportBytes));
    tag(c, run);
    return c.json<RunAnswer>(runAnswer(run), 201);
  });

async function* from(
  first: IteratorResult<string, void>,
  rest: AsyncGenerator<string, void, undefined>,
): AsyncGenerator<string, void, undefined> {
  if (first.done) return;
  yield first.value;
  yield* rest;
}
