import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { parseSync } from "vite";
import { declarations } from "./declarations.ts";
import { doors as sourcesOfDoors } from "./doors.ts";
import { isNode, leftmost, listOf, type Node, nameOf } from "./syntax.ts";

/** A name that a door of the package exports, with the declaration behind it. */
export interface PublicName {
  readonly door: string;
  readonly name: string;
  /** Where it is declared, such as `src/runtime.d.ts`, and under which name. */
  readonly file: string;
  readonly declared: string;
  /** Whether it is there at run time. */
  readonly isValue: boolean;
  readonly isFunctionOrClass: boolean;
  /** Its docstring without the stars; empty if it has none. */
  readonly docstring: string;
  /** The public methods of a class or interface. */
  readonly methods: readonly PublicMethod[];
  /** Types that stand in its signature and that no door exports, such as `src/ids.d.ts: TenantId`. */
  readonly unnamed: readonly string[];
}

/** A public method of a class or interface, all its overloads together. */
export interface PublicMethod {
  readonly name: string;
  /** Its docstring without the stars, or that of the interface that declares it; empty if neither has one. */
  readonly docstring: string;
}

/** The doors of the package: their names, and the declarations behind them relative to the folder of declarations. */
export function doors(): ReadonlyMap<string, string> {
  return new Map(
    [...sourcesOfDoors()].map(([door, file]) => [door.replace(/^\./, "orca-durable"), file.replace(/\.ts$/, ".d.ts")]),
  );
}

/** Every name that a door exports, from the declarations in `folder`. */
export function publicNames(folder: string): readonly PublicName[] {
  const modules = new Modules(folder);
  const exported = [...doors()].flatMap(([door, file]) =>
    [...modules.exportsOf(file)].map(([name, symbol]) => ({ door, name, symbol })),
  );
  const named = new Set(exported.map(({ symbol }) => keyOf(symbol)));
  return exported.map(({ door, name, symbol }) => {
    const declarations = modules.declarationsOf(symbol);
    const kinds = declarations.map(({ node }) => node.type);
    return {
      ...{ door, name, file: symbol.file, declared: symbol.name },
      isValue: kinds.some((kind) => !types.has(kind)),
      isFunctionOrClass: kinds.some((kind) => kind === "ClassDeclaration" || functions.has(kind)),
      docstring: declarations.map(({ docstring }) => docstring).find((text) => text !== "") ?? "",
      methods: modules.methodsOf(symbol),
      unnamed: modules.unnamedIn(symbol, named),
    };
  });
}

/** The code of each `@example` of a docstring. */
export function examplesIn(docstring: string): readonly string[] {
  return docstring
    .split(/^@/m)
    .filter((tag) => /^example\b/.test(tag))
    .map((tag) => /^```ts\n(.*?)^```$/ms.exec(tag)?.[1] ?? "");
}

const types: ReadonlySet<string> = new Set(["TSInterfaceDeclaration", "TSTypeAliasDeclaration"]);
const functions: ReadonlySet<string> = new Set(["FunctionDeclaration", "TSDeclareFunction"]);

/** A declaration at the top of a file. */
interface Symbol {
  readonly file: string;
  readonly name: string;
}

interface Declaration {
  readonly node: Node;
  readonly docstring: string;
}

interface Module {
  readonly declarations: ReadonlyMap<string, readonly Declaration[]>;
  /** What a name in this file stands for in another file of the package. Names of other packages are left out. */
  readonly imports: ReadonlyMap<string, Symbol>;
  readonly exports: ReadonlyMap<string, Symbol>;
  /** The files of which everything is exported. */
  readonly all: readonly string[];
  /** The docstring that ends just before a place, without its stars. */
  readonly docstringBefore: (start: number) => string;
}

class Modules {
  readonly #folder: string;
  readonly #modules = new Map<string, Module>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  exportsOf(file: string): ReadonlyMap<string, Symbol> {
    const { exports, all } = this.#module(file);
    const found = new Map(all.flatMap((other) => [...this.exportsOf(other)]));
    for (const [name, symbol] of exports) found.set(name, this.#resolve(symbol));
    return found;
  }

  declarationsOf({ file, name }: Symbol): readonly Declaration[] {
    return this.#module(file).declarations.get(name) ?? [];
  }

