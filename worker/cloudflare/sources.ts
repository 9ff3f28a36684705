import type { Kind } from "../../src/json.ts";

/** A list, or a function of the bindings that returns it. */
export type Source<T, Bindings> = readonly T[] | ((env: Bindings) => readonly T[]);

export const aSource: Kind = [
  "an array, or a function that returns one",
  (value) => Array.isArray(value) || typeof value === "function",
];

export function sourced<T, Bindings>(source: Source<T, Bindings>, env: Bindings): readonly T[] {
  return typeof source === "function" ? source(env) : source;
}
