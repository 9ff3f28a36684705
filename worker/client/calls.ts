import type { ExtractSchema } from "hono/types";
import { given } from "../../src/argument.ts";
import { DurableError } from "../../src/errors.ts";
import { read } from "../../src/json.ts";
import type { RunStatus } from "../../src/record/run.ts";
import type { TraceAnswer } from "../http/contract/histories.ts";
import type { EventAnswer, RunAnswer } from "../http/contract/records.ts";
import type { createApp } from "../http/index.ts";
import { type CallOptions, type Send, said, segment } from "./requests.ts";
import { type StreamWatchOptions, watch, watchKinds } from "./watch.ts";

/** Every route of the service, by path and method, with its input and output. */
export type Endpoints = ExtractSchema<ReturnType<typeof createApp>>;
/** The path of a route. */
export type Path = keyof Endpoints & string;
/** A method of a route, such as `$get`. */
export type Method<P extends Path> = keyof Endpoints[P] & `$${string}`;
/** The input of a route. */
export type Input<P extends Path, M extends Method<P>> = Endpoints[P][M] extends { readonly input: infer Taken }
  ? Taken
  : never;
/** The body of a request to a route. */
export type Sent<P extends Path, M extends Method<P>> =
  Input<P, M> extends { readonly json: infer Body } ? Body : never;
/** The query of a request to a route, with its numbers as numbers. */
export type Asked<P extends Path, M extends Method<P>> =
  Input<P, M> extends { readonly query: infer Query }
    ? { readonly [Name in keyof Query]?: Name extends "limit" | "offset" ? number : Query[Name] }
    : never;
/** The content of a request to a route: the ids in its path, its query and its body. */
type Saying<P extends Path, M extends Method<P>> = Omit<Input<P, M>, "query"> & { readonly query?: Asked<P, M> };
/** The body of the answer of a route. */
export type Answer<P extends Path, M extends Method<P>> = AnswerOf<Endpoints[P][M]>;
/** The body of the answer of an endpoint. */
export type AnswerOf<Endpoint> = Endpoint extends { readonly output: infer Body; readonly outputFormat: "json" }
  ? Body
  : never;

const runs = "/v1/runs";
const run = `${runs}/:run_id` as const;
const checkpoints = `${run}/checkpoints` as const;
const checkpoint = `${checkpoints}/:checkpoint_id` as const;

/** The body of an answer. It may break off, or come from something between, such as the login page of a network. */
export async function bodyOf(response: Response, signal: AbortSignal | undefined): Promise<object> {
  let cause: unknown;
  try {
    const body: unknown = await response.json();
    if (typeof body === "object" && body !== null) return body;
  } catch (error) {
    signal?.throwIfAborted();
    cause = error;
  }
  const { url, status } = response;
  throw new DurableError("upstream_failure", `the answer of ${url} broke off, or is not that of the service`, {
    cause,
    details: { status },
  });
}

