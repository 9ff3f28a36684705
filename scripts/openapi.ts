import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type ConversionConfig, toJsonSchema, toJsonSchemaDefs } from "@valibot/to-json-schema";
import * as v from "valibot";
import { httpStatus, type Json, type JsonObject } from "../src/codec/index.ts";
import type { ErrorCode } from "../src/index.ts";
import type { Role } from "../worker/http/auth/caller.ts";
import { type Operation, operations, schemas } from "../worker/http/contract/operations.ts";
import { duration, jsonObject, jsonValue, state } from "../worker/http/contract/values.ts";
import { createApp } from "../worker/http/index.ts";
import { roleOf } from "../worker/http/request.ts";
import { scheduleApi } from "../worker/schedules/http/index.ts";

const file = fileURLToPath(new URL("../worker/http/contract/openapi.generated.json", import.meta.url));

const headers = {
  TraceId: { description: "Identifies this request in the server's log.", schema: { type: "string" } },
  Traceparent: {
    description: "The caller's trace, or a new one. Its parent id is this request.",
    schema: { type: "string" },
  },
  AllowOrigin: { description: "The origin of the page, if the service allows it.", schema: { type: "string" } },
  ExposeHeaders: {
    description: "The headers that the page may read. Sent with Access-Control-Allow-Origin.",
    schema: { type: "string" },
  },
  Vary: { description: "`origin`, if the service has a list of allowed origins.", schema: { type: "string" } },
  Authenticate: { description: "The authentication scheme.", schema: { type: "string", const: "Bearer" } },
  RetryAfter: {
    description: "The number of seconds after which the same request may succeed.",
    schema: { type: "integer", minimum: 0 },
  },
  ETag: {
    description: "The revision of the last history entry of the run. Heartbeats do not change it.",
    schema: { type: "string", pattern: '^"[0-9]+"$' },
  },
};

const parameters = {
  TraceId: {
    name: "x-trace-id",
    in: "header",
    description:
      "An id for this request, 1 to 200 printable ASCII characters; the answer repeats it. Any other value is ignored.",
    schema: { type: "string" },
  },
  Traceparent: {
    name: "traceparent",
    in: "header",
    description:
      "The caller's trace. If there is no `x-trace-id`, its trace id becomes the trace id of the request and of a started run.",
    schema: { type: "string" },
  },
  IdempotencyKey: {
    name: "Idempotency-Key",
    in: "header",
    description: "A second request with this key within 24 hours changes nothing and gets the answer of the first.",
    schema: { type: "string", minLength: 1, maxLength: 1000 },
  },
  IfMatch: {
    name: "If-Match",
    in: "header",
    description: "The ETag of the run in the path. If the run has another ETag by now, nothing changes.",
    schema: { type: "string" },
  },
  IfNoneMatch: {
    name: "If-None-Match",
    in: "header",
    description: "The ETag of the run that the caller already has.",
    schema: { type: "string" },
  },
  LastEventId: {
    name: "Last-Event-ID",
    in: "header",
    description: "The id of the last event received, as `EventSource` sends it.",
    schema: { type: "string" },
  },
};

const tags = [
  { name: "runs", description: "Executions of skills, and the operations on them" },
  {
    name: "schedules",
    description: "What starts runs of a skill at its times. A service without schedules answers 404 to these routes",
  },
  { name: "checkpoints", description: "The saved states of a run, from which it can continue" },
  { name: "keys", description: "API keys: each belongs to one tenant and has one role" },
  { name: "legacy", description: "Routes for older clients" },
  { name: "service", description: "The service itself" },
];

/** What applies to every route and is not part of any operation. */
const manners =
  "Every `GET` route also answers `HEAD`. A method that a path does not support is a 405 `method_not_allowed`, whose `Allow` header lists the supported methods. Pages of other origins can call the service if it allows their origin (CORS).";

/** The app, whose routes say which role each requires. It answers no request here. */
const app = createApp({
  schedules: scheduleApi,
  authenticate: () => Promise.reject(new Error("not called")),
  runs: () => {
    throw new Error("not called");
  },
});

