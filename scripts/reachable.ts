import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseSync } from "vite";
import { isNode, leftmost, listOf, type Node, nameOf } from "./syntax.ts";

/**
 * Removes from a folder of declarations what no user of these files can reach: files, declarations with their docstrings, and
 * the names of imports.
 */
export function keepReachable(folder: string, entries: readonly string[]): void {
  const modules = new Map(
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".d.ts"))
      .map((file) => [file, read(file, readFileSync(join(folder, file), "utf8"))]),
  );
  const reach = (file: string, name: string): void => {
    const { used, declarations, imports, exports, all } = moduleOf(modules, file);
    if (used.has(name)) return;
    const declared = declarations.get(name);
    const source = imports.get(name) ?? exports.get(name);
    used.add(name);
    if (declared === undefined && source === undefined)
      for (const other of all) if (exportedFrom(modules, other).has(name)) reach(other, name);
    if (source?.file !== undefined && source.name !== namespace) reach(source.file, source.name);
    else if (source !== undefined && source.name !== name) reach(file, source.name);
    for (const { names, imported } of declared ?? []) {
      for (const other of names) {
        if (declarations.has(other) || imports.has(other)) reach(file, other);
        const imported = imports.get(other);
        if (imported?.name !== namespace || imported.file === undefined) continue;
        for (const member of exportedFrom(modules, imported.file)) if (names.has(member)) reach(imported.file, member);
      }
      for (const { specifier, name } of imported) {
        const target = targetOf(file, specifier);
        if (target !== undefined) reach(target, name);
      }
    }
  };
  for (const entry of entries) for (const name of exportedFrom(modules, entry)) reach(entry, name);
  for (const [file, module] of modules) {
    const path = join(folder, file);
    const isKept = entries.includes(file) || module.used.size > 0;
    if (isKept)
      writeFileSync(
        path,
        textOf(module, (other) => moduleOf(modules, other).used.size > 0),
      );
    else rmSync(path);
  }
}

/** What `import * as` takes, of which a declaration names the members that it uses. */
const namespace = "*";

/** A name of another file, or of another package if there is no file. */
interface Source {
  readonly file: string | undefined;
  readonly name: string;
}

interface Declaration {
  /** Every identifier in it. Too many is harmless. */
  readonly names: ReadonlySet<string>;
  /** What it takes from other files by `import("…")`. */
  readonly imported: readonly { readonly specifier: string; readonly name: string }[];
}

interface Module {
  readonly file: string;
  readonly text: string;
  readonly statements: readonly Node[];
  readonly comments: readonly { readonly start: number; readonly end: number }[];
  readonly declarations: ReadonlyMap<string, readonly Declaration[]>;
  readonly imports: ReadonlyMap<string, Source>;
  /** What is exported under another name or from another file. */
  readonly exports: ReadonlyMap<string, Source>;
  /** The files of which everything is exported. */
  readonly all: readonly string[];
  /** The names of declarations, imports and exports that are reached. */
  readonly used: Set<string>;
}

