import type { Json, JsonObject } from "../../src/json.ts";
import openApi from "./contract/openapi.generated.json" with { type: "json" };

// The reference page: the OpenAPI document as HTML. It has no script and loads nothing, so it works without a network and
// under a policy that allows only its own style. It is made from the document where it is asked for: its text is 15 times
// as long as what makes it.

const style = `
:root{color-scheme:light dark;--ink:#1c1d21;--dim:#5c6070;--line:#d9dbe3;--paper:#fff;--shade:#f4f5f8;--link:#1d4ed8}
@media(prefers-color-scheme:dark){:root{--ink:#e6e7ec;--dim:#9da1b3;--line:#34363f;--paper:#16171b;--shade:#1f2026;--link:#8ab4ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
a{color:var(--link)}a:focus-visible,summary:focus-visible{outline:2px solid var(--link);outline-offset:2px}
header,main,nav{max-width:60rem;margin:0 auto;padding:1rem 1.25rem}
h1{margin:0;font-size:1.6rem}h2{margin:2.5rem 0 .5rem;font-size:1.25rem}h3{margin:0;font-size:1rem;overflow-wrap:anywhere}
h4{margin:.75rem 0 .25rem;font-size:.85rem;color:var(--dim)}p{margin:.35rem 0}
nav ul{columns:18rem;padding-left:1.1rem;margin:.25rem 0}
code{font:.9em ui-monospace,monospace;overflow-wrap:anywhere}
section.item{border:1px solid var(--line);border-radius:.5rem;padding:.85rem 1rem;margin:.85rem 0;scroll-margin-top:1rem}
.method{display:inline-block;min-width:4.5rem;font:700 .8rem ui-monospace,monospace}
.dim{color:var(--dim)}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-top:1px solid var(--line)}
th{font-weight:600}th .dim{font-weight:400}
table table{background:var(--shade)}
`.trim();

/** A page, and the Content-Security-Policy under which it is served. */
export interface ReferencePage {
  readonly html: string;
  readonly policy: string;
}

/** What describes the HTTP API: its OpenAPI 3.1 document, and that document as a page. */
export interface ApiReference {
  /** The document, which is served at `/openapi.json`. */
  readonly document: JsonObject;
  /** Returns the page, which is served at `/reference`. */
  page(): Promise<ReferencePage>;
}

// Made once it is asked for.
let page: Promise<ReferencePage> | undefined;

/** The description of the HTTP API, for `createApp({ reference: apiReference })`. */
export const apiReference: ApiReference = {
  document: asJson(openApi),
  page: () => {
    page ??= referencePage(apiReference.document);
    return page;
  },
};

/** As any JSON: otherwise the type would have each word of the document. */
function asJson(json: unknown): JsonObject {
  return json as JsonObject;
}

/** The page of an OpenAPI document. */
async function referencePage(document: JsonObject): Promise<ReferencePage> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(style));
  const policy = [
    "default-src 'none'",
    `style-src 'sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}'`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  return { html: htmlOf(document), policy };
}

function htmlOf(document: JsonObject): string {
  const { title, version, description } = objectOf(document.info);
  const operations = Object.entries(objectOf(document.paths)).flatMap(([path, methods]) =>
    Object.entries(objectOf(methods)).map(([method, operation]) => ({ path, method, ...objectOf(operation) })),
  ) as unknown as readonly Operation[];
  const tags = listOf(document.tags).map((tag) => ({
    ...objectOf(tag),
    operations: operations.filter((operation) => operation.tags.includes(String(objectOf(tag).name))),
  })) as unknown as readonly Tag[];
  const { schemas, parameters, responses } = objectOf(document.components);
  const shared = { schemas: objectOf(schemas), parameters: objectOf(parameters), responses: objectOf(responses) };
  const answers = operations.flatMap((operation) => Object.values(operation.responses));
  const everywhere = answers
    .map((answer) => headersOf(resolved(objectOf(answer), shared.responses)))
    .reduce((names, others) => names.filter((name) => others.includes(name)));
  const parts: Parts = { ...shared, everywhere };
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width,initial-scale=1">',
    `<title>${escaped(String(title))} ${escaped(String(version))}: HTTP reference</title><style>${style}</style></head><body>`,
    `<header><h1>${escaped(String(title))} <span class="dim">${escaped(String(version))}</span></h1>`,
    `<p>${prose(String(description))}</p>`,
    "<p>Send the API key as the header <code>x-api-key</code>, or as <code>Authorization: Bearer</code>. ",
    'This page as data: <a href="/openapi.json"><code>/openapi.json</code></a>.</p></header>',
    `<nav aria-label="Contents">${tags.map(contents).join("")}<ul><li><a href="#schemas">Schemas</a></li></ul></nav><main>`,
    ...tags.map((tag) => section(tag, parts)),
    '<h2 id="schemas">Schemas</h2>',
    ...Object.entries(parts.schemas).map(([name, schema]) => schemaSection(name, objectOf(schema))),
    "</main></body></html>",
  ].join("");
}

