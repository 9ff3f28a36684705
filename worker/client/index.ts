import { type ClientResponse, hc } from "hono/client";
import { DurableError } from "../../src/errors.ts";
import type { RunStatus } from "../../src/record/run.ts";
import type { EventAnswer, RunAnswer } from "../http/contract/records.ts";
import type { createApp } from "../http/index.ts";
import { failureOf } from "./failure.ts";
import { type WatchOptions, watch } from "./watch.ts";

export type { WatchOptions } from "./watch.ts";

/** Every route with its types, as Hono's client has them: `routes.v1.runs[":run_id"].$get({ param: { run_id } })`. */
export type Routes = ReturnType<typeof hc<ReturnType<typeof createApp>>>;

export interface ClientOptions {
  readonly apiKey?: string;
  /** Sent with every request, such as the cookie or token of a team's own login. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What makes the requests; the platform's `fetch` where absent. */
  readonly fetch?: (request: Request) => Response | Promise<Response>;
}

/** What may be said beside a request. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * On what makes or moves a run: a second call with this key within 24 hours changes nothing more, and is answered as the first
   * was, with `idempotent_replay: true`.
   */
  readonly idempotencyKey?: string | undefined;
  /** On what changes a run: the ETag that it must still have, else the call fails with `precondition_failed`. */
  readonly ifMatch?: string | undefined;
}

type RunRoutes = Routes["v1"]["runs"];
type RunRoute = RunRoutes[":run_id"];
type CheckpointRoutes = RunRoute["checkpoints"];
/** The body of a request to a route. */
type Sent<Send> = Send extends (args: infer Args, ...rest: never[]) => unknown
  ? Args extends { readonly json: infer Body }
    ? Body
    : never
  : never;
/** The query of a request to a route, its numbers as numbers. */
type Asked<Send> = Send extends (args: infer Args, ...rest: never[]) => unknown
  ? Args extends { readonly query: infer Query }
    ? { readonly [Name in keyof Query]?: Name extends "limit" | "offset" ? number : Query[Name] }
    : never
  : never;
type Json<Response> = Response extends ClientResponse<infer Body, number, "json"> ? Body : never;

/**
 * A client of the service at `baseUrl`, for browsers, Workers and Node. Each call answers with the JSON of its route, in the
 * names of the wire, and fails with a {@link DurableError}: the service's own `code` and `hint`, `retryAfterMs` where it says
 * when to try again, and `details.traceId`, by which its log knows the request. `upstream_failure` is a service that cannot
 * be reached.
 */
