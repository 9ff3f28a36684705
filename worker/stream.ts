import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import { eventPosition, isTerminal } from "../src/index.ts";
import { query } from "./body.ts";
import type { AppEnv } from "./call.ts";
import { given } from "./decode.ts";
import { streamQuery } from "./requests.ts";
import { eventAnswer } from "./wire.ts";

/** How a stream of events behaves. Times are in milliseconds. */
export interface StreamOptions {
  /** How often the store is asked where nobody tells of changes. Default 250. */
  readonly pollMs?: number;
  /** As long as nothing happens, it is asked less and less often, down to this. Default 5,000. */
  readonly maxPollMs?: number;
  /** So often a comment shows that the stream lives. Default 15,000. */
  readonly heartbeatMs?: number;
  /** After so long the stream closes, and the client connects again. Default five minutes. */
  readonly maxMs?: number;
}

/** How soon clients connect again, unless they find that it fails. */
const retryMs = 1_000;

/** The events of a run as server-sent events. Source: https://html.spec.whatwg.org/multipage/server-sent-events.html */
export const streamRoutes = new Hono<AppEnv>().get("/v1/runs/:run_id/stream", query(streamQuery), async (c) => {
  const runId = c.req.param("run_id");
  const { runs, report } = c.var;
  const { pollMs = 250, maxPollMs = 5_000, heartbeatMs = 15_000, maxMs = 300_000 } = c.var.stream;
  const place = given({ after: c.req.header("last-event-id") || c.req.valid("query").after });
  // What is wrong with the request is told before the stream begins; in that order, so that no event falls in between.
  const { status } = await runs.get(runId);
  const [next] = await runs.events(runId, { ...place, limit: 1 });
  if (next === undefined && isTerminal(status)) return c.body(null, 204);
  const { signal: left } = c.req.raw;
  return streamSSE(c, async (stream) => {
    const ended = new AbortController();
    const end = () => ended.abort();
    stream.onAbort(end);
    left.addEventListener("abort", end);
    const last = setTimeout(end, maxMs);
    let isWriting = false;
    const heartbeat = setInterval(() => {
      if (isWriting) return;
      isWriting = true;
      void stream.write(": heartbeat\n\n").finally(() => {
        isWriting = false;
      });
    }, heartbeatMs);
    try {
      await stream.write(`retry: ${retryMs}\n\n`);
      const watch = runs.watch(runId, { ...place, signal: ended.signal, pollMs, maxPollMs });
      for (;;) {
        const { done, value } = await watch.next();
        if (!done) await stream.writeSSE({ id: eventPosition(value), data: JSON.stringify(eventAnswer(value)) });
        else {
          if (value !== undefined) await stream.writeSSE({ event: "end", data: JSON.stringify({ status: value }) });
          return;
        }
      }
    } catch (error) {
      // Without an end the client connects again, and is told then what is wrong, if it still is.
      report(error);
    } finally {
      clearTimeout(last);
      clearInterval(heartbeat);
      left.removeEventListener("abort", end);
    }
  });
});