/** The OpenAPI 3.1 document of all operations. */
export function openApiDocument(): JsonObject {
  const { name, version, description, license } = JSON.parse(
    readFileSync(new URL("../package.json", import.meta.url), "utf8"),
  ) as { name: string; version: string; description: string; license: string };
  const paths: Record<string, Record<string, JsonObject>> = {};
  const responses: Record<string, JsonObject> = {};
  for (const operation of operations) {
    const described = { ...describedOperation(operation), responses: responsesOf(operation, responses) };
    paths[operation.path] = { ...paths[operation.path], [operation.method]: described };
  }
  return {
    openapi: "3.1.0",
    info: {
      ...{ title: name, version, license: { name: license, identifier: license } },
      description: `${description}\n\n${manners}`,
    },
    servers: [{ url: "/" }],
    tags,
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: "apiKey", in: "header", name: "x-api-key" },
        bearer: { type: "http", scheme: "bearer" },
      },
      headers,
      parameters,
      responses,
      schemas: nullsMerged(asJson(toJsonSchemaDefs(schemas, conversion("output")))),
    },
  };
}

function describedOperation(operation: Operation): JsonObject {
  const { id, tag, summary, description, isDeprecated, isOpen, body, bodyType } = operation;
  const role = roleIn(operation);
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(isDeprecated ? { deprecated: true } : {}),
    security: isOpen ? [] : [{ apiKey: [role] }, { bearer: [role] }],
    parameters: parametersOf(operation),
    ...(body === undefined
      ? {}
      : { requestBody: { required: !v.is(body, {}), content: content(schemaOf(body, "input")) } }),
    ...(bodyType === undefined ? {} : { requestBody: { required: true, content: textContent(bodyType) } }),
  };
}

/** The role that the app requires for the route of an operation. */
function roleIn({ method, path }: Operation): Role {
  const route = path.replaceAll(/\{(\w+)\}/g, ":$1");
  const handlers = app.routes.filter((one) => one.path === route && one.method === method.toUpperCase());
  if (handlers.length === 0) throw new Error(`the app has no route ${method} ${path}`);
  return roleOf(
    method.toUpperCase(),
    handlers.map(({ handler }) => handler),
  );
}

function parametersOf({ path, query, isIdempotent, isConditional, headers = [] }: Operation): JsonObject[] {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => ({
    name,
    in: "path",
    required: true,
    schema: reference("schemas", "Id"),
  }));
  const inQuery = Object.entries(query?.entries ?? {}).map(([name, schema]) => ({
    name,
    in: "query",
    schema: schemaOf(schema, "output"),
  }));
  const idempotencyKey = isIdempotent ? [reference("parameters", "IdempotencyKey")] : [];
  const ifMatch = isConditional ? [reference("parameters", "IfMatch")] : [];
  const trace = [reference("parameters", "TraceId"), reference("parameters", "Traceparent")];
  const further = headers.map((name) => reference("parameters", name));
  return [...inPath, ...inQuery, ...trace, ...idempotencyKey, ...ifMatch, ...further];
}

/** The headers of every answer. Security headers for browsers are left out: a client has no use for them. */
const everywhere = {
  "x-trace-id": reference("headers", "TraceId"),
  traceparent: reference("headers", "Traceparent"),
  "Access-Control-Allow-Origin": reference("headers", "AllowOrigin"),
  "Access-Control-Expose-Headers": reference("headers", "ExposeHeaders"),
  Vary: reference("headers", "Vary"),
};

