import { type Counts, count, hasPure, named, newProgram, type Piece, type Program } from "./program.ts";
import type { Random } from "./random.ts";

/**
 * These programs, one of which starts runs of another as its children, before, beside or behind the rest of its body. The
 * children may have children of their own.
 */
export function withChildren(random: Random, programs: readonly Program[], counts: Counts): readonly Program[] {
  const place = programs.findIndex(({ form }) => form === "code");
  if (place < 0) return programs;
  count(counts, "skill with children");
  const leaf = newProgram(random, "child0", counts);
  const isDeep = random.chance(0.35);
  const middle = isDeep ? [withRuns(random, newProgram(random, "child1", counts), leaf.id, counts)] : [];
  const parent = withRuns(random, programs[place] as Program, (middle[0] ?? leaf).id, counts);
  return [...programs.map((program, at) => (at === place ? parent : program)), leaf, ...middle];
}

function withRuns(random: Random, program: Program, skill: string, counts: Counts): Program {
  const rest: readonly Piece[] = program.form === "code" ? [program.body] : [];
  const kind = random.pick(["sequence", "sequence", "all", "allSettled"] as const);
  const runs = Array.from({ length: random.between(1, 3) }, () => newRun(random, skill, counts));
  const body: Piece = { kind, of: random.chance(0.5) ? [...runs, ...rest] : [...rest, ...runs] };
  return { ...program, form: "code", body: hasPure(body) ? named(body) : body } as Program;
}

function newRun(random: Random, skill: string, counts: Counts): Piece {
  const waits = random.chance(0.75);
  const isDetached = random.chance(0.2);
  const isRepeated = random.chance(0.2);
  count(counts, waits ? "child that is waited for" : "child that is started");
  // Steps of one name have the same options, so that a child is the same wherever its step comes to it.
  const name = `${isRepeated ? repeatedMark : "run"} ${waits ? "and wait" : "alone"}${isDetached ? " detached" : ""}`;
  const run: Piece = { kind: "run", name, skill, waits, isDetached, isRepeated };
  if (random.chance(0.4)) return { kind: "catch", of: run, otherwise: { kind: "sequence", of: [] } };
  return run;
}

const repeatedMark = "rerun";

/** True for a step that starts another child if it is executed again, also once one is recorded. */
export function isRepeatedRun(stepId: string): boolean {
  return stepId.includes(repeatedMark);
}