interface Parts {
  readonly schemas: JsonObject;
  readonly parameters: JsonObject;
  readonly responses: JsonObject;
  /** The headers of every answer, which are not listed for each. */
  readonly everywhere: readonly string[];
}

interface Tag {
  readonly name: string;
  readonly description: string;
  readonly operations: readonly Operation[];
}

interface Operation {
  readonly path: string;
  readonly method: string;
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly deprecated?: boolean;
  readonly security: readonly { readonly apiKey?: readonly string[] }[];
  readonly parameters: readonly JsonObject[];
  readonly requestBody?: JsonObject;
  readonly responses: JsonObject;
}

function contents({ name, operations }: Tag): string {
  const items = operations.map(
    ({ operationId, summary }) => `<li><a href="#${operationId}">${prose(summary)}</a></li>`,
  );
  return `<h4>${escaped(name)}</h4><ul>${items.join("")}</ul>`;
}

function section({ name, description, operations }: Tag, parts: Parts): string {
  const items = operations.map((operation) => operationSection(operation, parts));
  return `<h2>${escaped(name)}</h2><p class="dim">${prose(description)}</p>${items.join("")}`;
}

function operationSection(operation: Operation, parts: Parts): string {
  const { operationId, method, path, summary, description, deprecated, security, requestBody } = operation;
  const role = security[0]?.apiKey?.[0];
  const needs = role === undefined ? "no key" : `a key of the role ${role}`;
  return [
    `<section class="item" id="${operationId}"><h3><span class="method">${method.toUpperCase()}</span> `,
    `<code>${escaped(path)}</code></h3><p>${prose(summary)}${deprecated ? ' <span class="dim">(deprecated)</span>' : ""}</p>`,
    description === undefined ? "" : `<p>${prose(description)}</p>`,
    `<p class="dim">Needs ${needs}.</p>`,
    parametersTable(operation.parameters.map((one) => resolved(one, parts.parameters))),
    requestBody === undefined
      ? ""
      : `<h4>Body${requestBody.required ? "" : ", optional"}</h4>${contentOf(requestBody)}`,
    `<h4>Answers</h4>${responsesTable(operation.responses, parts)}</section>`,
  ].join("");
}

function parametersTable(parameters: readonly JsonObject[]): string {
  const rows = parameters.map(({ name, in: place, description, schema }) => {
    const { description: own, ...rest } = objectOf(schema);
    const said = [description ?? own].filter((text) => text !== undefined).map((text) => prose(String(text)));
    return row(`<code>${escaped(String(name))}</code> <span class="dim">${String(place)}</span>`, typeOf(rest), said);
  });
  return rows.length === 0 ? "" : `<h4>Parameters</h4>${table(rows)}`;
}

function responsesTable(responses: JsonObject, { responses: shared, everywhere }: Parts): string {
  const rows = Object.entries(responses).map(([status, response]) => {
    const answer = resolved(objectOf(response), shared);
    const { description, content } = answer;
    // The form of failures is described once, under Failure.
    const body = Number(status) < 400 && content !== undefined ? contentOf({ content }) : "";
    const named = headersOf(answer).filter((name) => !everywhere.includes(name));
    const sent = named.length === 0 ? [] : [`<span class="dim">with ${named.map(escaped).join(", ")}</span>`];
    return row(status, `${prose(String(description))} ${body}`, sent);
  });
  return table(rows);
}

