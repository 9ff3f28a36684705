import type { CurrentRun, Runtime, Skill } from "../../src/index.ts";
import type { Commit, CommitOutcome, RunRow, Store } from "../../src/store.ts";
import { keyOf } from "./history.ts";
import { random } from "./random.ts";
import type { Subject } from "./subject.ts";
import type { Process, World } from "./world.ts";

/** What is wrong with the stored form of a run. */
export const damages = ["cut", "foreign", "newer", "state", "entry"] as const;
export type Damage = (typeof damages)[number];

/** Codes of what is damaged, or of a newer version. */
export const unreadable = ["corrupt_data", "unsupported_version"] as const;

/** A run that was damaged on the medium. */
export interface DamagedRun {
  readonly key: string;
  readonly tenant: string;
  readonly runId: string;
  readonly damage: Damage;
}

/** Damage to one run. */
export interface DamagePlan {
  readonly at: number;
  readonly tenant: string;
  readonly damage: Damage;
}

/** A tenant with many due runs, of which nothing is expected but that they delay no other tenant's. */
export interface BacklogPlan {
  readonly at: number;
  /** Runs of a skill that is registered nowhere. */
  readonly strays: number;
  /** Runs of a skill that each process has. */
  readonly chores: number;
  /** How long the step of a chore takes. */
  readonly workMs: number;
}

/** The tenant with the backlog. No client works for it. */
export const crowded = "crowded";

/** How long ago the runs of a backlog were due, when it comes. */
const overdueMs = 3_600_000;

/** The skill of the runs that a process can execute. */
export function choreSkill({ core }: Subject, world: World, process: Process, workMs: number): Skill {
  return core.defineSkill({
    id: "chore",
    version: "1",
    run: (step) => step.do("chore", () => world.delay(process, workMs, "a chore")),
  });
}

/**
 * Runs that are on the medium beside those that the world judges. They must be in no other run's way: the damaged ones stay
 * as they are, and a backlog delays its own tenant alone.
 */
export class Bystanders {
  readonly damaged: DamagedRun[] = [];
  readonly #world: World;
  readonly #subject: Subject;
  readonly #store: Store;
  readonly #seed: string;
  readonly #rows = new Map<string, RunRow>();
  readonly #deletable = new Set<string>();
  #count = 0;

  constructor(world: World, subject: Subject, store: Store, seed: string) {
    this.#world = world;
    this.#subject = subject;
    this.#store = store;
    this.#seed = seed;
  }

  has(row: Pick<RunRow, "tenant" | "runId">): boolean {
    return this.#rows.has(keyOf(row));
  }

  of(tenant: string): readonly DamagedRun[] {
    return this.damaged.filter((run) => run.tenant === tenant);
  }