/** The calls to the service at `baseUrl`, made by `send`. */
export function calls(baseUrl: string, send: Send) {
  const etags = new WeakMap<object, string>();
  const tagged = async (response: Response, { signal }: CallOptions): Promise<object> => {
    const body = await bodyOf(response, signal);
    const etag = response.headers.get("etag");
    if (etag === null) return body;
    etags.set(body, etag);
    // The answer to a resume contains the run. What is no object there becomes one that is kept nowhere.
    if ("run" in body) etags.set(Object(body.run), etag);
    return body;
  };
  const urlOf = (path: string, ids: Readonly<Record<string, string>> = {}): string =>
    baseUrl.replace(/\/+$/, "") + path.replace(/:(\w+)/g, (_, name: string) => segment(ids[name] ?? ""));
  const answer = <P extends Path, M extends Method<P>>(
    method: M,
    path: P,
    saying: Saying<P, M>,
    options: CallOptions,
  ): Promise<Response> => {
    const {
      param,
      query = {},
      json,
    } = saying as Partial<Record<"param" | "query", Record<string, string>>> & {
      json?: unknown;
    };
    const init = said(options);
    if (json !== undefined) init.headers.set("content-type", "application/json");
    const [search, body = null] = read("request", () => {
      const asked = Object.entries(query).filter(([, value]) => value !== undefined);
      return [asked.length === 0 ? "" : `?${new URLSearchParams(asked)}`, JSON.stringify(json)] as const;
    });
    return send(urlOf(path, param) + search, {
      ...init,
      method: method.slice(1).toUpperCase(),
      body,
    });
  };
  // The service checks its answers against these types.
  const json = async <P extends Path, M extends Method<P>>(
    ...request: Parameters<typeof answer<P, M>>
  ): Promise<Answer<P, M>> => (await tagged(await answer(...request), request[3])) as Answer<P, M>;
  const at = (runId: string) => ({ param: { run_id: runId } });
  const atCheckpoint = (runId: string, checkpointId: string) => ({
    param: { run_id: runId, checkpoint_id: checkpointId },
  });

  return {
    /** The ETag of a run that this client returned, for `ifMatch`. A run in a list has none. */
    etag: (answer: object): string | undefined => etags.get(answer),

    /** Starts a run of a skill. */
    start: async (
      skillId: string,
      inputs: Sent<typeof runs, "$post">["inputs"] = {},
      call: CallOptions = {},
    ): Promise<Answer<typeof runs, "$post">> => json("$post", runs, { json: { skill_id: skillId, inputs } }, call),
    /** Creates a run with all its options; `start: false` leaves it pending. */
    create: async (body: Sent<typeof runs, "$post">, call: CallOptions = {}): Promise<Answer<typeof runs, "$post">> =>
      json("$post", runs, { json: body }, call),
    /** A page of runs. With `cursor` the page is by cursor, which is empty for the first page; otherwise it is by offset. */
    list: async (
      query: Asked<typeof runs, "$get"> = {},
      call: CallOptions = {},
    ): Promise<Answer<typeof runs, "$get">> => json("$get", runs, { query }, call),
    get: async (runId: string, call: CallOptions = {}): Promise<Answer<typeof run, "$get">> =>
      json("$get", run, at(runId), call),
    /** The run, unless it still has this ETag: then the service sends no body, and this resolves with undefined. */
    getIfChanged: async (
      runId: string,
      etag: string,
      call: CallOptions = {},
    ): Promise<Answer<typeof run, "$get"> | undefined> => {
      const init = said(call);
      read("etag", () => init.headers.set("if-none-match", etag));
      const response = await send(urlOf(run, { run_id: runId }), init);
      return response.status === 304 ? undefined : ((await tagged(response, call)) as Answer<typeof run, "$get">);
    },
    cancel: async (
      runId: string,
      query: Asked<`${typeof run}/cancel`, "$post"> = {},
      call: CallOptions = {},
    ): Promise<Answer<`${typeof run}/cancel`, "$post">> =>
      json("$post", `${run}/cancel`, { ...at(runId), query }, call),
    resume: async (
      runId: string,
      body: Sent<`${typeof run}/resume`, "$post"> = {},
      call: CallOptions = {},
    ): Promise<Answer<`${typeof run}/resume`, "$post">> =>
      json("$post", `${run}/resume`, { ...at(runId), json: body }, call),
    replay: async (
      runId: string,
      body: Sent<`${typeof run}/replay`, "$post"> = {},
      call: CallOptions = {},
    ): Promise<Answer<`${typeof run}/replay`, "$post">> =>
      json("$post", `${run}/replay`, { ...at(runId), json: body }, call),
    fork: async (
      runId: string,
      body: Sent<`${typeof run}/fork`, "$post"> = {},
      call: CallOptions = {},
    ): Promise<Answer<`${typeof run}/fork`, "$post">> =>
      json("$post", `${run}/fork`, { ...at(runId), json: body }, call),
    approve: async (
      runId: string,
      body: Sent<`${typeof run}/approve`, "$post"> = {},
      call: CallOptions = {},
    ): Promise<Answer<`${typeof run}/approve`, "$post">> =>
      json("$post", `${run}/approve`, { ...at(runId), json: body }, call),
    deny: async (
      runId: string,
      body: Sent<`${typeof run}/deny`, "$post"> = {},
      call: CallOptions = {},
    ): Promise<Answer<`${typeof run}/deny`, "$post">> =>
      json("$post", `${run}/deny`, { ...at(runId), json: body }, call),
    signal: async (
      runId: string,
      body: Sent<`${typeof run}/signal`, "$post">,
      call: CallOptions = {},
    ): Promise<Answer<`${typeof run}/signal`, "$post">> =>
      json("$post", `${run}/signal`, { ...at(runId), json: body }, call),
    delete: async (runId: string, call: CallOptions = {}): Promise<void> =>
      void (await answer("$delete", run, at(runId), call)),

    checkpoints: async (
      runId: string,
      query: Asked<typeof checkpoints, "$get"> = {},
      call: CallOptions = {},
    ): Promise<Answer<typeof checkpoints, "$get">> => json("$get", checkpoints, { ...at(runId), query }, call),
    checkpoint: async (
      runId: string,
      checkpointId: string,
      call: CallOptions = {},
    ): Promise<Answer<typeof checkpoint, "$get">> => json("$get", checkpoint, atCheckpoint(runId, checkpointId), call),
    saveCheckpoint: async (
      runId: string,
      body: Sent<typeof checkpoints, "$post">,
      call: CallOptions = {},
    ): Promise<Answer<typeof checkpoints, "$post">> => json("$post", checkpoints, { ...at(runId), json: body }, call),
    /** The changes from the previous checkpoint, or from the checkpoint `against`, to this one. */
    compare: async (
      runId: string,
      checkpointId: string,
      query: Asked<`${typeof checkpoint}/diff`, "$get"> = {},
      call: CallOptions = {},
    ): Promise<Answer<`${typeof checkpoint}/diff`, "$get">> =>
      json("$get", `${checkpoint}/diff`, { ...atCheckpoint(runId, checkpointId), query }, call),

    history: async (
      runId: string,
      query: Asked<`${typeof run}/history`, "$get"> = {},
      call: CallOptions = {},
    ): Promise<Answer<`${typeof run}/history`, "$get">> =>
      json("$get", `${run}/history`, { ...at(runId), query }, call),
    events: async (
      runId: string,
      query: Asked<`${typeof run}/events`, "$get"> = {},
      call: CallOptions = {},
    ): Promise<Answer<`${typeof run}/events`, "$get">> => json("$get", `${run}/events`, { ...at(runId), query }, call),
    trace: async (runId: string, call: CallOptions = {}): Promise<TraceAnswer> =>
      json("$get", `${run}/trace`, at(runId), call),
    /** A page of the children of a run: those that its steps have started. */
    children: async (
      runId: string,
      query: Asked<`${typeof run}/children`, "$get"> = {},
      call: CallOptions = {},
    ): Promise<Answer<`${typeof run}/children`, "$get">> =>
      json("$get", `${run}/children`, { ...at(runId), query }, call),
    lineage: async (runId: string, call: CallOptions = {}): Promise<Answer<`${typeof run}/lineage`, "$get">> =>
      json("$get", `${run}/lineage`, at(runId), call),
    skills: async (call: CallOptions = {}): Promise<Answer<"/v1/skills", "$get">> =>
      json("$get", "/v1/skills", {}, call),
    whoami: async (call: CallOptions = {}): Promise<Answer<"/v1/whoami", "$get">> =>
      json("$get", "/v1/whoami", {}, call),

    /**
     * The events of the run as they happen, each once and in order, over as many connections as needed. Returns the status
     * with which the run ended, or undefined if `signal` ended the watch.
     */
    watch: (
      runId: string,
      options: StreamWatchOptions = {},
    ): AsyncGenerator<EventAnswer, RunStatus | undefined, undefined> => {
      return watch(
        {
          connect: (after, signal) =>
            send(urlOf(`${run}/stream`, { run_id: runId }), {
              signal,
              headers: { accept: "text/event-stream", ...(after === undefined ? {} : { "last-event-id": after }) },
            }),
          status: async (signal) => (await json("$get", run, at(runId), { signal })).status,
        },
        given(options, watchKinds),
      );
    },

    /**
     * The ids of runs as they change, as server-sent events with `{ run_ids }`. The stream ends after some minutes.
     * `watchRuns` of `orca-durable/watch` connects again and reads the runs.
     */
    changes: async (call: Pick<CallOptions, "signal"> = {}): Promise<ReadableStream<Uint8Array>> => {
      const asked = said(call);
      asked.headers.set("accept", "text/event-stream");
      const { body } = await send(urlOf("/v1/changes"), asked);
      if (body === null) throw new DurableError("upstream_failure", "the stream of changes is empty");
      return body;
    },

    /**
     * Everything that is stored of the run, as JSON lines. The stream of an interrupted export fails, or lacks the last line
     * of kind `end`.
     */
    export: async (runId: string, call: CallOptions = {}): Promise<ReadableStream<Uint8Array>> => {
      const { body } = await send(urlOf(`${run}/export`, { run_id: runId }), said(call));
      if (body === null) throw new DurableError("upstream_failure", `the export of run "${runId}" is empty`);
      return body;
    },
    /**
     * Imports a run from its export. Chromium sends a stream only over HTTP/2 and to a service worker: over HTTP/1.1, pass a
     * blob, such as `await new Response(stream).blob()`. Firefox and Safari cannot send streams, so the whole stream is read
     * first.
     */
    import: async (lines: ReadableStream<Uint8Array> | Blob | string, call: CallOptions = {}): Promise<RunAnswer> => {
      const asked = said(call);
      asked.headers.set("content-type", "application/x-ndjson");
      const init = {
        ...asked,
        method: "POST",
        body:
          read("lines", () => lines instanceof ReadableStream) && !sendsStreams()
            ? await new Response(lines).blob()
            : lines,
        // Every platform requires it to send a stream.
        duplex: "half",
      };
      return (await tagged(await send(urlOf("/v1/import"), init), call)) as RunAnswer;
    },
  };
}

export type Calls = ReturnType<typeof calls>;

/**
 * Browsers without `duplex` cannot send a stream as a body: Firefox sends the text `[object ReadableStream]`, WebKit throws.
 * Other platforms may lack `duplex` and still send streams.
 */
function sendsStreams(): boolean {
  return "duplex" in Request.prototype || !("indexedDB" in globalThis);
}
