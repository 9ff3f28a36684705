import { inject } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    readonly fuzz: { readonly seed: string | null; readonly count: string | null };
  }
}

const { seed, count } = inject("fuzz");

/** Of `npm run fuzz -- --seed`; else always the same, so that a test fails for what was changed and for nothing else. */
export const fuzzSeed = Number(seed ?? 20261122);

/** How many requests, of `npm run fuzz -- --count`; else as many as a test may take its time for. */
export function fuzzCount(otherwise: number): number {
  return Number(count ?? otherwise);
}
