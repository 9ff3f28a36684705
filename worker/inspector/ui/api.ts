import { type ServerSentEvent, serverSentEvents } from "./event-stream.ts";

/** What a service refused, in its own words. `status` is 0 where it could not be reached. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly code: string;
  readonly hint?: string;
  readonly traceId?: string;

  constructor(status: number, code: string, message: string, more: { hint?: string; traceId?: string } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    if (more.hint !== undefined) this.hint = more.hint;
    if (more.traceId !== undefined) this.traceId = more.traceId;
  }
}

export interface Call {
  readonly method?: "GET" | "POST" | "DELETE";
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface Answer<T> {
  readonly value: T;
  readonly etag: string | null;
}

/** The HTTP API under one base address, with one key. */
export class Api {
  readonly #base: string;
  readonly key: string | undefined;

  constructor(base: string, key: string | undefined) {
    this.#base = base.replace(/\/+$/, "");
    this.key = key;
  }

  /** The JSON that the route answers; `undefined` where it has nothing to say (204, 304). */
  async get<T>(path: string, signal?: AbortSignal): Promise<T> {
    return (await this.call<T>(path, signal === undefined ? {} : { signal })).value;
  }

  async call<T>(path: string, call: Call = {}): Promise<Answer<T>> {
    const response = await this.#fetch(path, call);
    const etag = response.headers.get("etag");
    return { value: parsed<T>(await response.text()), etag };
  }

  /** The body as a file. */
  async download(path: string): Promise<Blob> {
    return (await this.#fetch(path, {})).blob();
  }

  /** The messages of one connection to a stream, an `open` of ours first; it ends where the connection does. */
  async *events(path: string, lastEventId: string | undefined, signal: AbortSignal): AsyncGenerator<ServerSentEvent> {
    const headers = { accept: "text/event-stream", ...(lastEventId ? { "last-event-id": lastEventId } : {}) };
    const response = await this.#fetch(path, { headers, signal });
    if (response.status === 204) {
      yield { event: "end", data: "{}", id: undefined };
      return;
    }
    yield { event: "open", data: "", id: undefined };
    if (response.body !== null) yield* serverSentEvents(response.body);
  }

  async #fetch(path: string, { method = "GET", body, headers = {}, signal }: Call): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(this.#base + path, {
        method,
        headers: {
          ...headers,
          ...(this.key === undefined ? {} : { "x-api-key": this.key }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        cache: "no-store",
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (cause) {
      if (signal?.aborted) throw cause;
      throw new ApiError(0, "unreachable", "The service cannot be reached.", { hint: "It is asked again by itself." });
    }
    if (response.ok || response.status === 304) return response;
    throw await refusal(response);
  }
}

async function refusal(response: Response): Promise<ApiError> {
  const { status } = response;
  const traceHeader = response.headers.get("x-trace-id") ?? undefined;
  try {
    const { error, trace_id: traceId = traceHeader } = (await response.json()) as {
      error: { code: string; message: string; hint?: string };
      trace_id?: string;
    };
    return new ApiError(status, error.code, error.message, { ...error, ...(traceId ? { traceId } : {}) });
  } catch {
    // Whatever answered is not the service: a proxy, or a page in its place.
    return new ApiError(status, "unexpected_answer", `The service answered ${status} ${response.statusText}`.trim());
  }
}

// The routes' answers are what worker/http/contract says; the service holds them to it.
function parsed<T>(text: string): T {
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** The path of a run's route. */
export function runPath(runId: string, rest = ""): string {
  return `/v1/runs/${encodeURIComponent(runId)}${rest}`;
}

export function isApiError(error: unknown, status: number): error is ApiError {
  return error instanceof ApiError && error.status === status;
}
