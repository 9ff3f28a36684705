import { type BacklogPlan, type DamagePlan, damages } from "./bystanders.ts";
import { withChildren } from "./families.ts";
import { lateWaits } from "./late-waits.ts";
import { withMap } from "./map-bodies.ts";
import { type Counts, count, newProgram, type Program, pureMs } from "./program.ts";
import { withQuestions } from "./question-bodies.ts";
import type { Random } from "./random.ts";

export type OperationKind =
  | "start"
  | "start twice"
  | "start later"
  | "create"
  | "resume"
  | "resume older"
  | "replay"
  | "fork"
  | "fork edited"
  | "approve"
  | "deny"
  | "signal"
  | "cancel"
  | "delete"
  | "save"
  | "save unnamed"
  | "get"
  | "list"
  | "read checkpoint"
  | "trespass"
  | "drain"
  | "export"
  | "import"
  | "prune"
  | "fill"
  | "count"
  | "events"
  | "watch"
  | "follow"
  | "settle"
  | "compare"
  | "lineage";

/** What a client asks for. Which run it is about is drawn from `seed`, when its time comes. */
export interface OperationItem {
  readonly is: "operation";
  readonly id: number;
  readonly at: number;
  readonly kind: OperationKind;
  readonly seed: string;
}

export type FaultKind =
  | "kill"
  | "stop"
  | "freeze"
  | "timers stand still"
  | "clock jumps"
  | "refuse"
  | "lose"
  | "late"
  | "unread"
  | "slow"
  | "away"
  | "loss and no read-back"
  | "notifications lost"
  | "notifications late"
  | "notifications twice"
  | "presence lost";

export interface FaultItem {
  readonly is: "fault";
  readonly id: number;
  readonly at: number;
  readonly kind: FaultKind;
  /** Which of the machines it strikes. */
  readonly slot: number;
  readonly forMs: number;
  readonly rate: number;
  /** How many turns or reads it takes. */
  readonly count: number;
}

export type Item = OperationItem | FaultItem;

export type Role = "server" | "decider" | "edge";

/** Everything that a seed decides before the world begins. */
export interface Plan {
  readonly seed: string;
  readonly leaseMs: number;
  readonly holdMs: number;
  readonly everyMs: number;
  /** How long an edge's passes go on, and how many queries one of its invocations has. */
  readonly passMs: number;
  readonly queries: number;
  /** How long a body may be quiet, and four fifths of `passMs` at most: both leave the pure work of each skill its time. */
  readonly bodyQuietMs: number;
  readonly roles: readonly Role[];
  readonly skewsMs: readonly number[];
  readonly hasPresence: boolean;
  /** True if clocks agree and no process is wrongly taken for dead. */
  readonly isSane: boolean;
  /** True if nothing goes wrong. */
  readonly isCalm: boolean;
  readonly programs: readonly Program[];
  readonly items: readonly Item[];
  readonly endsAt: number;
  /** When the second version of the skills comes; absent if there is none. */
  readonly deployedAt: number | undefined;
  /** True if clients follow the lists of runs, also while everything is brought to its end. */
  readonly isFollowed: boolean;
  /** True if machines with the second version keep the first one beside it, at some places. */
  readonly keepsFormer: boolean;
  /** The runs that are damaged on the medium. */
  readonly damages: readonly DamagePlan[];
  /** What another tenant has to do; absent if there is none. */
  readonly backlog: BacklogPlan | undefined;
  /** How many runs a tenant may have; absent if there is no bound. */
  readonly mostRuns: { readonly tenant: string; readonly runs: number } | undefined;
}

/** Without faults; with faults, under clocks that agree; with everything. */
const weathers = ["calm", "sane", "wild"] as const;

export const tenants = ["north", "south"] as const;

/** Where runs come that are born nowhere else: by imports alone. */
export const archive = "archive";