  /** The public methods of a class or interface; a method without a docstring inherits it, as in editors. */
  methodsOf(symbol: Symbol): readonly PublicMethod[] {
    const docstrings = new Map<string, string>();
    for (const { node } of this.declarationsOf(symbol)) {
      for (const { name, start } of methodsIn(node)) {
        const known = docstrings.get(name) ?? "";
        docstrings.set(name, known === "" ? this.#module(symbol.file).docstringBefore(start) : known);
      }
      for (const base of [...listOf(node.implements), ...listOf(node.extends)].map(({ expression }) =>
        leftmost(expression),
      )) {
        const declared = this.#lookUp(symbol.file, base, true);
        for (const { name, docstring } of declared === undefined ? [] : this.methodsOf(declared))
          if (docstrings.get(name) === "") docstrings.set(name, docstring);
      }
    }
    return [...docstrings].map(([name, docstring]) => ({ name, docstring }));
  }

  /** The types in the signature of a symbol that are of this package and not among `named`. */
  unnamedIn(symbol: Symbol, named: ReadonlySet<string>, seen = new Set<string>()): readonly string[] {
    const unnamed = new Set<string>();
    const see = (target: Symbol | undefined, isTypeof: boolean) => {
      if (target === undefined || named.has(keyOf(target)) || seen.has(keyOf(target))) return;
      // The type of a value is written out at its declaration.
      if (!isTypeof) unnamed.add(keyOf(target));
      else {
        seen.add(keyOf(target));
        for (const name of this.unnamedIn(target, named, seen)) unnamed.add(name);
      }
    };
    for (const { node } of this.declarationsOf(symbol)) {
      // Of the type of a function that no door exports, what it returns stands in signatures.
      const walked = seen.has(keyOf(symbol)) && isNode(node.returnType) ? node.returnType : node;
      for (const { name, specifier, isTypeof } of mentionsIn(walked)) {
        const file = specifier === undefined ? symbol.file : this.#target(symbol.file, specifier);
        if (file !== undefined) see(this.#lookUp(file, name, specifier === undefined), isTypeof);
      }
    }
    return [...unnamed].sort();
  }

  /** What a name stands for, inside a file or as one of its exports. */
  #lookUp(file: string, name: string, isInside: boolean): Symbol | undefined {
    if (!isInside) return this.exportsOf(file).get(name);
    const { declarations, imports } = this.#module(file);
    if (declarations.has(name)) return { file, name };
    const imported = imports.get(name);
    return imported && this.#resolve(imported);
  }

  /** The declaration behind what may be an import or a re-export. */
  #resolve(symbol: Symbol): Symbol {
    const { declarations, imports, exports, all } = this.#module(symbol.file);
    if (declarations.has(symbol.name)) return symbol;
    const next = exports.get(symbol.name) ?? imports.get(symbol.name);
    if (next !== undefined && keyOf(next) !== keyOf(symbol)) return this.#resolve(next);
    const among = imports.get(symbol.name) ?? all.map((file) => this.exportsOf(file).get(symbol.name)).find(Boolean);
    if (among === undefined) throw new Error(`${keyOf(symbol)} is declared nowhere`);
    return keyOf(among) === keyOf(symbol) ? symbol : this.#resolve(among);
  }

  #target(file: string, specifier: string): string | undefined {
    if (!specifier.startsWith(".")) return undefined;
    const path = join(dirname(file), specifier);
    const found = [path.replace(/\.ts$/, ".d.ts"), path.replace(/\.js$/, ".d.ts"), path].find(
      (name) => name.endsWith(".d.ts") && existsSync(join(this.#folder, name)),
    );
    return found;
  }

  #module(file: string): Module {
    const known = this.#modules.get(file);
    if (known !== undefined) return known;
    const read = this.#read(file);
    this.#modules.set(file, read);
    return read;
  }

