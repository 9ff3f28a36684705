import type { Context, MiddlewareHandler } from "hono";
import * as v from "valibot";
import { decodeValue, type Json, type JsonObject, parseJson } from "../../src/codec/index.ts";
import { invalidRequest } from "../../src/errors.ts";
import { type CurrentRun, DurableError, type Precondition } from "../../src/index.ts";
import { at, isJsonObject } from "../../src/json.ts";
import { type AppEnv, traceHeader } from "./call.ts";

/** The most bytes that a request's body may have where the app is not told otherwise. */
export const defaultMaxBodyBytes = 10 * 1024 * 1024;

interface Validated<Target extends string, S extends RequestSchema> {
  readonly in: { readonly [T in Target]: v.InferInput<S> };
  readonly out: { readonly [T in Target]: v.InferOutput<S> };
}

/**
 * Reads and checks the body of a request; the route finds it as `c.req.valid("json")`. An empty body is an empty object.
 *
 * @throws `too_large` before the whole body was read, or before its values were made; `invalid_request` that names the place.
 */
export function body<S extends RequestSchema>(schema: S): MiddlewareHandler<AppEnv, string, Validated<"json", S>> {
  return async (c, next) => {
    const text = await readText(c.req.raw, c.var.maxBodyBytes);
    const json = text.trim() === "" ? {} : parseJson(text, "", c.var.maxBodyValues);
    if (!isJsonObject(json)) throw invalidRequest("", `the body: expected an object, not ${nameOf(json)}`);
    c.req.addValidatedData("json", decode(schema, json) as object);
    await next();
  };
}

/** Checks the query of a request; the route finds it as `c.req.valid("query")`. */
export function query<S extends RequestSchema>(schema: S): MiddlewareHandler<AppEnv, string, Validated<"query", S>> {
  return async (c: Context<AppEnv>, next) => {
    c.req.addValidatedData("query", decode(schema, c.req.query()) as object);
    await next();
  };
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  let text = "";
  for await (const chunk of readChunks(request, maxBytes)) text += chunk;
  return text;
}

/**
 * The text of a body of at most `maxBytes` bytes, chunk by chunk. What a header says of its length is not enough to go by.
 *
 * @throws `too_large`, and `invalid_request` where it is not UTF-8.
 */
export async function* readChunks(request: Request, maxBytes: number): AsyncGenerator<string, void, undefined> {
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
      yield decodeText(decoder, value);
    }
  } finally {
    // The rest is of no interest. Whether it can still be stopped is not either.
    if (!isRead) reader.cancel().catch(() => {});
  }
}

async function streamOf(request: Request): Promise<ReadableStream<Uint8Array> | null> {
  // Firefox knows no streams of requests, and does not even say null: the body is read whole there, in a service worker.
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

/** A schema of something that a request carries. */
type RequestSchema = v.GenericSchema<unknown, unknown>;

/**
 * The input as its schema gives it back.
 *
 * @throws `invalid_request` that names the place of the first fault, and never repeats what stands there.
 */
export function decode<S extends RequestSchema>(schema: S, input: unknown, path = ""): v.InferOutput<S> {
  const result = v.safeParse(schema, input, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const place = (issue.path ?? []).reduce((place, { key }) => at(place, key as string | number), path);
  if (issue.input === undefined) throw invalidRequest(place, "is missing");
  // What a list of words does not have is told by the list; any other schema is one of a JSON type.
  const isOfType = issue.kind === "schema" && issue.type !== "picklist";
  throw invalidRequest(place, isOfType ? `${issue.message}, not ${nameOf(issue.input)}` : issue.message);
}

/** What JSON calls a value. */
function nameOf(json: unknown): string {
  if (json === null) return "null";
  if (Array.isArray(json)) return "an array";
  return typeof json === "object" ? "an object" : `a ${typeof json}`;
}

/**
 * Values by name, live: each is encoded for itself, as in a state's `inputs`, so that a field may be called anything.
 *
 * @throws `invalid_request` that names the path of a malformed tag.
 */
export function decodeFields(json: JsonObject, path: string): Readonly<Record<string, unknown>> {
  const entries = Object.entries(json).map(([key, item]) => [key, decodeValue(item as Json, at(path, key))] as const);
  // fromEntries defines properties, so an own `__proto__` stays data.
  return Object.fromEntries(entries);
}

/** Fields without those that were not given: absent is `null` on the wire, and left out in code. */
export function given<T extends object>(fields: T): { readonly [K in keyof T]?: NonNullable<T[K]> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
  return asGiven<T>(Object.fromEntries(entries));
}

// What is left of T once its nulls are gone is T without them.
function asGiven<T>(fields: object): { readonly [K in keyof T]?: NonNullable<T[K]> } {
  return fields as { readonly [K in keyof T]?: NonNullable<T[K]> };
}

/** The key under which a call is made once, if it has one. */
export function idempotencyKeyOf(c: Context<AppEnv>): string | undefined {
  return c.req.header("idempotency-key");
}

// The ETag of a run is the revision of its last history entry. Source: RFC 9110, sections 8.8.3 and 13.

const tagList =
  /^[ \t]*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"(?:[ \t]*,[ \t]*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")*[ \t]*$/;

/** Says in the answer at which revision the run is. */
export function tag(c: Context<AppEnv>, { revision }: CurrentRun): void {
  c.header("etag", `"${revision}"`);
}

/**
 * What the request's If-Match demands of the run. A tag that no run can have demands something that never is.
 *
 * @throws `invalid_request` where it is no list of tags: a condition is not to be overlooked.
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

/** True where the caller has the run as it is. */
export function isKnown(c: Context<AppEnv>, { revision }: CurrentRun): boolean {
  const given = c.req.header("if-none-match");
  if (given === undefined) return false;
  return given.trim() === "*" || (tagList.test(given) && given.match(/"[^"]*"/g)?.includes(`"${revision}"`) === true);
}

/** The trace id of a run that is started: the body's, which is then the request's too unless a header named another. */
export function startedTraceId(c: Context<AppEnv>, given: string | null | undefined): string {
  if (given === undefined || given === null) return c.var.traceId;
  // A header loses the blanks at its ends, and then would say another id than the answer's body.
  if (c.req.header(traceHeader) === undefined && given.trim() === given) c.set("traceId", given);
  return given;
}