export function createClient(baseUrl: string, options: ClientOptions = {}) {
  const send = options.fetch ?? ((request: Request) => fetch(request));
  const request = async (input: Request | URL | string, init?: RequestInit): Promise<Response> => {
    const asked = new Request(input, init);
    for (const [name, value] of Object.entries(options.headers ?? {})) asked.headers.set(name, value);
    if (options.apiKey !== undefined) asked.headers.set("x-api-key", options.apiKey);
    let response: Response;
    try {
      response = await send(asked);
    } catch (cause) {
      asked.signal.throwIfAborted();
      throw new DurableError("upstream_failure", `${asked.method} ${asked.url} was not answered`, { cause });
    }
    if (response.ok || response.status === 304) return response;
    throw await failureOf(response);
  };
  const routes: Routes = hc<ReturnType<typeof createApp>>(baseUrl, { fetch: request });
  const { v1 } = routes;
  const run = v1.runs[":run_id"];
  const at = (runId: string) => ({ param: { run_id: segment(runId) } });
  const atCheckpoint = (runId: string, checkpointId: string) => ({
    param: { run_id: segment(runId), checkpoint_id: segment(checkpointId) },
  });
  const etags = new WeakMap<object, string>();
  const tagged = async (response: Answered): Promise<object> => {
    const body = (await response.json()) as object;
    const etag = response.headers.get("etag");
    if (etag === null) return body;
    etags.set(body, etag);
    // Of a resume the answer has the run in it.
    if ("run" in body && typeof body.run === "object" && body.run !== null) etags.set(body.run, etag);
    return body;
  };
  const json = async <Response extends ClientResponse<unknown>>(answer: Promise<Response>): Promise<Json<Response>> => {
    return (await tagged(await answer)) as Json<Response>;
  };
  const urlOf = (runId: string, ...rest: readonly string[]) =>
    [baseUrl.replace(/\/+$/, ""), "v1/runs", segment(runId), ...rest].join("/");

  return {
    routes,
    /** The ETag of a run as this client answered with it, for `ifMatch`; a run in a list has none. */
    etag: (answer: object): string | undefined => etags.get(answer),

    /** Starts a run of a skill. */
    start: (skillId: string, inputs: Sent<RunRoutes["$post"]>["inputs"] = {}, call: CallOptions = {}) =>
      json(v1.runs.$post({ json: { skill_id: skillId, inputs } }, said(call))),
    /** Creates a run with all that can be said of it; `start: false` leaves it pending. */
    create: (body: Sent<RunRoutes["$post"]>, call: CallOptions = {}) => json(v1.runs.$post({ json: body }, said(call))),
    /** A page of runs: by cursor where one is given, empty for the first page, else by offset. */
    list: (query: Asked<RunRoutes["$get"]> = {}, call: CallOptions = {}) =>
      json(v1.runs.$get({ query: texts(query) }, said(call))),
    get: (runId: string, call: CallOptions = {}) => json(run.$get(at(runId), said(call))),
    cancel: (runId: string, call: CallOptions = {}) => json(run.cancel.$post(at(runId), said(call))),
    resume: (runId: string, body: Sent<RunRoute["resume"]["$post"]> = {}, call: CallOptions = {}) =>
      json(run.resume.$post({ ...at(runId), json: body }, said(call))),
    replay: (runId: string, body: Sent<RunRoute["replay"]["$post"]> = {}, call: CallOptions = {}) =>
      json(run.replay.$post({ ...at(runId), json: body }, said(call))),
    fork: (runId: string, body: Sent<RunRoute["fork"]["$post"]> = {}, call: CallOptions = {}) =>
      json(run.fork.$post({ ...at(runId), json: body }, said(call))),
    approve: (runId: string, body: Sent<RunRoute["approve"]["$post"]> = {}, call: CallOptions = {}) =>
      json(run.approve.$post({ ...at(runId), json: body }, said(call))),
    deny: (runId: string, body: Sent<RunRoute["deny"]["$post"]> = {}, call: CallOptions = {}) =>
      json(run.deny.$post({ ...at(runId), json: body }, said(call))),
    signal: (runId: string, body: Sent<RunRoute["signal"]["$post"]>, call: CallOptions = {}) =>
      json(run.signal.$post({ ...at(runId), json: body }, said(call))),
    delete: async (runId: string, call: CallOptions = {}): Promise<void> =>
      void (await run.$delete(at(runId), said(call))),

    checkpoints: (runId: string, query: Asked<CheckpointRoutes["$get"]> = {}, call: CallOptions = {}) =>
      json(run.checkpoints.$get({ ...at(runId), query: texts(query) }, said(call))),
    checkpoint: (runId: string, checkpointId: string, call: CallOptions = {}) =>
      json(run.checkpoints[":checkpoint_id"].$get(atCheckpoint(runId, checkpointId), said(call))),
    saveCheckpoint: (runId: string, body: Sent<CheckpointRoutes["$post"]>, call: CallOptions = {}) =>
      json(run.checkpoints.$post({ ...at(runId), json: body }, said(call))),
    /** What changed up to a checkpoint, since the one before it or `against` another. */
    compare: (
      runId: string,
      checkpointId: string,
      query: Asked<CheckpointRoutes[":checkpoint_id"]["diff"]["$get"]> = {},
      call: CallOptions = {},
    ) =>
      json(
        run.checkpoints[":checkpoint_id"].diff.$get(
          { ...atCheckpoint(runId, checkpointId), query: texts(query) },
          said(call),
        ),
      ),

    history: (runId: string, query: Asked<RunRoute["history"]["$get"]> = {}, call: CallOptions = {}) =>
      json(run.history.$get({ ...at(runId), query: texts(query) }, said(call))),
    events: (runId: string, query: Asked<RunRoute["events"]["$get"]> = {}, call: CallOptions = {}) =>
      json(run.events.$get({ ...at(runId), query: texts(query) }, said(call))),
    trace: (runId: string, call: CallOptions = {}) => json(run.trace.$get(at(runId), said(call))),
    lineage: (runId: string, call: CallOptions = {}) => json(run.lineage.$get(at(runId), said(call))),
    skills: (call: CallOptions = {}) => json(v1.skills.$get({}, said(call))),
    whoami: (call: CallOptions = {}) => json(v1.whoami.$get({}, said(call))),

    /**
     * The run's events as they happen, each once and in order, over as many connections as it takes. Returns the status with
     * which the run ended, and nothing where `signal` ended the watch.
     */
    watch: (runId: string, options: WatchOptions = {}): AsyncGenerator<EventAnswer, RunStatus | undefined, undefined> =>
      watch(
        {
          connect: (after, signal) =>
            request(urlOf(runId, "stream"), {
              signal,
              headers: { accept: "text/event-stream", ...(after === undefined ? {} : { "last-event-id": after }) },
            }),
          status: async (signal) => (await json(run.$get(at(runId), said({ signal })))).status,
        },
        options,
      ),

    /** Everything that is stored of the run, as lines of JSON. An export that is cut off breaks, or has no end. */
    export: async (runId: string, { signal }: CallOptions = {}): Promise<ReadableStream<Uint8Array>> => {
      const { body } = await request(urlOf(runId, "export"), signal === undefined ? {} : { signal });
      if (body === null) throw new DurableError("upstream_failure", `the export of run "${runId}" is empty`);
      return body;
    },
    /**
     * Takes a run in from its export. Chromium sends a stream over HTTP/2 and to a service worker alone: pass a blob over
     * HTTP/1.1, such as `await new Response(stream).blob()`. Firefox and Safari send no streams, so it is read before it is sent.
     */
    import: async (lines: ReadableStream<Uint8Array> | Blob | string, call: CallOptions = {}): Promise<RunAnswer> => {
      const init = {
        method: "POST",
        headers: { "content-type": "application/x-ndjson" },
        body: lines instanceof ReadableStream && !sendsStreams() ? await new Response(lines).blob() : lines,
        // Without it no platform takes a stream.
        duplex: "half",
        ...(call.signal === undefined ? {} : { signal: call.signal }),
      };
      return (await tagged(await request(`${baseUrl.replace(/\/+$/, "")}/v1/import`, init))) as RunAnswer;
    },
  };
}

