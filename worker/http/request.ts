import type { Context, MiddlewareHandler } from "hono";
import * as v from "valibot";
import { decodeValue, type Json, type JsonObject, parseJson } from "../../src/codec/index.ts";
import { invalidRequest } from "../../src/errors.ts";
import { type CurrentRun, DurableError, type Precondition } from "../../src/index.ts";
import { at, isJsonObject } from "../../src/json.ts";
import { type AppEnv, traceHeader } from "./call.ts";
import { type HeldBody, smallBytes } from "./large-bodies.ts";

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
      await held?.turn();
      c.req.addValidatedData("json", decode(schema, objectIn(text, c.var.maxBodyValues)) as object);
      await next();
    } finally {
      held?.close();
    }
  };
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

/**
 * Decoded values by name. Each is decoded separately, as in the `inputs` of a state, so that a field can have any name.
 *
 * @throws `invalid_request` that names the path of a malformed tag.
 */
export function decodeFields(json: JsonObject, path: string): Readonly<Record<string, unknown>> {
  const entries = Object.entries(json).map(([key, item]) => [key, decodeValue(item as Json, at(path, key))] as const);
  // fromEntries defines properties, so an own `__proto__` stays data.
  return Object.fromEntries(entries);
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
export function tag(c: Context<AppEnv>, { revision }: CurrentRun): void {
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
export function isKnown(c: Context<AppEnv>, { revision }: CurrentRun): boolean {
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
