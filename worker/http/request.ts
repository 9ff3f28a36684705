import type { Context, MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import * as v from "valibot";
import { decodeFields, decodeValue } from "../../src/codec/values.ts";
import { invalidRequest } from "../../src/errors.ts";
import { isId, randomHex } from "../../src/ids.ts";
import { type CurrentRun, DurableError, type Precondition, type Runs } from "../../src/index.ts";
import { at, isJsonObject, type Json, type JsonObject, parseJson } from "../../src/json.ts";
import type { Fields } from "../../src/record/state.ts";
import { type Caller, type Role, roles } from "./auth/caller.ts";
import type { KeyStore } from "./auth/keys.ts";
import { type HeldBody, smallBytes } from "./large-bodies.ts";
import type { ApiReference } from "./reference.ts";
import type { CheckedStream, OpenStream } from "./stream.ts";

/** One request, as the app passes it to the functions of the platform. */
export interface Call<Bindings> {
  readonly request: Request;
  /** The second argument of the platform's `fetch`. The app never reads it. */
  readonly env: Bindings;
  /** Identifies this call in logs, and becomes the trace id of runs that it starts. */
  readonly traceId: string;
  /** The `traceparent` header for requests made on behalf of this call. Source: https://www.w3.org/TR/trace-context/ */
  readonly traceparent: string;
  /** Keeps the platform awake until the work settles, also after the answer. */
  background(work: Promise<unknown>): void;
}

/** What the app knows about a request when it reaches a route. */
export interface AppEnv {
  // Hono's name for the second argument of `fetch`. Routes must not know more about it.
  readonly Bindings: object;
  readonly Variables: {
    traceId: string;
    traceparent: string;
    maxBodyBytes: number;
    maxBodyValues: number;
    /** False if the JSON of the body has no tag, so that it stands for itself. */
    mayHaveTags: boolean;
    /** Begins to count a body that is read; see `LargeBodies`. */
    holdBody(): { add(length: number): void; turn(signal: AbortSignal): Promise<void>; close(): void };
    maxImportBytes: number;
    stream: CheckedStream;
    /** Reports a stream that begins to the platform. */
    watched(stream: OpenStream): void;
    /** Reports a failure to the log when no answer can carry it any more. */
    report(error: unknown): void;
    caller: Caller;
    /** The runs of the caller's tenant. */
    runs: Runs;
    /** Absent if this service does not issue keys. */
    keys: KeyStore | undefined;
    /** Absent if this service does not describe itself. */
    reference: ApiReference | undefined;
    hasInspector: boolean;
  };
}

export function callOf<Bindings>(c: Context<AppEnv>): Call<Bindings> {
  const { traceId, traceparent } = c.var;
  return { request: c.req.raw, env: asBindings<Bindings>(c.env), traceId, traceparent, background: backgroundOf(c) };
}

/** The route that matches the request; undefined if no route has its path and method. */
export function routeOf(c: Context<AppEnv>): { readonly method: string; readonly path: string } | undefined {
  // Middleware matches all methods.
  return matchedRoutes(c).findLast(({ method }) => method !== "ALL");
}

/** @throws `internal_error` if the caller is invalid: authentication is code of the deployment, and may be wrong. */
export function checkCaller(caller: Caller): Caller {
  if (isId(caller?.tenant) && roles.includes(caller.role)) return caller;
  throw new DurableError("internal_error", "authenticate() must return a caller with a tenant id and a role");
}

/** The roles that the gates of {@link needs} require. */
const neededBy = new WeakMap<object, Role>();

/**
 * For a route that requires a role other than the default. The gate only carries the role; {@link checkRoute} checks it before
 * the route is entered.
 */
export function needs(role: Role): MiddlewareHandler<AppEnv> {
  const gate: MiddlewareHandler<AppEnv> = (_, next) => next();
  neededBy.set(gate, role);
  return gate;
}

/** The role that a route requires, by its method and its handlers. Default: `read` for GET, `execute` for other methods. */
export function roleOf(method: string, handlers: readonly object[]): Role {
  return handlers.flatMap((handler) => neededBy.get(handler) ?? []).at(-1) ?? (method === "GET" ? "read" : "execute");
}

/**
 * Checks the role of the caller for the route of the request. If there is no such route, that is reported later.
 *
 * @throws `forbidden` if the role of the caller does not allow the call.
 */
export function checkRoute(c: Context<AppEnv>): void {
  const route = routeOf(c);
  if (route === undefined) return;
  const needed = roleOf(
    route.method,
    matchedRoutes(c).map(({ handler }) => handler),
  );
  const { caller } = c.var;
  if (roles.indexOf(caller.role) >= roles.indexOf(needed)) return;
  throw new DurableError(
    "forbidden",
    `this call requires the role "${needed}"; the caller has the role "${caller.role}"`,
  );
}

// The caller of `fetch` passes the bindings for which the app was created.
function asBindings<Bindings>(env: object): Bindings {
  return env as Bindings;
}

function backgroundOf(c: Context): (work: Promise<unknown>) => void {
  try {
    const { executionCtx } = c;
    return (work) => executionCtx.waitUntil(work);
  } catch {
    // A platform without an execution context, such as Node, stays awake by itself.
    return () => {};
  }
}

export const traceHeader = "x-trace-id";
export const parentHeader = "traceparent";

/** The ids of a request: its own, and those of the W3C. */
export interface Trace {
  readonly traceId: string;
  /** The value of the `traceparent` header: the caller's trace, with this request as the parent. */
  readonly traceparent: string;
}

/**
 * The caller's trace if it is valid, or else a new one. The trace id is that of `x-trace-id`, or else that of `traceparent`.
 * Source: https://www.w3.org/TR/trace-context/
 */
export function traceOf({ headers }: Request): Trace {
  const given = headers.get(traceHeader);
  const parent = parentOf(headers.get(parentHeader));
  const w3c = parent?.traceId ?? ownForm.exec(given ?? "")?.[1] ?? hex(16);
  const traceId = isId(given) ? given : (parent?.traceId ?? `trace_${w3c}`);
  return { traceId, traceparent: `00-${w3c}-${hex(8)}-${parent?.flags ?? "00"}` };
}

/** A trace id of the W3C, or one that was made from it. */
const ownForm = /^(?:trace_)?((?!0{32})[0-9a-f]{32})$/;

interface Parent {
  readonly traceId: string;
  /** Whether the trace is sampled. The other flags are not passed on. */
  readonly flags: "00" | "01";
}

// A later version may append fields. "ff" is not a version, and zeros are not an id.
const form = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?$/;

function parentOf(header: string | null): Parent | undefined {
  const [, version, traceId = "", flags = "", more] = form.exec(header ?? "") ?? [];
  if (version === undefined || (version === "00" && more !== undefined)) return undefined;
  return { traceId, flags: (Number.parseInt(flags, 16) & 1) === 1 ? "01" : "00" };
}

function hex(bytes: number): string {
  return randomHex((length) => crypto.getRandomValues(new Uint8Array(length)), bytes);
}

/** The default maximum number of bytes in the body of a request. */
export const defaultMaxBodyBytes = 10 * 1024 * 1024;

interface Validated<Target extends string, S extends RequestSchema> {
  readonly in: { readonly [T in Target]: v.InferInput<S> };
  readonly out: { readonly [T in Target]: v.InferOutput<S> };
}

/**
 * Reads and validates the body of a request; the route gets it from `c.req.valid("json")`. An empty body is an empty object.
 *
 * @throws `too_large` before the whole body is read, or before its values are created; `rate_limited` if other large bodies
 * take the memory; `invalid_request` that names the path.
 */
export function body<S extends RequestSchema>(schema: S): MiddlewareHandler<AppEnv, string, Validated<"json", S>> {
  return async (c, next) => {
    let held: HeldBody | undefined;
    let bytes = 0;
    const count = (length: number) => {
      bytes += length;
      if (held !== undefined) held.add(length);
      else if (bytes > smallBytes) {
        held = c.var.holdBody();
        held.add(bytes);
      }
    };
    try {
      const text = await readText(c, count);
      await held?.turn(c.req.raw.signal);
      if (held !== undefined) await othersTurn();
      c.req.addValidatedData("json", decode(schema, objectIn(text, c.var.maxBodyValues)) as object);
      c.set("mayHaveTags", mentionsTag(text));
      if (held !== undefined) await othersTurn();
      await next();
    } finally {
      held?.close();
    }
  };
}

/** True if the text may have a tag of the codec, written out or with escaped characters. */
function mentionsTag(text: string): boolean {
  return text.includes("durable") || text.includes("\\u");
}

/**
 * The value that JSON of the body stands for. Without a tag the JSON is that value itself: the body was parsed for this call
 * alone, so what is large is not copied on its way to the core, which copies what it keeps.
 *
 * @throws `invalid_request` that names the path of a malformed tag.
 */
export function liveValue(c: Context<AppEnv>, json: Json, path: string): unknown {
  return c.var.mayHaveTags ? decodeValue(json, path) : json;
}

/** The values that the fields of an object of the body stand for. See {@link liveValue}. */
export function liveValues(c: Context<AppEnv>, fields: JsonObject | null | undefined, path: string): Fields {
  return c.var.mayHaveTags ? decodeFields(fields ?? {}, path) : (fields ?? {});
}

/** Lets the calls that have arrived meanwhile come first: a large body takes the whole thread for as long as it is worked on. */
function othersTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Validates the query of a request; the route gets it from `c.req.valid("query")`. */
export function query<S extends RequestSchema>(schema: S): MiddlewareHandler<AppEnv, string, Validated<"query", S>> {
  return async (c: Context<AppEnv>, next) => {
    c.req.addValidatedData("query", decode(schema, c.req.query()) as object);
    await next();
  };
}

async function readText(c: Context<AppEnv>, count: (bytes: number) => void): Promise<string> {
  let text = "";
  for await (const chunk of readChunks(c.req.raw, c.var.maxBodyBytes, count)) text += chunk;
  return text;
}

function objectIn(text: string, maxValues: number): JsonObject {
  const json = text.trim() === "" ? {} : parseJson(text, "", maxValues);
  if (isJsonObject(json)) return json;
  throw invalidRequest("", `the body: expected an object, not ${nameOf(json)}`);
}

/**
 * The text of a body of at most `maxBytes` bytes, chunk by chunk. The bytes are counted, since the Content-Length header may
 * be wrong or missing.
 *
 * `count` is called with the bytes of each chunk.
 *
 * @throws `too_large`, and `invalid_request` if it is not UTF-8.
 */
export async function* readChunks(
  request: Request,
  maxBytes: number,
  count?: (bytes: number) => void,
): AsyncGenerator<string, void, undefined> {
  if (Number(request.headers.get("content-length")) > maxBytes) throw tooLarge(maxBytes);
  const stream = await streamOf(request);
  if (stream === null) return;
  const reader = stream.getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let bytes = 0;
  let isRead = false;
  try {
    while (!isRead) {
      const { done, value } = await reader.read();
      isRead = done;
      bytes += value?.length ?? 0;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      count?.(value?.length ?? 0);
      yield decodeText(decoder, value);
    }
  } finally {
    // The rest of the body is not needed, so a failure to stop it does not matter.
    if (!isRead) reader.cancel().catch(() => {});
  }
}

async function streamOf(request: Request): Promise<ReadableStream<Uint8Array> | null> {
  // Firefox has no streams of requests: `body` is undefined there, in a service worker, so the whole body is read.
  const body: Request["body"] | undefined = request.body;
  return body === undefined ? (await request.blob()).stream() : body;
}

function decodeText(decoder: TextDecoder, chunk?: Uint8Array): string {
  try {
    return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
  } catch (cause) {
    throw invalidRequest("", "the body: expected UTF-8", { cause });
  }
}

function tooLarge(maxBytes: number): DurableError {
  return new DurableError("too_large", `the body: expected at most ${maxBytes} bytes`);
}

/** A schema of a part of a request. */
type RequestSchema = v.GenericSchema<unknown, unknown>;

/**
 * The output of the schema for the input.
 *
 * @throws `invalid_request` that names the path of the first fault, and never repeats the value.
 */
export function decode<S extends RequestSchema>(schema: S, input: unknown, path = ""): v.InferOutput<S> {
  const result = v.safeParse(schema, input, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const place = (issue.path ?? []).reduce((place, { key }) => at(place, key as string | number), path);
  if (issue.input === undefined) throw invalidRequest(place, "is missing");
  // The message of a picklist already lists what was expected. Any other schema expects a JSON type.
  const isOfType = issue.kind === "schema" && issue.type !== "picklist";
  throw invalidRequest(place, isOfType ? `${issue.message}, not ${nameOf(issue.input)}` : issue.message);
}

/** The JSON name of a type, with its article. */
function nameOf(json: unknown): string {
  if (json === null) return "null";
  if (Array.isArray(json)) return "an array";
  return typeof json === "object" ? "an object" : `a ${typeof json}`;
}

/** The fields without the absent ones: absent is `null` on the wire, and omitted in code. */
export function given<T extends object>(fields: T): { readonly [K in keyof T]?: NonNullable<T[K]> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
  return asGiven<T>(Object.fromEntries(entries));
}

// T without its nulls is what remains.
function asGiven<T>(fields: object): { readonly [K in keyof T]?: NonNullable<T[K]> } {
  return fields as { readonly [K in keyof T]?: NonNullable<T[K]> };
}

/** The idempotency key of the call, if it has one. */
export function idempotencyKeyOf(c: Context<AppEnv>): string | undefined {
  return c.req.header("idempotency-key");
}

// The ETag of a run is the revision of its last history entry. Source: RFC 9110, sections 8.8.3 and 13.

const tagList =
  /^[ \t]*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"(?:[ \t]*,[ \t]*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")*[ \t]*$/;

/** Sets the ETag of the answer to the revision of the run. */
export function tag(c: Context<AppEnv>, { revision }: Pick<CurrentRun, "revision">): void {
  c.header("etag", `"${revision}"`);
}

/**
 * The precondition of the request's If-Match header. A tag that no run can have is a precondition that never holds.
 *
 * @throws `invalid_request` if it is not a list of tags, so that a condition is never ignored.
 */
export function preconditionOf(c: Context<AppEnv>): Precondition {
  const given = c.req.header("if-match");
  if (given === undefined || given.trim() === "*") return {};
  if (!tagList.test(given)) {
    throw invalidRequest("If-Match", 'expected * or the ETag of a run, such as "12"', {
      hint: "send the ETag as the service sent it, with its quotation marks",
    });
  }
  const revisions = [...given.matchAll(/(W\/)?"([^"]*)"/g)].flatMap(([, weak, text = ""]) =>
    weak === undefined && /^\d{1,15}$/.test(text) ? [Number(text)] : [],
  );
  return { expectedRevision: revisions };
}

/** What the request's headers say of a call that may be repeated: its key, and its demand on the run. */
export function conditionsOf(c: Context<AppEnv>): Precondition & { readonly idempotencyKey?: string } {
  return { ...preconditionOf(c), ...given({ idempotencyKey: idempotencyKeyOf(c) }) };
}

/** True if the caller already has the current run. */
export function isKnown(c: Context<AppEnv>, { revision }: Pick<CurrentRun, "revision">): boolean {
  const given = c.req.header("if-none-match");
  if (given === undefined) return false;
  return given.trim() === "*" || (tagList.test(given) && given.match(/"[^"]*"/g)?.includes(`"${revision}"`) === true);
}

/**
 * The trace id of a run that is started: the one in the body, if there is one. It is then also the trace id of the request,
 * unless a header names another.
 */
export function startedTraceId(c: Context<AppEnv>, given: string | null | undefined): string {
  if (given === undefined || given === null) return c.var.traceId;
  // A header loses leading and trailing blanks, and would then differ from the id in the answer.
  if (c.req.header(traceHeader) === undefined && given.trim() === given) c.set("traceId", given);
  return given;
}