export function newPlan(random: Random, seed: string, counts: Counts): Plan {
  // A seed may ask for its weather.
  const asked = weathers.find((weather) => seed.startsWith(`${weather}:`));
  const weather =
    asked ??
    random.weighted<(typeof weathers)[number]>([
      [2, "calm"],
      [5, "sane"],
      [4, "wild"],
    ]);
  count(counts, `weather ${weather}`);
  const isSane = weather !== "wild";
  const programs = Array.from({ length: random.between(1, 3) }, (_, index) =>
    newProgram(random, `skill${index}`, counts),
  );
  const late = random.fork("late waits");
  if (late.chance(0.08) || seed.startsWith("late:")) programs[0] = lateWaits(late, "skill0", counts);
  const mapping = random.fork("map bodies");
  if (mapping.chance(0.1) || seed.startsWith("maps:")) {
    programs.push(withMap(mapping, programs.pop() as Program, counts));
  }
  const questions = random.fork("questions");
  if (questions.chance(0.1) || seed.startsWith("questions:")) {
    programs.push(withQuestions(questions, programs.pop() as Program, counts));
  }
  const roles: Role[] = Array.from({ length: random.between(1, 3) }, () => "server" as const);
  if (random.chance(0.6)) roles.push("decider");
  if (random.chance(0.3)) roles.push("edge");
  const endsAt = random.between(15, 90) * 1_000;
  const items: Item[] = [];
  const at = () => Math.floor(random.fraction() * endsAt);
  for (let number = random.between(5, 30); number > 0; number--) {
    const kind = number % 4 === 0 ? "start" : operationKind(random);
    const early = kind.startsWith("start") ? 0.6 : 1;
    items.push({ is: "operation", id: items.length, at: at() * early, kind, seed: `${seed}/${items.length}` });
  }
  if (weather !== "calm") {
    for (let number = random.between(1, 12); number > 0; number--) {
      items.push({
        is: "fault",
        id: items.length,
        at: at(),
        kind: faultKind(random, isSane),
        slot: random.below(roles.length),
        forMs: random.pick([50, 500, 3_000, 12_000, 40_000]),
        rate: random.pick([0.05, 0.3, 0.8, 1]),
        count: random.pick([0, 0, 1, 2, 5, 20]),
      });
    }
  }
  // From a source of its own, so that a seed plays the same otherwise.
  const more = random.fork("more");
  // A seed may ask for two versions too.
  const hasTwo = more.chance(0.25) || seed.startsWith("deployed:");
  const deployedAt = hasTwo ? endsAt * (0.1 + 0.7 * more.fraction()) : undefined;
  if (deployedAt !== undefined) {
    // What was done under the first version is gone back to under the second one.
    for (let number = more.between(2, 6); number > 0; number--) {
      const kind = more.pick(["resume older", "replay", "fork", "resume", "save"] as const);
      const at = Math.floor(deployedAt + more.fraction() * (endsAt - deployedAt));
      items.push({ is: "operation", id: items.length, at, kind, seed: `${seed}/${items.length}` });
    }
  }
  const keepsFormer = deployedAt !== undefined && random.fork("former").chance(0.4);
  const families = random.fork("families");
  // A child has no name of its own in the other version, and one that the quota does not let in is no child.
  const isFamily = (families.chance(0.1) || seed.startsWith("families:")) && deployedAt === undefined;
  const bound = more.chance(0.2) ? { tenant: more.pick(tenants), runs: more.between(0, 5) } : undefined;
  const mostRuns = isFamily ? undefined : bound;
  if (more.chance(0.6)) {
    for (let number = more.between(2, 10); number > 0; number--) {
      const kind = rareKind(more);
      const late = kind === "import" ? 0.5 + 0.5 * more.fraction() : more.fraction();
      items.push({
        is: "operation",
        id: items.length,
        at: Math.floor(late * endsAt),
        kind,
        seed: `${seed}/${items.length}`,
      });
    }
  }
  // A throttled tab: its timers stand still, and what it waits for from elsewhere comes all the same.
  const still = random.fork("timers");
  if (weather !== "calm" && still.chance(0.4)) {
    for (let number = still.between(1, 3); number > 0; number--) {
      items.push({
        is: "fault",
        id: items.length,
        at: Math.floor(still.fraction() * endsAt),
        kind: "timers stand still",
        slot: still.below(roles.length),
        forMs: still.pick([500, 3_000, 12_000, 40_000]),
        rate: 1,
        count: 0,
      });
    }
  }
  // States that do not say their version, saved under the first one: what goes on from them later has to know it.
  const saves = random.fork("saves");
  if (deployedAt !== undefined && saves.chance(0.6)) {
    for (let number = saves.between(1, 3); number > 0; number--) {
      const at = Math.floor(deployedAt * (0.4 + 0.6 * saves.fraction()));
      items.push({ is: "operation", id: items.length, at, kind: "save unnamed", seed: `${seed}/${items.length}` });
    }
  }
  // Starts that are put off, early enough that most of them come before the end.
  const delays = random.fork("delays");
  if (delays.chance(0.1) || seed.startsWith("delays:")) {
    for (let number = delays.between(2, 6); number > 0; number--) {
      const at = Math.floor(delays.fraction() * 0.7 * endsAt);
      items.push({ is: "operation", id: items.length, at, kind: "start later", seed: `${seed}/${items.length}` });
    }
  }
  const follows = random.fork("follows");
  const isFollowed = follows.chance(0.1) || seed.startsWith("follows:");
  if (isFollowed) {
    for (let number = follows.between(1, 4); number > 0; number--) {
      const at = Math.floor(follows.fraction() * 0.8 * endsAt);
      items.push({ is: "operation", id: items.length, at, kind: "follow", seed: `${seed}/${items.length}` });
    }
  }
  const beside = random.fork("beside");
  const damaged = beside.chance(0.25)
    ? Array.from({ length: beside.between(1, 2) }, () => ({
        at: Math.floor(beside.fraction() * endsAt),
        tenant: beside.pick(tenants),
        damage: beside.pick(damages),
      }))
    : [];
  const backlog = beside.chance(0.12)
    ? {
        at: Math.floor(beside.fraction() * endsAt),
        strays: beside.pick([0, 3, 20]),
        chores: beside.pick([15, 35]),
        workMs: beside.pick([0, 0, 3_000]),
      }
    : undefined;
  const sagas = random.fork("sagas");
  const saga = programs.findIndex(({ form }) => form === "code");
  // A rollback is named after its step, and has no name of its own in the other version.
  const writes = seed.startsWith("outputs:");
  if (saga >= 0 && deployedAt === undefined && !writes && (sagas.chance(0.1) || seed.startsWith("sagas:"))) {
    programs[saga] = { ...programs[saga], hasRollbacks: true } as Program;
    count(counts, "skill with rollbacks");
  }
  // Only where it is asked for, so that other seeds stay what they are.
  if (saga >= 0 && writes) {
    programs[saga] = { ...programs[saga], hasOutput: true } as Program;
    count(counts, "skill with output");
  }
  if (isFamily) programs.splice(0, programs.length, ...withChildren(families, programs, counts));
  for (const { damage } of damaged) count(counts, `damage ${damage}`);
  if (backlog !== undefined) count(counts, "backlog");
  if (deployedAt !== undefined) count(counts, "two versions");
  if (keepsFormer) count(counts, "two versions side by side");
  if (mostRuns !== undefined) count(counts, "quota");
  return {
    deployedAt,
    isFollowed,
    keepsFormer,
    damages: damaged,
    backlog,
    mostRuns,
    seed,
    leaseMs: random.pick([4_000, 10_000, 30_000]),
    holdMs: random.pick([0, 1_000, 5_000, 5_000]),
    everyMs: random.pick([500, 1_000, 3_000]),
    passMs: Math.max(random.pick([2_000, 25_000]), longestQuietMs(programs) / 0.8),
    bodyQuietMs: Math.max(30_000, longestQuietMs(programs)),
    queries: random.pick([30, 60, 200]),
    roles,
    skewsMs: roles.map(() => (isSane ? 0 : random.pick([0, 0, 300, -300, 20_000, -20_000, 3_600_000, -3_600_000]))),
    hasPresence: random.chance(0.3),
    isSane,
    isCalm: weather === "calm",
    programs,
    items,
    endsAt,
  };
}