/**
 * Browsers without `duplex` send no stream as a body: Firefox sends the text `[object ReadableStream]`, WebKit throws. Other
 * platforms may lack it, and send streams all the same.
 */
function sendsStreams(): boolean {
  return "duplex" in Request.prototype || !("indexedDB" in globalThis);
}

/** What {@link createClient} makes. */
export type Client = ReturnType<typeof createClient>;

function said({ signal, idempotencyKey, ifMatch }: CallOptions) {
  return {
    headers: {
      ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
      ...(ifMatch === undefined ? {} : { "if-match": ifMatch }),
    },
    ...(signal === undefined ? {} : { init: { signal } }),
  };
}

/** The query as its URL has it. */
function texts<Query extends object>(query: Query): Texts<Query> {
  const entries = Object.entries(query).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)])) as Texts<Query>;
}

type Texts<Query> = {
  readonly [Name in keyof Query]: NonNullable<Query[Name]> extends number ? string : Query[Name];
};

/** An id as a segment of a path. No URL can name the empty one, and those of dots lead elsewhere. */
function segment(id: string): string {
  if (!/^\.{0,2}$/.test(id)) return encodeURIComponent(id);
  throw new DurableError("invalid_request", `"${id}" is no id that a path can name`);
}

/** What an answer has of its ETag and its body. */
interface Answered {
  readonly headers: Headers;
  json(): Promise<unknown>;
}
