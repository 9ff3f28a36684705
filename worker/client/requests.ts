import { DurableError } from "../../src/errors.ts";
import { failureOf } from "./failure.ts";

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

/** Makes a request of a service. Resolves with an answer that is ok or 304, and rejects with a {@link DurableError} else. */
export type Send = (input: Request | URL | string, init?: RequestInit) => Promise<Response>;

/** Requests that carry the client's key and headers. */
export function requests(options: ClientOptions): Send {
  const send = options.fetch ?? ((request: Request) => fetch(request));
  return async (input, init) => {
    const asked = new Request(input, init);
    for (const [name, value] of Object.entries(options.headers ?? {})) asked.headers.set(name, value);
    if (options.apiKey !== undefined) asked.headers.set("x-api-key", options.apiKey);
    let response: Response;
    try {
      response = await send(asked);
    } catch (cause) {
      asked.signal.throwIfAborted();
      throw new DurableError("upstream_failure", `${asked.method} ${asked.url} received no response`, { cause });
    }
    if (response.ok || response.status === 304) return response;
    throw await failureOf(response);
  };
}

/** What a request carries of the options of its call. */
export function said({ signal, idempotencyKey, ifMatch }: CallOptions): RequestInit & { readonly headers: Headers } {
  const headers = new Headers();
  if (idempotencyKey !== undefined) headers.set("idempotency-key", idempotencyKey);
  if (ifMatch !== undefined) headers.set("if-match", ifMatch);
  return { headers, ...(signal === undefined ? {} : { signal }) };
}

/** An id as a segment of a path. No URL can name the empty one, and those of dots lead elsewhere. */
export function segment(id: string): string {
  if (!/^\.{0,2}$/.test(id)) return encodeURIComponent(id);
  throw new DurableError("invalid_request", `invalid id "${id}": a URL path cannot contain it`);
}