function longestQuietMs(programs: readonly Program[]): number {
  return Math.max(...programs.map((program) => (program.form === "code" ? pureMs(program.body) : 0))) + 500;
}

function operationKind(random: Random): OperationKind {
  return random.weighted<OperationKind>([
    [8, "start"],
    [2, "start twice"],
    [1, "create"],
    [4, "resume"],
    [4, "resume older"],
    [3, "replay"],
    [3, "fork"],
    [2, "fork edited"],
    [7, "approve"],
    [1, "deny"],
    [7, "signal"],
    [3, "cancel"],
    [1, "delete"],
    [2, "save"],
    [2, "get"],
    [1, "list"],
    [1, "read checkpoint"],
    [0.5, "trespass"],
    [1, "drain"],
  ]);
}

/** What clients do beside that, in some of the worlds. */
function rareKind(random: Random): OperationKind {
  return random.weighted<OperationKind>([
    [5, "export"],
    [6, "import"],
    [2, "prune"],
    [0.3, "fill"],
    [1, "count"],
    [1, "events"],
    [2, "watch"],
    [2, "settle"],
    [1, "compare"],
    [1, "lineage"],
  ]);
}

function faultKind(random: Random, isSane: boolean): FaultKind {
  return random.weighted<FaultKind>([
    [4, "kill"],
    [1, "stop"],
    [2, "freeze"],
    [isSane ? 0 : 3, "clock jumps"],
    [2, "refuse"],
    [2, "lose"],
    [1, "late"],
    [2, "unread"],
    [2, "slow"],
    [1, "away"],
    [3, "loss and no read-back"],
    [1, "notifications lost"],
    [1, "notifications late"],
    [0.5, "notifications twice"],
    [isSane ? 0 : 0.7, "presence lost"],
  ]);
}