function read(file: string, text: string): Module {
  const { program, comments, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file} does not parse: ${errors[0]?.message}`);
  const declarations = new Map<string, Declaration[]>();
  const imports = new Map<string, Source>();
  const exports = new Map<string, Source>();
  const all: string[] = [];
  const statements = program.body as unknown as readonly Node[];
  for (const node of statements) {
    const target = isNode(node.source) ? targetOf(file, nameOf(node.source)) : undefined;
    if (node.type === "ImportDeclaration") {
      for (const one of listOf(node.specifiers))
        imports.set(nameOf(one.local), { file: target, name: importedBy(one) });
    } else if (node.type === "ExportAllDeclaration") {
      if (target !== undefined) all.push(target);
    } else if (node.type === "ExportNamedDeclaration" && !isNode(node.declaration)) {
      for (const one of listOf(node.specifiers))
        exports.set(nameOf(one.exported), { file: target, name: nameOf(one.local) });
    } else {
      for (const name of declaredBy(node))
        declarations.set(name, [...(declarations.get(name) ?? []), mentionsIn(node)]);
    }
  }
  return { file, text, statements, comments, declarations, imports, exports, all, used: new Set() };
}

function importedBy(specifier: Node): string {
  if (specifier.type === "ImportNamespaceSpecifier") return namespace;
  return specifier.type === "ImportDefaultSpecifier" ? "default" : nameOf(specifier.imported);
}

/** The text of a module without what is not reached. */
function textOf(
  { file, text, statements, comments, used, imports, exports }: Module,
  isKept: (file: string) => boolean,
) {
  const kept: string[] = [];
  let end = 0;
  for (const node of statements) {
    const begin = Math.min(
      Number(node.start),
      ...comments.filter(({ start }) => start >= end).map(({ start }) => start),
    );
    end = Number(node.end);
    if (node.type === "ImportDeclaration" || (node.type === "ExportNamedDeclaration" && !isNode(node.declaration))) {
      const known = node.type === "ImportDeclaration" ? imports : exports;
      const names = listOf(node.specifiers).filter((one) => {
        const name = nameOf(known === imports ? one.local : one.exported);
        return used.has(name) && known.has(name);
      });
      if (names.length > 0) kept.push(namesLeft(text, node, names));
    } else if (node.type === "ExportAllDeclaration") {
      const target = targetOf(file, nameOf(node.source));
      if (target === undefined || isKept(target)) kept.push(text.slice(begin, end));
    } else {
      const names = declaredBy(node);
      if (names.length === 0 || names.some((name) => used.has(name))) kept.push(text.slice(begin, end));
    }
  }
  // Without it, a file of declarations alone would declare them globally.
  const isModule = kept.some((statement) => /^(import|export)\b/m.test(statement));
  return `${[...kept, ...(isModule ? [] : ["export {};"])].join("\n")}\n`;
}

/** The text of an import or export with only some of its names. */
function namesLeft(text: string, node: Node, names: readonly Node[]): string {
  const whole = text.slice(Number(node.start), Number(node.end));
  if (!whole.includes("{") || names.length === listOf(node.specifiers).length) return whole;
  const list = names.map(({ start, end }) => text.slice(Number(start), Number(end))).join(", ");
  return whole.replace(/\{[^}]*\}/, () => `{ ${list} }`);
}

function exportedFrom(modules: ReadonlyMap<string, Module>, file: string): ReadonlySet<string> {
  const { statements, exports, all } = moduleOf(modules, file);
  const own = statements.filter(({ type }) => /^Export(Named|Default)Declaration$/.test(type)).flatMap(declaredBy);
  return new Set([...own, ...exports.keys(), ...all.flatMap((other) => [...exportedFrom(modules, other)])]);
}

function moduleOf(modules: ReadonlyMap<string, Module>, file: string): Module {
  const found = modules.get(file);
  if (found === undefined) throw new Error(`there are no declarations of ${file}`);
  return found;
}

/** The file of declarations behind a specifier; undefined for another package. */
function targetOf(file: string, specifier: string): string | undefined {
  return specifier.startsWith(".") ? join(dirname(file), specifier).replace(/\.[jt]s$/, ".d.ts") : undefined;
}

function declaredBy(node: Node): readonly string[] {
  if (node.type === "ExportDefaultDeclaration") return ["default"];
  const inner = node.type === "ExportNamedDeclaration" ? node.declaration : node;
  if (!isNode(inner)) return [];
  if (inner.type === "VariableDeclaration") return listOf(inner.declarations).map(({ id }) => nameOf(id));
  return isNode(inner.id) ? [nameOf(inner.id)] : [];
}

function mentionsIn(declaration: Node): Declaration {
  const names = new Set<string>();
  const imported: { specifier: string; name: string }[] = [];
  JSON.stringify(declaration, (_key, node: unknown) => {
    if (typeof node === "bigint") return String(node);
    if (!isNode(node)) return node;
    if (node.type === "Identifier") names.add(nameOf(node));
    if (node.type === "TSImportType") imported.push({ specifier: nameOf(node.source), name: leftmost(node.qualifier) });
    return node;
  });
  return { names, imported };
}