  /** A due run of that tenant is on the medium, and cannot be read. It names `source` as the run from which it descends. */
  async damage(process: Process, { tenant, damage }: DamagePlan, source: string | undefined): Promise<void> {
    const runId = `damaged${this.#count++}`;
    const key = keyOf({ tenant, runId });
    const clerk = this.#clerk(process, (commit) => {
      const damaged = damagedCommit(commit, damage);
      return source === undefined ? damaged : { ...damaged, run: { ...damaged.run, sourceRunId: source } };
    });
    await clerk.for(tenant).start({ skillId: "chore", runId });
    this.damaged.push({ key, tenant, runId, damage });
    this.#world.log(`${key} is damaged: ${damage}`);
  }

  /** A tenant comes with many runs that were due an hour ago. */
  async crowd(process: Process, { strays, chores }: BacklogPlan): Promise<void> {
    const runs = this.#clerk(process, (commit) => commit, -overdueMs).for(crowded);
    const kinds = [...Array<string>(strays).fill("stray"), ...Array<string>(chores).fill("chore")];
    for (const skillId of kinds) await runs.start({ skillId, runId: `${skillId}${this.#count++}` });
    this.#world.log(`${crowded} has ${kinds.length} more runs`);
  }

  /** Takes the backlog away. */
  async disperse(): Promise<void> {
    for (const [key, { tenant, runId }] of this.#rows) {
      const row = tenant === crowded ? await this.#store.getRun(tenant, runId) : undefined;
      if (row === undefined) continue;
      const run = { tenant, runId, revision: row.revision + 1, createdAt: row.createdAt, body: "{}" };
      await this.#store.commit({ run, now: this.#world.now, erase: true });
      this.#rows.delete(key);
    }
  }

  /** A client deletes it. */
  mayDelete({ key }: DamagedRun): void {
    this.#deletable.add(key);
  }

  /** Judges a commit that the medium accepted. */
  judge(commit: Commit, outcome: CommitOutcome): void {
    if (outcome.kind !== "committed") return;
    const { run } = commit;
    const key = keyOf(run);
    const before = this.#rows.get(key);
    this.#rows.set(key, run);
    const damaged = this.damaged.find((one) => one.key === key);
    if (damaged === undefined || this.#deletable.has(key)) return;
    // Where its row can be read, that it was set aside is entered in there.
    const isSame = run.status === before?.status && (isReadable(damaged) || run.body === before?.body);
    const { entry, claims = [] } = commit;
    // And so is that no server has its skill.
    const isNote = isReadable(damaged) && entry?.checkpointId === undefined && entry?.body.includes("run.unserved");
    if (isSame && (entry === undefined || isNote) && claims.length === 0) return;
    this.#world.violate("damage-stays-alone", `${key}, which is damaged (${damaged.damage}), is changed`);
  }

  /** A list shows it as what it is. */
  judgeListed(damaged: DamagedRun, items: readonly CurrentRun[]): void {
    const { key, runId, damage } = damaged;
    const shown = items.find((item) => item.runId === runId);
    const row = this.#rows.get(key);
    const code = damage === "newer" ? "unsupported_version" : "corrupt_data";
    const isTrue = isReadable(damaged)
      ? shown?.isDamaged === undefined && shown?.error === undefined
      : shown?.isDamaged === true && shown.error?.code === code;
    if (shown !== undefined && isTrue && shown.status === row?.status && shown.skillId === row.skillId) return;
    this.#world.violate("damage-stays-alone", `a list shows ${key} (${damage}) as ${JSON.stringify(shown)}`);
  }

  /** A runtime that starts runs straight on the medium, without its faults. */
  #clerk(process: Process, edited: (commit: Commit) => Commit, skewMs = 0): Runtime {
    const { core } = this.#subject;
    const clock = this.#world.clockOf(process);
    const chance = random(`${this.#seed}/clerk${this.#count}`);
    const skill = (id: string) => core.defineSkill({ id, version: "1", run: async () => null });
    return core.createRuntime({
      serves: false,
      store: {
        ...this.#store,
        commit: (commit) => {
          const sent = edited(commit);
          this.#rows.set(keyOf(sent.run), sent.run);
          return this.#store.commit(sent);
        },
      },
      executor: `clerk${this.#count}`,
      executes: false,
      skills: [skill("chore"), skill("stray")],
      clock: { ...clock, now: () => clock.now() + skewMs },
      random: (length) => chance.bytes(length),
    });
  }
}

/** True if its row can be read, and what it refers to cannot. */
export function isReadable({ damage }: DamagedRun): boolean {
  return damage === "state" || damage === "entry";
}

function damagedCommit(commit: Commit, damage: Damage): Commit {
  const { run, entry } = commit;
  const half = (text: string | undefined) => text?.slice(0, text.length / 2) ?? "";
  switch (damage) {
    case "cut":
      return { ...commit, run: { ...run, body: half(run.body) } };
    case "foreign":
      // That of another run.
      return { ...commit, run: { ...run, body: run.body.replaceAll(run.runId, "another") } };
    case "newer":
      return { ...commit, run: { ...run, body: JSON.stringify({ format: 1_000_000 }) } };
    case "state":
      return entry === undefined ? commit : { ...commit, entry: { ...entry, snapshot: half(entry.snapshot) } };
    case "entry":
      return entry === undefined ? commit : { ...commit, entry: { ...entry, body: half(entry.body) } };
  }
}
