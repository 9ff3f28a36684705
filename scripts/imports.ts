import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { parseSync } from "vite";

/** A file that ships, by its path from the root of the repository. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

interface Room {
  readonly name: string;
  /** Whether a path belongs to the room. A file belongs to the first room that matches. */
  readonly holds: RegExp;
  /** The files that the room may import besides its own. */
  readonly sees: RegExp;
  /** The files from which the room may import only types, by `import type`. Default: none. */
  readonly types?: RegExp;
  /** The packages that the room may import. */
  readonly packages: RegExp;
}

const nothing = /$^/;
const data = /^src\/(abort|argument|clock|duration|errors|ids|json|retry|schema)\.ts$/;
const record = /^src\/record\/.+$/;
const store = /^src\/store\.ts$/;
const telemetry = /^src\/telemetry\/.+$/;
const codec = /^src\/codec\/.+$/;
const journal = /^src\/journal\/.+$/;
const skills = /^src\/skills\/.+$/;
const engine = /^src\/engine\/.+$/;
const runtime = /^src\/(runs\/.+|runtime\.ts)$/;
const core = /^src\/(?!conformance\/|testing\/).+$/;
const storeContract = /^src\/(argument|store|ids|errors|json)\.ts$/;
const sql = /^adapters\/sql\/.+$/;
const contract = /^worker\/http\/contract\/.+$/;
const app = /^worker\/http\/.+$/;
const inspectorState = /^worker\/inspector\/ui\/state\/.+$/;
const inspectorViews = /^worker\/inspector\/ui\/views\/.+$/;

