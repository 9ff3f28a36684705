import type { Context } from "hono";
import { onAbort } from "../../../src/clock.ts";
import { isTerminal, type RunEvent, type RunStatus } from "../../../src/index.ts";
import { present } from "../../../src/json.ts";
import { eventPosition } from "../../../src/record/event.ts";
import { changedRuns } from "../../../src/runs/changed-runs.ts";
import { type LiveEvent, watchLive } from "../../../src/runs/live.ts";
import { chunkStream } from "../chunks.ts";
import { streamQuery } from "../contract/histories.ts";
import { eventAnswer, liveAnswer } from "../contract/wire.ts";
import { Hono } from "../hono.ts";
import { type AppEnv, given, query } from "../request.ts";

/** The delay after which clients reconnect, unless a connection fails. */
const retryMs = 1_000;

const headers = { "content-type": "text/event-stream", "cache-control": "no-cache" };

/** Server-sent events. Source: https://html.spec.whatwg.org/multipage/server-sent-events.html */
export const streamRoutes = new Hono<AppEnv>()
  .get("/v1/changes", async (c) => {
    const { runs } = c.var;
    const { pollMs, maxPollMs } = c.var.stream;
    // Before the answer, so that the reader can look after it and miss nothing, and errors of the request are reported.
    const { items } = await runs.list();
    return streamed(
      c,
      (signal) => changedRuns(runs, items, { signal, pollMs, maxPollMs }),
      (runIds) => ({
        data: { run_ids: runIds },
      }),
    );
  })
  .get("/v1/runs/:run_id/stream", query(streamQuery), async (c) => {
    const runId = c.req.param("run_id");
    const { runs } = c.var;
    const { pollMs, maxPollMs } = c.var.stream;
    const place = given({ after: c.req.header("last-event-id") || c.req.valid("query").after });
    // Errors of the request are reported before the stream begins. The run is read before its events, so that no event is
    // missed in between.
    const { status } = await runs.get(runId);
    const { items } = await runs.events(runId, { ...place, limit: 1 });
    if (items.length === 0 && isTerminal(status)) return c.body(null, 204);
    const watched: Pick<typeof runs, "watch"> = {
      watch: (id, options) => runs.watch(id, { ...options, pollMs, maxPollMs }),
    };
    return streamed(c, (signal) => watchLive(watched, runId, { ...place, signal }), eventMessage);
  });

function eventMessage(event: RunEvent | LiveEvent): Message {
  // Without an id: a reconnect continues after the last recorded event.
  if ("isLive" in event) return { event: "live", data: liveAnswer(event) };
  return { id: eventPosition(event), data: eventAnswer(event) };
}

/** Opens a watch of something, which ends with its reader. */
type Open<T> = (signal: AbortSignal) => AsyncGenerator<T, RunStatus | undefined, undefined>;

/** The answer with the messages of a watch. */
function streamed<T>(c: Context<AppEnv>, open: Open<T>, toMessage: (value: T) => Message): Response {
  const { report } = c.var;
  const { heartbeatMs, maxMs, signal } = c.var.stream;
  const ended = new AbortController();
  c.var.watched({ ended: ended.signal, close: () => ended.abort() });
  const ends = [c.req.raw.signal, signal];
  const messages = messagesOf(open, toMessage, ended, { ends, heartbeatMs, maxMs, report });
  return c.body(
    chunkStream(messages, report, () => ended.abort()),
    200,
    headers,
  );
}

interface MessageOptions {
  /** Each of these signals ends the stream. */
  readonly ends: readonly (AbortSignal | undefined)[];
  readonly heartbeatMs: number;
  readonly maxMs: number;
  readonly report: (error: unknown) => void;
}

/** The messages of a watch, with heartbeats in between. Ends without an `end` when `ended` aborts or the watch fails. */
async function* messagesOf<T>(
  open: Open<T>,
  toMessage: (value: T) => Message,
  ended: AbortController,
  { ends, heartbeatMs, maxMs, report }: MessageOptions,
): AsyncGenerator<string, void, undefined> {
  const end = () => ended.abort();
  const releases = ends.map((signal) => onAbort(signal, end));
  const last = setTimeout(end, maxMs);
  const watch = open(ended.signal);
  try {
    yield `retry: ${retryMs}\n\n`;
    for (;;) {
      const next = watch.next();
      // The outcome is handled below; if the reader leaves before that, a rejection must not stay unhandled.
      next.catch(() => {});
      while (await isSilent(next, heartbeatMs)) yield ": heartbeat\n\n";
      const { done, value } = await next;
      if (!done) yield message(toMessage(value));
      else if (value !== undefined) yield message({ event: "end", data: { status: value } });
      if (done) return;
    }
  } catch (error) {
    // Without an `end` the client reconnects, and gets the error then if it persists.
    report(error);
  } finally {
    end();
    watch.return(undefined).catch(report);
    clearTimeout(last);
    for (const release of releases) release();
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

interface Message {
  readonly event?: string;
  readonly id?: string;
  readonly data: object;
}

function message({ event, id, data }: Message): string {
  const fields = Object.entries(present({ event, data: JSON.stringify(data), id }));
  return `${fields.map(([name, value]) => `${name}: ${value}\n`).join("")}\n`;
}