function headersOf({ headers }: JsonObject): readonly string[] {
  return Object.keys(objectOf(headers));
}

function contentOf({ content }: JsonObject): string {
  return Object.entries(objectOf(content ?? {}))
    .map(([type, media]) => {
      const shown = typeOf(objectOf(objectOf(media).schema));
      return type === "application/json" ? shown : `<code>${escaped(type)}</code>`;
    })
    .join(" ");
}

function schemaSection(name: string, schema: JsonObject): string {
  return `<section class="item" id="schema-${escaped(name)}"><h3>${escaped(name)}</h3>${described(schema)}${typeOf(schema)}</section>`;
}

function described({ description }: JsonObject): string {
  return description === undefined ? "" : `<p>${prose(String(description))}</p>`;
}

/** A schema in a few words, or as the table of its fields. */
function typeOf(schema: JsonObject): string {
  const { $ref, type, items, properties, anyOf, allOf, required = [] } = schema;
  if (typeof $ref === "string") {
    const name = $ref.slice($ref.lastIndexOf("/") + 1);
    return `<a href="#schema-${escaped(name)}">${escaped(name)}</a>`;
  }
  if (anyOf !== undefined)
    return listOf(anyOf)
      .map((one) => typeOf(objectOf(one)))
      .join(" or ");
  if (allOf !== undefined) {
    // A table of fields shows that it is an object.
    const told = listOf(allOf)
      .map(objectOf)
      .filter(({ type, ...rest }) => type !== "object" || Object.keys(rest).length > 0);
    return told.map(typeOf).join(" and ");
  }
  if (schema.const !== undefined) return literal(schema.const);
  if (schema.enum !== undefined) return listOf(schema.enum).map(literal).join(" | ");
  if (properties !== undefined) {
    const rows = Object.entries(objectOf(properties)).map(([name, property]) => {
      const field = objectOf(property);
      const mark = listOf(required).includes(name) ? "" : ' <span class="dim">optional</span>';
      const said = field.description === undefined ? [] : [prose(String(field.description))];
      return row(`<code>${escaped(name)}</code>${mark}`, typeOf(field), said);
    });
    return table(rows);
  }
  if (items !== undefined) return `array of ${typeOf(objectOf(items))}`;
  return `${type === undefined ? "any JSON" : escaped([type].flat().join(" or "))}${bounds(schema)}`;
}

function bounds({ minimum, maximum, default: otherwise }: JsonObject): string {
  const range = minimum !== undefined && maximum !== undefined && maximum !== Number.MAX_SAFE_INTEGER;
  return [
    range ? `, ${String(minimum)} to ${String(maximum)}` : "",
    otherwise === undefined ? "" : `, default ${literal(otherwise)}`,
  ].join("");
}

function literal(value: Json): string {
  return `<code>${escaped(JSON.stringify(value))}</code>`;
}

function table(rows: readonly string[]): string {
  return `<div class="wide"><table>${rows.join("")}</table></div>`;
}

function row(head: string, type: string, said: readonly string[]): string {
  return `<tr><th scope="row">${head}</th><td>${[type, ...said].join("<br>")}</td></tr>`;
}

function resolved(part: JsonObject, shared: JsonObject): JsonObject {
  const { $ref } = part;
  return typeof $ref === "string" ? objectOf(shared[$ref.slice($ref.lastIndexOf("/") + 1)] as Json) : part;
}

/** HTML of a text whose words between backticks are code. */
function prose(text: string): string {
  return escaped(text).replaceAll(/`([^`]+)`/g, "<code>$1</code>");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function objectOf(json: Json | undefined): JsonObject {
  return (json ?? {}) as JsonObject;
}

function listOf(json: Json | undefined): readonly Json[] {
  return (json ?? []) as readonly Json[];
}
