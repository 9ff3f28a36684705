import type { Random } from "./random.ts";

/** What a callback does to the world outside, and what comes of it. */
export interface StepPlan {
  readonly workMs: number;
  /** The number of calls that fail before one succeeds; all if infinite. */
  readonly failures: number;
  readonly failure: "throws" | "acts_and_throws" | "is_final" | "cannot_be_kept" | "hangs" | "nests";
  /** Further attempts after the first. */
  readonly retries: number;
  readonly retryMs: number;
  readonly backoff: "constant" | "linear" | "exponential";
  readonly timeoutMs: number | undefined;
  readonly effect: "none" | "read" | "write" | "external_action";
  readonly policy: "use_recorded_result" | "reexecute" | "require_human";
  readonly isIdempotent: boolean;
  readonly needsConfirmation: boolean;
  /** Looks at its signal and ends when it aborts. */
  readonly isAbortable: boolean;
}

/** A piece of a code-first body. */
export type Piece =
  | { readonly kind: "do"; readonly name: string; readonly plan: StepPlan }
  | { readonly kind: "use"; readonly name: string; readonly plan: StepPlan }
  | { readonly kind: "sleep"; readonly name: string; readonly ms: number; readonly isUntil: boolean }
  | { readonly kind: "event"; readonly name: string; readonly type: string; readonly timeoutMs: number | undefined }
  | {
      readonly kind: "approval";
      readonly name: string;
      /** True if the approval carries data. */
      readonly asks?: boolean;
    }
  | {
      readonly kind: "map";
      readonly name: string;
      readonly concurrency: number;
      readonly onFailure: "fail" | "collect";
      readonly plan: StepPlan;
      /** For each item the number of calls that fail before one succeeds. */
      readonly failures: readonly number[];
    }
  | {
      readonly kind: "run";
      readonly name: string;
      /** The id of the program that the child executes. */
      readonly skill: string;
      readonly waits: boolean;
      readonly isDetached: boolean;
      readonly isRepeated: boolean;
    }
  | { readonly kind: "pure"; readonly digests: number; readonly turns: number; readonly waitMs: number }
  | { readonly kind: "sequence" | "all" | "race" | "any" | "allSettled"; readonly of: readonly Piece[] }
  | { readonly kind: "float"; readonly of: Piece; readonly isAwaited: boolean; readonly meanwhile: Piece }
  | { readonly kind: "catch"; readonly of: Piece; readonly otherwise: Piece }
  | { readonly kind: "repeat"; readonly times: number; readonly of: Piece }
  | { readonly kind: "choice"; readonly on: Piece; readonly odd: Piece; readonly even: Piece }
  | { readonly kind: "throw" };

export interface GraphStepPlan {
  readonly id: string;
  readonly dependsOn: readonly string[] | undefined;
  readonly does:
    | { readonly kind: "use"; readonly plan: StepPlan; readonly reads: readonly string[] }
    | { readonly kind: "sleep"; readonly ms: number }
    | { readonly kind: "signal"; readonly type: string; readonly timeoutMs: number | undefined };
  readonly when: { readonly of: string; readonly isOdd: boolean } | undefined;
  readonly onFailure: "fail" | "continue";
}

export type Program =
  | {
      readonly id: string;
      readonly form: "code";
      readonly body: Piece;
      /** True if each `do` can be undone. */
      readonly hasRollbacks?: boolean;
      /** True if each `do` writes to its output. */
      readonly hasOutput?: boolean;
    }
  | { readonly id: string; readonly form: "graph"; readonly steps: readonly GraphStepPlan[] };

export const signalNames = ["a", "b"] as const;

/** What has been made, by name, so that a report can say what was tried. */
export type Counts = Map<string, number>;

