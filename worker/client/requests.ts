import { aFunction, aRecord, expectKind, given } from "../../src/argument.ts";
import { DurableError } from "../../src/errors.ts";
import { aText, present, read } from "../../src/json.ts";
import { failureOf } from "./failure.ts";

/** The options of `createClient`. */
export interface ClientOptions {
  readonly apiKey?: string;
  /** Headers of every request, such as the cookie or token of your own login. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The function that makes the requests. Default: the `fetch` of the platform. */
  readonly fetch?: (request: Request) => Response | Promise<Response>;
}

/** The options of a call. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * For calls that create or change a run. A second call with this key within 24 hours changes nothing and gets the answer of
   * the first, with `idempotent_replay: true`.
   */
  readonly idempotencyKey?: string | undefined;
  /** For calls that change a run: the ETag that the run must still have. Otherwise the call fails with `precondition_failed`. */
  readonly ifMatch?: string | undefined;
}

/** Makes a request. Resolves with an answer that is ok or 304; otherwise rejects with a {@link DurableError}. */
export type Send = (input: Request | URL | string, init?: RequestInit) => Promise<Response>;

/** Returns a function that adds the client's key and headers to each request. */
export function requests(options: ClientOptions): Send {
  const kinds = { apiKey: aText, headers: aRecord, fetch: aFunction };
  const { apiKey, headers = {}, fetch: send = (request: Request) => fetch(request) } = given(options, kinds);
  return async (input, init) => {
    const asked = read("request", () => {
      const made = new Request(input, init);
      for (const [name, value] of Object.entries(headers)) made.headers.set(name, value);
      if (apiKey !== undefined) made.headers.set("x-api-key", apiKey);
      return made;
    });
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

/** The part of the request that carries the options of the call. */
export function said(call: CallOptions): RequestInit & { readonly headers: Headers } {
  return read("call", () => {
    const { signal = null, idempotencyKey, ifMatch } = call;
    return { signal, headers: new Headers(present({ "idempotency-key": idempotencyKey, "if-match": ifMatch })) };
  });
}

/** An id as a segment of a path. A URL cannot contain an empty segment, and dots lead elsewhere. */
export function segment(id: string): string {
  const isSegment = typeof id === "string" && !/^\.{0,2}$/.test(id);
  return read("id", () =>
    encodeURIComponent(expectKind(id, ["a string that a URL path can contain", () => isSegment], "id")),
  );
}