const rooms: readonly Room[] = [
  { name: "data", holds: data, sees: nothing, packages: nothing },
  { name: "store", holds: store, sees: data, packages: nothing },
  // The room of runs and their pure decisions does not know rows.
  { name: "record", holds: record, sees: data, packages: nothing },
  { name: "codec", holds: codec, sees: anyOf(data, store, record), packages: nothing },
  { name: "telemetry", holds: telemetry, sees: anyOf(data, store, record), packages: nothing },
  { name: "journal", holds: journal, sees: anyOf(data, store, record, codec, telemetry), packages: nothing },
  {
    name: "skills",
    holds: skills,
    sees: anyOf(data, store, record, codec, telemetry, journal, engine),
    packages: nothing,
  },
  {
    name: "engine",
    holds: engine,
    sees: anyOf(data, store, record, codec, telemetry, journal, skills),
    packages: nothing,
  },
  {
    name: "runs",
    holds: runtime,
    sees: anyOf(data, store, record, codec, telemetry, journal, skills, engine),
    packages: nothing,
  },
  {
    name: "core door",
    holds: /^src\/(((codec|telemetry)\/)?(index|types)|steps|transfer|watch)\.ts$/,
    sees: core,
    packages: nothing,
  },
  { name: "conformance", holds: /^src\/conformance\/.+$/, sees: core, packages: nothing },
  {
    name: "testing",
    holds: /^src\/testing\/.+$/,
    // The conformance suite uses the memory store to check cases in memory.
    sees: anyOf(core, /^src\/conformance\/(faults|model|tables)\.ts$/),
    packages: nothing,
  },
  { name: "memory adapter", holds: /^adapters\/memory\/.+$/, sees: storeContract, packages: nothing },
  { name: "indexeddb adapter", holds: /^adapters\/indexeddb\/.+$/, sees: storeContract, packages: /^idb$/ },
  { name: "sql", holds: sql, sees: storeContract, packages: nothing },
  { name: "d1 adapter", holds: /^adapters\/d1\/.+$/, sees: anyOf(storeContract, sql), packages: nothing },
  {
    name: "durable-object adapter",
    holds: /^adapters\/durable-object\/.+$/,
    sees: anyOf(storeContract, sql),
    packages: nothing,
  },
  {
    name: "node-sqlite adapter",
    holds: /^adapters\/node-sqlite\/.+$/,
    sees: anyOf(storeContract, sql),
    packages: /^node:sqlite$/,
  },
  {
    name: "cloudflare",
    holds: /^worker\/cloudflare\/.+$/,
    sees: anyOf(core, app, /^worker\/inspector\/page\.ts$/, /^adapters\/(d1|durable-object)\/index\.ts$/),
    packages: nothing,
  },
  // The Worker of `wrangler.toml` joins the doors, as a user's does.
  {
    name: "example Worker",
    holds: /^worker\/main\.ts$/,
    sees: /^worker\/(cloudflare\/index|schedules\/(http\/)?index|skills\/.+)\.ts$/,
    packages: nothing,
  },
  { name: "example skills", holds: /^worker\/skills\/.+$/, sees: core, packages: /^valibot$/ },
  {
    name: "schedules over HTTP",
    holds: /^worker\/schedules\/http\/.+$/,
    sees: anyOf(core, app, /^worker\/schedules\/[^/]+$/),
    packages: /^hono$/,
  },
  // Only an app with schedules carries the library of their times.
  { name: "schedules", holds: /^worker\/schedules\/.+$/, sees: core, packages: /^croner$/ },
  // A page must not bundle the HTTP app.
  {
    name: "page",
    holds: /^worker\/browser\/(page|registration|serving)\.ts$/,
    sees: anyOf(core, /^adapters\/indexeddb\/index\.ts$/),
    packages: nothing,
  },
  {
    name: "service worker",
    holds: /^worker\/browser\/.+\.ts$/,
    sees: anyOf(core, app, /^worker\/(browser\/serving|inspector\/routes)\.ts$/, /^adapters\/indexeddb\/index\.ts$/),
    packages: nothing,
  },
  // The inspector is a client that is bundled with its UI libraries and served as text. Only its top file joins state and
  // views.
  {
    name: "inspector state",
    holds: inspectorState,
    sees: anyOf(/^src\/errors\.ts$/, /^worker\/client\/.+$/),
    types: contract,
    packages: nothing,
  },
  {
    name: "inspector views",
    holds: inspectorViews,
    sees: inspectorState,
    packages: /^lit(\/.+)?$/,
  },
  {
    name: "inspector",
    holds: /^worker\/inspector\/element\.ts$/,
    sees: anyOf(inspectorState, inspectorViews),
    packages: /^lit\/html\.js$/,
  },
  // The routes that serve the inspector do not know its content.
  {
    name: "inspector page",
    holds: /^worker\/inspector\/[^/]+\.ts$/,
    sees: nothing,
    packages: /^hono\/(hono-base|types)$/,
  },
  {
    // The client imports only types of the app, so that a page does not bundle the app.
    name: "client",
    holds: /^worker\/client\/.+$/,
    // And of the core what values, states and requests are made of, none of what executes or stores.
    sees: anyOf(
      data,
      codec,
      /^src\/record\/(run|known|precondition)\.ts$/,
      /^src\/runs\/(cursor|feed|new-run|outcome)\.ts$/,
      /^src\/skills\/skill-kind\.ts$/,
    ),
    types: anyOf(
      contract,
      /^worker\/(http\/index|schedules\/(api|http\/index))\.ts$/,
      record,
      /^src\/(runs\/.+|skills\/skill\.ts)$/,
    ),
    packages: /^hono\/(client|types)$/,
  },
  {
    // Of the core it has only what follows runs, so that a page with a client does not bundle what executes them.
    name: "react",
    holds: /^worker\/react\/.+$/,
    sees: /^src\/(errors|runs\/(output|watch-runs))\.ts$/,
    types: /^src\/runs\/api\.ts$/,
    packages: /^react$/,
  },
  // The contract knows neither the routes nor the middleware.
  {
    name: "contract",
    holds: contract,
    sees: anyOf(core, /^worker\/(http\/auth\/caller|schedules\/plan)\.ts$/),
    packages: /^valibot$/,
  },
  {
    name: "http",
    holds: app,
    sees: anyOf(core, contract, /^worker\/inspector\/routes\.ts$/),
    packages: /^(hono(\/.+)?|valibot)$/,
  },
];

