import { type Counts, count, hasPure, named, type Piece, type Program, stepPlan } from "./program.ts";
import type { Random } from "./random.ts";

/** That program with a map in its body, before or beside the rest. */
export function withMap(random: Random, program: Program, counts: Counts): Program {
  count(counts, "skill with a map");
  const rest: readonly Piece[] = program.form === "code" ? [program.body] : [];
  const map = newMap(random, counts);
  const kind = random.pick(["sequence", "all", "allSettled"] as const);
  // A failure that the body handles lets the run go on behind the map.
  const safe: Piece = random.chance(0.3) ? { kind: "catch", of: map, otherwise: newMap(random, counts) } : map;
  const body: Piece = { kind, of: [safe, ...rest] };
  return { id: program.id, form: "code", body: hasPure(body) ? named(body) : body };
}

function newMap(random: Random, counts: Counts): Piece {
  const plan = stepPlan(random, counts);
  return {
    kind: "map",
    name: random.pick(["m", "n"]),
    concurrency: random.between(1, 3),
    onFailure: random.pick(["fail", "collect"]),
    plan,
    // The items share the options of their steps, and each has a number of failures of its own.
    failures: Array.from({ length: random.between(1, 6) }, () => random.pick([0, 0, 0, 1, plan.failures])),
  };
}