export function count(counts: Counts, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

export function newProgram(random: Random, id: string, counts: Counts): Program {
  if (random.chance(0.3)) {
    count(counts, "skill graph");
    return { id, form: "graph", steps: graphSteps(random, counts) };
  }
  count(counts, "skill code");
  const body = block(random, { left: random.between(2, 9), counts }, 0);
  return { id, form: "code", body: hasPure(body) ? named(body) : body };
}

export function hasPure(piece: Piece): boolean {
  return piece.kind === "pure" || partsOf(piece).some(hasPure);
}

/** How long a body may work between two steps, in milliseconds: as long as all of its work takes. */
export function pureMs(piece: Piece): number {
  const ofParts = partsOf(piece).reduce((sum, part) => sum + pureMs(part), 0);
  if (piece.kind === "pure") return piece.waitMs;
  return piece.kind === "repeat" ? piece.times * ofParts : ofParts;
}

/** True if branches may go on after it: those that float, that lost a race, or whose sibling has failed. */
function leavesBehind(piece: Piece): boolean {
  return ["float", "race", "any", "all"].includes(piece.kind) || partsOf(piece).some(leavesBehind);
}

export function hasFloat(piece: Piece): boolean {
  return piece.kind === "float" || partsOf(piece).some(hasFloat);
}

const floatMark = "float ";

/** True for what is said of a step of a branch that floats, in a body with pure work: there each branch has names of its own. */
export function isOfFloat(text: string): boolean {
  return text.includes(floatMark);
}

/** The pieces that a piece is made of. */
export function partsOf(piece: Piece): readonly Piece[] {
  switch (piece.kind) {
    case "sequence":
    case "all":
    case "race":
    case "any":
    case "allSettled":
      return piece.of;
    case "float":
      return [piece.of, piece.meanwhile];
    case "catch":
      return [piece.of, piece.otherwise];
    case "repeat":
      return [piece.of];
    case "choice":
      return [piece.on, piece.odd, piece.even];
    default:
      return [];
  }
}

/**
 * The piece with names of its own for each branch, and for what runs beside a branch that was left behind: "If pure work decides
 * which of them asks first, give each branch names of its own." (docs/code-first.md)
 */
export function named(piece: Piece, prefix = "", counter = { floats: 0 }): Piece {
  const within = (part: Piece) => named(part, prefix, counter);
  switch (piece.kind) {
    case "do":
    case "use":
    case "sleep":
    case "event":
    case "approval":
    case "map":
    case "run":
      return { ...piece, name: `${prefix}${piece.name}` };
    case "sequence": {
      // What follows a branch that was left behind runs beside it.
      const isBeside = (place: number) => piece.of.slice(0, place).some(leavesBehind);
      const behind = (place: number) => (isBeside(place) ? `${prefix}then ${place}/` : prefix);
      return { ...piece, of: piece.of.map((part, place) => named(part, behind(place), counter)) };
    }
    case "all":
    case "race":
    case "any":
    case "allSettled":
      return { ...piece, of: piece.of.map((part, index) => named(part, `${prefix}${index}/`, counter)) };
    case "float":
      return {
        ...piece,
        of: named(piece.of, `${prefix}${floatMark}${counter.floats++}/`, counter),
        meanwhile: within(piece.meanwhile),
      };
    case "catch": {
      const otherwise = leavesBehind(piece.of) ? `${prefix}otherwise/` : prefix;
      return { ...piece, of: within(piece.of), otherwise: named(piece.otherwise, otherwise, counter) };
    }
    case "repeat":
      // Two rounds of what a round leaves behind would be branches with one name between them.
      return { ...piece, times: leavesBehind(piece.of) ? 1 : piece.times, of: within(piece.of) };
    case "choice":
      return { ...piece, on: within(piece.on), odd: within(piece.odd), even: within(piece.even) };
    case "pure":
    case "throw":
      return piece;
  }
}

interface Room {
  left: number;
  readonly counts: Counts;
}

function block(random: Random, room: Room, depth: number): Piece {
  const of: Piece[] = [];
  do of.push(piece(random, room, depth));
  while (room.left > 0 && random.chance(depth === 0 ? 0.9 : 0.45));
  return of.length === 1 ? (of[0] as Piece) : { kind: "sequence", of };
}

// Few names, so that some are used again.
function newName(random: Random): string {
  return random.pick(["x", "y", "z", "w", "step with spaces", "x#2", "grüß 😀"]);
}

function piece(random: Random, room: Room, depth: number): Piece {
  room.left--;
  const name = newName(random);
  const inner = () => block(random, room, depth + 1);
  const branches = () => Array.from({ length: random.between(2, 3) }, inner);
  const racing = () => branches().map((branch) => throwsAfterStep(endsInAStep(branch) ? branch : withStep(branch)));
  const isDeep = depth >= 3 || room.left <= 0;
  const kind = random.weighted<Piece["kind"]>([
    [8, "do"],
    [2, "use"],
    [3, "sleep"],
    [2, "event"],
    [1, "approval"],
    [2, "pure"],
    ...(isDeep
      ? []
      : ([
          [3, "all"],
          [3, "race"],
          [1, "any"],
          [1, "allSettled"],
          [1.5, "float"],
          [2, "catch"],
          [1.5, "repeat"],
          [1.5, "choice"],
        ] as const)),
    [0.2, "throw"],
  ]);
  count(room.counts, `code ${kind}`);
  switch (kind) {
    case "map":
    case "run":
      throw new Error("maps and children are not drawn here: see map-bodies.ts and families.ts");
    case "do":
    case "use":
      return { kind, name, plan: stepPlan(random, room.counts) };
    case "sleep":
      return { kind, name, ms: sleepMs(random), isUntil: random.chance(0.2) };
    case "event":
      return { kind, name, type: random.pick(signalNames), timeoutMs: timeoutMs(random) };
    case "approval":
      return { kind, name };
    case "pure":
      return {
        kind,
        digests: random.pick([0, 1, 1, 3]),
        turns: random.pick([0, 1, 10, 40, 100]),
        waitMs: random.pick([0, 0, 0, 0, 150, 1_500]),
      };
    case "race":
    case "any":
      return { kind, of: racing() };
    case "sequence":
    case "all":
    case "allSettled":
      return { kind, of: branches() };
    case "float":
      return { kind, of: inner(), isAwaited: random.chance(0.5), meanwhile: inner() };
    case "catch":
      return { kind, of: inner(), otherwise: inner() };
    case "repeat":
      return { kind, times: random.between(2, 3), of: inner() };
    case "choice":
      return { kind, on: { kind: "do", name, plan: reliable }, odd: inner(), even: inner() };
    case "throw":
      return { kind };
  }
}

/**
 * False if its last work may be no step: "Do not let a step race pure work. The record has no entry for pure work, so the winner
 * may be another one in the next pass." (docs/code-first.md) Work between two steps shows in what the body asks for after it.
 */
function endsInAStep(piece: Piece): boolean {
  switch (piece.kind) {
    case "pure":
      return false;
    case "sequence":
      return endsInAStep(piece.of.at(-1) as Piece);
    case "all":
    case "allSettled":
    case "race":
    case "any":
      return piece.of.every(endsInAStep);
    case "float":
      return endsInAStep(piece.meanwhile) && (!piece.isAwaited || endsInAStep(piece.of));
    case "catch":
      return endsInAStep(piece.of) && endsInAStep(piece.otherwise);
    case "repeat":
      return endsInAStep(piece.of);
    case "choice":
      return endsInAStep(piece.odd) && endsInAStep(piece.even);
    default:
      return true;
  }
}

export const reliable: StepPlan = {
  workMs: 0,
  failures: 0,
  failure: "throws",
  retries: 0,
  retryMs: 0,
  backoff: "constant",
  timeoutMs: undefined,
  effect: "none",
  policy: "use_recorded_result",
  isIdempotent: true,
  needsConfirmation: false,
  isAbortable: false,
};

const last: Piece = { kind: "do", name: "last", plan: reliable };

function withStep(piece: Piece): Piece {
  return { kind: "sequence", of: [piece, last] };
}

/** The same where pure work ends in a throw: that comes after a step. */
function throwsAfterStep(piece: Piece): Piece {
  return hasPure(piece) ? beforeThrows(piece) : piece;
}

function beforeThrows(piece: Piece): Piece {
  switch (piece.kind) {
    case "throw":
      return { kind: "sequence", of: [last, piece] };
    case "sequence":
    case "all":
    case "race":
    case "any":
    case "allSettled":
      return { ...piece, of: piece.of.map(beforeThrows) };
    case "float":
      return { ...piece, of: beforeThrows(piece.of), meanwhile: beforeThrows(piece.meanwhile) };
    case "catch":
      return { ...piece, of: beforeThrows(piece.of), otherwise: beforeThrows(piece.otherwise) };
    case "repeat":
      return { ...piece, of: beforeThrows(piece.of) };
    case "choice":
      return { ...piece, odd: beforeThrows(piece.odd), even: beforeThrows(piece.even) };
    default:
      return piece;
  }
}

/** Below, at and above what a pass waits out, and so long that a client has to do with it. */
function sleepMs(random: Random): number {
  return random.pick([0, 1, 50, 300, 1_000, 2_000, 4_999, 5_000, 5_001, 8_000, 30_000]);
}

function timeoutMs(random: Random): number | undefined {
  return random.pick([undefined, 100, 1_000, 3_000, 7_000, 60_000]);
}

export function stepPlan(random: Random, counts: Counts): StepPlan {
  const effect = random.weighted<StepPlan["effect"]>([
    [5, "none"],
    [1, "read"],
    [2, "write"],
    [3, "external_action"],
  ]);
  const failures = random.weighted([
    [7, 0],
    [2, 1],
    [1, 2],
    [0.7, Number.POSITIVE_INFINITY],
  ]);
  const failure = random.weighted<StepPlan["failure"]>([
    [4, "throws"],
    [2, "acts_and_throws"],
    [1, "is_final"],
    [1, "cannot_be_kept"],
    [1, "hangs"],
    [0.5, "nests"],
  ]);
  const plan: StepPlan = {
    workMs: random.pick([0, 0, 1, 20, 400, 2_000, 6_000]),
    failures,
    failure,
    retries: random.pick([0, 1, 3]),
    retryMs: random.pick([0, 10, 800, 3_000, 9_000]),
    backoff: random.pick(["constant", "linear", "exponential"]),
    timeoutMs: failure === "hangs" ? random.pick([500, 4_000]) : random.pick([undefined, undefined, 30_000]),
    effect,
    policy: random.pick(["use_recorded_result", "use_recorded_result", "reexecute", "require_human"]),
    isIdempotent: random.chance(0.6),
    needsConfirmation: random.chance(0.1),
    isAbortable: random.chance(0.5),
  };
  count(counts, `effect ${effect}`);
  if (failures > 0) count(counts, `failure ${failure}`);
  if (failures > 0 && plan.retries > 0) count(counts, "retry");
  if (effect === "write" || effect === "external_action") {
    count(counts, `policy ${plan.policy}`);
    if (!plan.isIdempotent) count(counts, "effect that is not idempotent");
  }
  return plan;
}

function graphSteps(random: Random, counts: Counts): readonly GraphStepPlan[] {
  const steps: GraphStepPlan[] = [];
  for (let index = 0, length = random.between(2, 7); index < length; index++) {
    const earlier = steps.filter(({ does }) => does.kind === "use").map(({ id }) => id);
    const all = steps.map(({ id }) => id);
    const kind = random.weighted<GraphStepPlan["does"]["kind"]>([
      [6, "use"],
      [1.5, "sleep"],
      [1.5, "signal"],
    ]);
    count(counts, `graph ${kind}`);
    const chosen = all.filter(() => random.chance(0.4));
    const dependsOn = random.chance(0.3) ? undefined : chosen;
    const onto = dependsOn ?? all.slice(-1);
    const reads = earlier.filter((id) => onto.includes(id));
    const tested = reads.filter(() => random.chance(0.3)).at(0);
    const onFailure = random.chance(0.35) ? "continue" : "fail";
    if (tested !== undefined) count(counts, "graph when");
    if (onFailure === "continue") count(counts, "graph onFailure continue");
    if (dependsOn?.length === 0 && index > 0) count(counts, "graph parallel");
    steps.push({
      id: `s${index}`,
      dependsOn,
      does:
        kind === "use"
          ? { kind, plan: stepPlan(random, counts), reads }
          : kind === "sleep"
            ? { kind, ms: sleepMs(random) }
            : { kind, type: random.pick(signalNames), timeoutMs: timeoutMs(random) },
      when: tested === undefined ? undefined : { of: tested, isOdd: random.chance(0.5) },
      onFailure,
    });
  }
  return steps;
}
