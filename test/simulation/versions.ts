import { type Piece, type Program, partsOf } from "./program.ts";
import type { Subject } from "./subject.ts";

/** A skill has two versions, which do the same under other names of their steps. */
export type Version = "1" | "2";

/** Begins the names of steps in the second version. Nothing else in a world contains it. */
const mark = "v2-";

export function nameIn(version: Version, name: string): string {
  return version === "1" ? name : mark + name;
}

export function isNameOf(version: Version, name: string): boolean {
  return name.startsWith(mark) === (version === "2");
}

/** The same with all steps under the names of the first version. */
export function unversioned<T>(value: T): T {
  return without(value) as T;
}

function without(value: unknown): unknown {
  if (typeof value === "string") return value.replaceAll(mark, "");
  if (Array.isArray(value)) return value.map(without);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key.replaceAll(mark, ""), without(part)]));
}

/** How runs of the first version go on with the second one. */
export function migrationsOf({ core: { defineMigration } }: Subject, program: Program, version: Version) {
  if (version === "1") return [];
  const names = program.form === "graph" ? program.steps.map(({ id }) => id) : namesIn(program.body);
  return [defineMigration({ from: "1", renames: Object.fromEntries(names.map((name) => [name, mark + name])) })];
}

function namesIn(piece: Piece): readonly string[] {
  switch (piece.kind) {
    case "do":
    case "use":
    case "event":
    case "approval":
    case "run":
      return [piece.name];
    case "map":
      return piece.failures.map((_, index) => `${piece.name}[${index}]`);
    case "sleep":
      return [piece.name, ...(piece.isUntil ? [timeNameOf(piece.name)] : [])];
    default:
      return partsOf(piece).flatMap(namesIn);
  }
}

/** The step that reads the time until which a sleep lasts. */
export function timeNameOf(name: string): string {
  return `${name} until`;
}