  #read(file: string): Module {
    const text = readFileSync(join(this.#folder, file), "utf8");
    const { program, comments, errors } = parseSync(file, text);
    if (errors.length > 0) throw new Error(`${file} does not parse: ${errors[0]?.message}`);
    const declarations = new Map<string, Declaration[]>();
    const imports = new Map<string, Symbol>();
    const exports = new Map<string, Symbol>();
    const all: string[] = [];
    const docstringBefore = (start: number): string => {
      const comment = comments.findLast(({ end }) => end <= start);
      const isBefore = comment !== undefined && text.slice(comment.end, start).trim() === "";
      return isBefore && comment.value.startsWith("*") ? withoutStars(comment.value) : "";
    };
    const declare = (node: Node, start: number, isExported: boolean) => {
      for (const name of namesOf(node)) {
        const before = declarations.get(name) ?? [];
        declarations.set(name, [...before, { node, docstring: docstringBefore(start) }]);
        if (isExported) exports.set(name, { file, name });
      }
    };
    for (const node of program.body as unknown as readonly Node[]) {
      const target = isNode(node.source) ? this.#target(file, String(node.source.value)) : undefined;
      if (node.type === "ImportDeclaration") {
        if (target === undefined) continue;
        for (const one of listOf(node.specifiers))
          if (isNode(one.imported)) imports.set(nameOf(one.local), { file: target, name: nameOf(one.imported) });
      } else if (node.type === "ExportAllDeclaration") {
        if (target !== undefined) all.push(target);
      } else if (node.type === "ExportNamedDeclaration") {
        if (isNode(node.declaration)) declare(node.declaration, Number(node.start), true);
        for (const one of listOf(node.specifiers)) {
          const name = nameOf(one.local);
          const symbol = target === undefined ? (imports.get(name) ?? { file, name }) : { file: target, name };
          if (!isNode(node.source) || target !== undefined) exports.set(nameOf(one.exported), symbol);
        }
      } else declare(node, Number(node.start), false);
    }
    return { declarations, imports, exports, all, docstringBefore };
  }
}

function keyOf({ file, name }: Symbol): string {
  return `${relative("", file)}: ${name}`;
}

function withoutStars(comment: string): string {
  return comment
    .split("\n")
    .map((line) => line.replace(/^\s*\*? ?/, ""))
    .join("\n");
}

/** The names that a declaration declares. */
function namesOf(node: Node): readonly string[] {
  if (node.type === "VariableDeclaration") return listOf(node.declarations).map(({ id }) => nameOf(id));
  return isNode(node.id) ? [nameOf(node.id)] : [];
}

/** The methods in the body of a class or interface, each overload by itself, without private ones. */
function methodsIn(node: Node): readonly { readonly name: string; readonly start: number }[] {
  const members = isNode(node.body) ? listOf(node.body.body) : [];
  return members
    .filter(({ type, kind }) => type === "TSMethodSignature" || (type === "MethodDefinition" && kind === "method"))
    .filter((member) => !isPrivate(member))
    .map(({ key, start }) => ({ name: nameOf(key), start: Number(start) }));
}

/** A type or value that a declaration names. */
interface Mention {
  readonly name: string;
  /** The module, if it is named by `import("…")`. */
  readonly specifier?: string;
  readonly isTypeof: boolean;
}

function mentionsIn(declaration: Node): readonly Mention[] {
  const found: Mention[] = [];
  JSON.stringify(declaration, (key, node: unknown) => {
    if (typeof node === "bigint") return String(node);
    if (!isNode(node)) return node;
    if (key !== "" && isPrivate(node)) return undefined;
    if (node.type === "TSTypeReference") found.push({ name: leftmost(node.typeName), isTypeof: false });
    if (node.type === "TSInterfaceHeritage" || node.type === "TSClassImplements")
      found.push({ name: leftmost(node.expression), isTypeof: false });
    if (node.type === "ClassDeclaration" && isNode(node.superClass))
      found.push({ name: leftmost(node.superClass), isTypeof: true });
    if (node.type === "TSTypeQuery" && isNode(node.exprName) && node.exprName.type !== "TSImportType")
      found.push({ name: leftmost(node.exprName), isTypeof: true });
    if (node.type === "TSImportType" && isNode(node.source) && isNode(node.qualifier))
      found.push({ name: leftmost(node.qualifier), specifier: String(node.source.value), isTypeof: false });
    return node;
  });
  return found;
}

function isPrivate(node: Node): boolean {
  return node.accessibility === "private" || (isNode(node.key) && node.key.type === "PrivateIdentifier");
}

if (import.meta.main) {
  const names = publicNames(await declarations());
  for (const { door, name, unnamed } of names) for (const type of unnamed) console.log(`${door}: ${name}: ${type}`);
}
