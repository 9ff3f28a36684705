import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type ConversionConfig, toJsonSchema, toJsonSchemaDefs } from "@valibot/to-json-schema";
import type * as v from "valibot";
import { httpStatus, type Json, type JsonObject } from "../src/codec/index.ts";
import type { ErrorCode } from "../src/index.ts";
import { type Operation, operations, roleOf, schemas } from "../worker/http/contract/operations.ts";
import { jsonObject, jsonValue, state } from "../worker/http/contract/values.ts";
import { referenceText } from "./reference.ts";

const file = fileURLToPath(new URL("../worker/http/contract/openapi.generated.json", import.meta.url));
const pageFile = fileURLToPath(new URL("../worker/http/contract/reference.generated.ts", import.meta.url));

const headers = {
  TraceId: { description: "Names this request in the server's log.", schema: { type: "string" } },
  Traceparent: {
    description: "The caller's trace, or a new one, with this request as the parent of what follows.",
    schema: { type: "string" },
  },
  AllowOrigin: { description: "Where the page that asks is on the service's list.", schema: { type: "string" } },
  ExposeHeaders: { description: "Beside the one before it: what the page may read.", schema: { type: "string" } },
  Vary: { description: "`origin`, where the service has a list of pages.", schema: { type: "string" } },
  Authenticate: { description: "How a key may be sent.", schema: { type: "string", const: "Bearer" } },
  RetryAfter: {
    description: "After how many seconds the same request may succeed.",
    schema: { type: "integer", minimum: 0 },
  },
  ETag: {
    description: "The revision of the run's last history entry. No heartbeat moves it.",
    schema: { type: "string", pattern: '^"[0-9]+"$' },
  },
};

const parameters = {
  TraceId: {
    name: "x-trace-id",
    in: "header",
    description: "Taken where it is 1 to 200 characters of printable ASCII, and echoed.",
    schema: { type: "string" },
  },
  Traceparent: {
    name: "traceparent",
    in: "header",
    description: "The caller's trace, which names a run that is started where `x-trace-id` does not.",
    schema: { type: "string" },
  },
  IdempotencyKey: {
    name: "Idempotency-Key",
    in: "header",
    description: "A second request with this key within 24 hours changes nothing, and is answered as the first was.",
    schema: { type: "string", minLength: 1, maxLength: 1000 },
  },
  IfMatch: {
    name: "If-Match",
    in: "header",
    description: "The ETag of the run that the path names; where it is another by now, nothing is done.",
    schema: { type: "string" },
  },
  IfNoneMatch: {
    name: "If-None-Match",
    in: "header",
    description: "The ETag of the run as the caller has it.",
    schema: { type: "string" },
  },
  LastEventId: {
    name: "Last-Event-ID",
    in: "header",
    description: "The place of the last event that was received, as `EventSource` sends it.",
    schema: { type: "string" },
  },
};

const tags = [
  { name: "runs", description: "Executions of skills, and everything that can be done to them" },
  { name: "checkpoints", description: "What a run knew, and where it can continue" },
  { name: "keys", description: "Who may call: each key is of one tenant and one role" },
  { name: "legacy", description: "Routes of older clients" },
  { name: "service", description: "The service itself" },
];

/** What holds for every route, and no operation can say. */
const manners =
  "Every route of `GET` answers `HEAD` too; a method that a path does not have is 405 `method_not_allowed`, with those that it has as `Allow`; and pages of other origins are answered, and their preflights, where the service has them on its list (CORS).";

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
  const { id, tag, summary, description, isDeprecated, isOpen, body, bodyType, isBodyOptional } = operation;
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(isDeprecated ? { deprecated: true } : {}),
    security: isOpen ? [] : [{ apiKey: [roleOf(operation)] }, { bearer: [roleOf(operation)] }],
    parameters: parametersOf(operation),
    ...(body === undefined
      ? {}
      : { requestBody: { required: isBodyOptional !== true, content: content(schemaOf(body, "input")) } }),
    ...(bodyType === undefined ? {} : { requestBody: { required: true, content: textContent(bodyType) } }),
  };
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

/** Headers of every answer. Those that tell a browser what not to do with it say nothing to a client. */
const everywhere = {
  "x-trace-id": reference("headers", "TraceId"),
  traceparent: reference("headers", "Traceparent"),
  "Access-Control-Allow-Origin": reference("headers", "AllowOrigin"),
  "Access-Control-Expose-Headers": reference("headers", "ExposeHeaders"),
  Vary: reference("headers", "Vary"),
};

/** The answers of an operation by status. Failures are put among the shared ones, by their status and codes. */
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

/** The JSON Schema of a part; named parts in it are referred to. */
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

/** `anyOf` of a simple type and null, in the shorter form. */
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

/** The document as its file holds it. */
export function openApiText(): string {
  return `${JSON.stringify(openApiDocument(), null, 2)}\n`;
}

/** The page of the document, as its file holds it. */
export function referencePageText(): string {
  return referenceText(openApiDocument(), Object.keys(everywhere));
}

if (import.meta.main) {
  writeFileSync(file, openApiText());
  writeFileSync(pageFile, referencePageText());
}