/** The answers of an operation by status. Failures are added to the shared responses, named by their status and codes. */
function responsesOf(operation: Operation, shared: Record<string, JsonObject>): JsonObject {
  const { status, summary, answer, answerType, also = {}, hasETag, errors } = operation;
  const tagged = hasETag ? { ...everywhere, ETag: reference("headers", "ETag") } : everywhere;
  const codes = new Map<number, ErrorCode[]>();
  for (const code of errors) codes.set(httpStatus[code], [...(codes.get(httpStatus[code]) ?? []), code]);
  const failures = [...codes].map(([status, codes]): [string, JsonObject] => {
    const name = [status, ...codes.sort()].join(".");
    shared[name] = failureResponse(status, codes);
    return [String(status), reference("responses", name)];
  });
  const success = {
    description: summary,
    headers: tagged,
    ...(status === 204
      ? {}
      : {
          content: answerType
            ? textContent(answerType)
            : content(answer === undefined ? {} : schemaOf(answer, "output")),
        }),
  };
  const empty = Object.entries(also).map(([status, description]): [string, JsonObject] => [
    status,
    { description, headers: tagged },
  ]);
  return Object.fromEntries([
    [String(status), success],
    ...[...empty, ...failures].sort(([a], [b]) => (a < b ? -1 : 1)),
  ]);
}

function failureResponse(status: number, codes: readonly ErrorCode[]): JsonObject {
  return {
    description: codes.map((code) => `\`${code}\``).join(", "),
    headers: {
      ...everywhere,
      ...(codes.includes("unauthorized") ? { "WWW-Authenticate": reference("headers", "Authenticate") } : {}),
      ...([409, 429, 503].includes(status) ? { "Retry-After": reference("headers", "RetryAfter") } : {}),
    },
    content: content({
      allOf: [
        reference("schemas", "Failure"),
        { properties: { error: { properties: { code: { enum: codes }, status: { const: status } } } } },
      ],
    }),
  };
}

function textContent(type: string): JsonObject {
  return { [type]: { schema: { type: "string" } } };
}

function content(schema: JsonObject): JsonObject {
  return { "application/json": { schema } };
}

function reference(
  kind: "schemas" | "headers" | "parameters" | "responses",
  name: string,
): JsonObject & { readonly $ref: string } {
  return { $ref: `#/components/${kind}/${name}` };
}

/** The JSON Schema of a part; schemas with a name are references. */
function schemaOf(schema: v.GenericSchema, typeMode: "input" | "output"): JsonObject {
  const {
    $schema: _,
    $defs: __,
    ...converted
  } = toJsonSchema(schema, {
    ...conversion(typeMode),
    definitions: schemas,
  });
  return nullsMerged(asJson(converted)) as JsonObject;
}

function conversion(typeMode: "input" | "output"): ConversionConfig {
  return {
    target: "draft-2020-12",
    typeMode,
    overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
    overrideSchema({ valibotSchema }) {
      if (valibotSchema === jsonValue) return {};
      if (valibotSchema === duration) {
        const words = { type: "string" as const, examples: ["3 days"] };
        return { anyOf: [{ type: "number", description: "Milliseconds." }, words] };
      }
      if (valibotSchema === jsonObject) return { type: "object" };
      if (valibotSchema === state) return reference("schemas", "ExecutionState");
      return undefined;
    },
  };
}

// A JSON Schema is JSON.
function asJson(schema: object): Json {
  return schema as JsonObject;
}

/** Merges an `anyOf` of a simple type and null into the shorter form. */
function nullsMerged(json: Json): Json {
  if (Array.isArray(json)) return json.map(nullsMerged);
  if (typeof json !== "object" || json === null) return json;
  const { anyOf, ...rest } = Object.fromEntries(
    Object.entries(json as JsonObject).map(([key, item]) => [key, nullsMerged(item)]),
  );
  if (anyOf === undefined) return rest;
  const [first, second] = anyOf as readonly JsonObject[];
  const isSimple = typeof first?.type === "string" && first.enum === undefined && second?.type === "null";
  return isSimple ? { ...first, type: [first.type as string, "null"], ...rest } : { anyOf, ...rest };
}

/** The content of the document's file. */
export function openApiText(): string {
  return `${JSON.stringify(openApiDocument(), null, 2)}\n`;
}

if (import.meta.main) writeFileSync(file, openApiText());
