import { isTerminal, type RunEvent, type RunStatus } from "../../../src/index.ts";
import { eventPosition } from "../../../src/record/event.ts";
import { type LiveEvent, watchLive } from "../../../src/runs/live.ts";
import { chunkStream } from "../chunks.ts";
import { streamQuery } from "../contract/histories.ts";
import { eventAnswer, liveAnswer } from "../contract/wire.ts";
import { Hono } from "../hono.ts";
import { type AppEnv, given, query } from "../request.ts";

/** The delay after which clients reconnect, unless a connection fails. */
const retryMs = 1_000;

const headers = { "content-type": "text/event-stream", "cache-control": "no-cache" };

/** The events of a run as server-sent events. Source: https://html.spec.whatwg.org/multipage/server-sent-events.html */
export const streamRoutes = new Hono<AppEnv>().get("/v1/runs/:run_id/stream", query(streamQuery), async (c) => {
  const runId = c.req.param("run_id");
  const { runs, report } = c.var;
  const { pollMs, maxPollMs, heartbeatMs, maxMs, signal } = c.var.stream;
  const place = given({ after: c.req.header("last-event-id") || c.req.valid("query").after });
  // Errors of the request are reported before the stream begins. The run is read before its events, so that no event is
  // missed in between.
  const { status } = await runs.get(runId);
  const { items } = await runs.events(runId, { ...place, limit: 1 });
  if (items.length === 0 && isTerminal(status)) return c.body(null, 204);
  const ended = new AbortController();
  c.var.watched({ ended: ended.signal, close: () => ended.abort() });
  const ends = [c.req.raw.signal, ...(signal === undefined ? [] : [signal])];
  const watched: Pick<typeof runs, "watch"> = {
    watch: (id, options) => runs.watch(id, { ...options, pollMs, maxPollMs }),
  };
  const watch = () => watchLive(watched, runId, { ...place, signal: ended.signal });
  const messages = messagesOf(watch, ended, { ends, heartbeatMs, maxMs, report });
  return c.body(
    chunkStream(messages, report, () => ended.abort()),
    200,
    headers,
  );
});

interface MessageOptions {
  /** Each of these signals ends the stream. */
  readonly ends: readonly AbortSignal[];
  readonly heartbeatMs: number;
  readonly maxMs: number;
  readonly report: (error: unknown) => void;
}

/** The messages of a watch, with heartbeats in between. Ends without an `end` when `ended` aborts or the watch fails. */
async function* messagesOf(
  open: () => AsyncGenerator<RunEvent | LiveEvent, RunStatus | undefined, undefined>,
  ended: AbortController,
  { ends, heartbeatMs, maxMs, report }: MessageOptions,
): AsyncGenerator<string, void, undefined> {
  const end = () => ended.abort();
  for (const signal of ends) {
    if (signal.aborted) end();
    signal.addEventListener("abort", end);
  }
  const last = setTimeout(end, maxMs);
  const watch = open();
  try {
    yield `retry: ${retryMs}\n\n`;
    for (;;) {
      const next = watch.next();
      // The outcome is handled below; if the reader leaves before that, a rejection must not stay unhandled.
      next.catch(() => {});
      while (await isSilent(next, heartbeatMs)) yield ": heartbeat\n\n";
      const { done, value } = await next;
      if (!done) {
        // Without an id: a reconnect continues after the last recorded event.
        if ("isLive" in value) yield message({ event: "live", data: liveAnswer(value) });
        else yield message({ id: eventPosition(value), data: eventAnswer(value) });
      } else {
        if (value !== undefined) yield message({ event: "end", data: { status: value } });
        return;
      }
    }
  } catch (error) {
    // Without an `end` the client reconnects, and gets the error then if it persists.
    report(error);
  } finally {
    end();
    watch.return(undefined).catch(report);
    clearTimeout(last);
    for (const signal of ends) signal.removeEventListener("abort", end);
  }
}

/** True if nothing arrived within `ms` milliseconds. */
async function isSilent(next: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(true), ms);
  });
  const came = () => false;
  try {
    return await Promise.race([next.then(came, came), silence]);
  } finally {
    clearTimeout(timer);
  }
}

function message({ event, id, data }: { event?: string; id?: string; data: object }): string {
  const lines = [...(event === undefined ? [] : [`event: ${event}`]), `data: ${JSON.stringify(data)}`];
  if (id !== undefined) lines.push(`id: ${id}`);
  return `${lines.join("\n")}\n\n`;
}