/** The problems of the imports of these files, one sentence each. */
export function importViolations(files: readonly SourceFile[]): readonly string[] {
  const imports = new Map(files.map((file) => [file.path, importsOf(file)]));
  const wrong = files.flatMap(({ path }) => {
    const room = rooms.find(({ holds }) => holds.test(path));
    if (!room) return [`${path} is in no room: say in scripts/imports.ts what it may import`];
    return (imports.get(path) ?? []).flatMap((found) => violation(path, room, found) ?? []);
  });
  return [...wrong, ...circles(imports)];
}

/** The circles among files, of types or values: one for each group of files that reach each other. */
function circles(imports: ReadonlyMap<string, readonly Import[]>): readonly string[] {
  const targets = new Map(
    [...imports].map(([path, found]) => [
      path,
      found.flatMap(({ specifier }) => {
        const target = specifier?.startsWith(".") ? posix.join(posix.dirname(path), specifier) : undefined;
        return target !== undefined && imports.has(target) ? [target] : [];
      }),
    ]),
  );
  const found: string[] = [];
  /** The files from which no further circle can be found. */
  const left = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    if (left.has(path)) return;
    if (way.includes(path)) {
      found.push(`a circle of imports: ${[...way.slice(way.indexOf(path)), path].join(" -> ")}`);
      return;
    }
    for (const target of targets.get(path) ?? []) visit(target, [...way, path]);
    left.add(path);
  };
  for (const path of targets.keys()) visit(path, []);
  return found;
}

function violation(path: string, room: Room, { specifier, isType }: Import): string | undefined {
  if (specifier === undefined) return `${path} imports something computed`;
  if (!specifier.startsWith(".")) {
    return room.packages.test(specifier) ? undefined : `${path} (${room.name}) imports ${specifier}`;
  }
  const target = posix.join(posix.dirname(path), specifier);
  if (!/\.(ts|json)$/.test(target)) return `${path} imports ${specifier} without its extension, .ts`;
  const isOwn = rooms.find(({ holds }) => holds.test(target)) === room;
  if (isOwn || room.sees.test(target)) return undefined;
  if (room.types?.test(target) !== true) return `${path} (${room.name}) imports ${target}`;
  return isType ? undefined : `${path} (${room.name}) imports more than types of ${target}: say import type`;
}

/** An import of a file. */
interface Import {
  /** Undefined if the specifier is computed. */
  readonly specifier: string | undefined;
  /** True if nothing of the import is left at run time. Types that are named one by one leave an import for its side effect. */
  readonly isType: boolean;
}

/** Every static, dynamic and type import, and every re-export. */
function importsOf(file: SourceFile): readonly Import[] {
  const { program, errors } = parseSync(file.path, file.text);
  if (errors.length > 0) return [{ specifier: undefined, isType: false }];
  const imports: Import[] = [];
  JSON.stringify(program, (_key, node: unknown) => {
    if (isNode(node)) {
      const isType = node.type === "TSImportType" || node.importKind === "type" || node.exportKind === "type";
      if (node.type === "TSExternalModuleReference")
        imports.push({ specifier: textOf(node.expression), isType: false });
      else if (importing.has(node.type) && node.source) imports.push({ specifier: textOf(node.source), isType });
    }
    return typeof node === "bigint" ? String(node) : node;
  });
  return imports;
}

interface Node {
  readonly type: string;
  readonly source?: unknown;
  readonly expression?: unknown;
  readonly importKind?: unknown;
  readonly exportKind?: unknown;
}

const importing: ReadonlySet<string> = new Set([
  "ImportDeclaration",
  "ExportNamedDeclaration",
  "ExportAllDeclaration",
  "ImportExpression",
  "TSImportType",
]);

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

function textOf(literal: unknown): string | undefined {
  const isString = isNode(literal) && "value" in literal && typeof literal.value === "string";
  return isString ? String(literal.value) : undefined;
}

/** Every TypeScript file of the rooms that ship. */
export function shippedFiles(root: string): readonly SourceFile[] {
  return ["src", "adapters", "worker"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => posix.join(folder, name))
      .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") })),
  );
}

function anyOf(...patterns: readonly RegExp[]): RegExp {
  return new RegExp(patterns.map(({ source }) => `(?:${source})`).join("|"));
}
