import type { Store } from "../../src/store.ts";
import { Bystanders, type DamagePlan } from "./bystanders.ts";
import { Clients } from "./clients.ts";
import { CommitJudge } from "./commits.ts";
import { Healing } from "./healing.ts";
import { History } from "./history.ts";
import { Machines } from "./machines.ts";
import { Medium } from "./medium.ts";
import { Neighbors } from "./neighbors.ts";
import { Outside } from "./outside.ts";
import { newPlan, type OperationItem, type Plan } from "./plan.ts";
import { type Counts, count } from "./program.ts";
import { ProgramFacts } from "./program-facts.ts";
import { Promptness } from "./promptness.ts";
import { type Random, random } from "./random.ts";
import { Readers } from "./readers.ts";
import { strike } from "./strike.ts";
import type { Subject } from "./subject.ts";
import { Transfers } from "./transfers.ts";
import { healthy, Process, type Violation, World } from "./world.ts";

/** What one seed came to. */
export interface Outcome {
  readonly seed: string;
  readonly plan: Plan;
  readonly violation: Violation | undefined;
  /** Equal where everything happened in the same order. */
  readonly digest: string;
  readonly lines: readonly string[];
  readonly turns: number;
  readonly commits: number;
  readonly calls: number;
  readonly counts: Counts;
  /** What is on the medium in the end. */
  readonly history: History;
}

export interface SimulateOptions {
  /** The items of the plan that are left out. */
  readonly without?: ReadonlySet<number>;
  /** Invariants that may be broken, so that a search looks behind a fault that is known. */
  readonly ignored?: ReadonlySet<string>;
}

/** Plays one seed against an implementation. */
export async function simulate(
  subject: Subject,
  seed: string,
  { without = new Set(), ignored = new Set() }: SimulateOptions = {},
): Promise<Outcome> {
  const counts: Counts = new Map();
  const plan = newPlan(random(`${seed}/plan`), seed, counts);
  const items = plan.items.filter(({ id }) => !without.has(id));
  const simulation = new Simulation(subject, { ...plan, items }, counts, ignored);
  return simulation.play();
}

/** After this number of turns a world counts as one that never comes to rest. */
const mostTurns = 60_000;

class Simulation {
  readonly #plan: Plan;
  readonly #counts: Counts;
  readonly #world: World;
  readonly #random: Random;
  readonly #history: History;
  readonly #medium: Medium;
  readonly #outside: Outside;
  readonly #neighbors: Neighbors;
  readonly #clients: Clients;
  readonly #machines: Machines;
  readonly #birth: number;
  /** The world itself, for what no process does. */
  readonly #fate = new Process("fate");
  readonly #facts: ProgramFacts;
  readonly #promptness: Promptness | undefined;
  readonly #judge: CommitJudge;
  readonly #store: Store;
  readonly #subject: Subject;
  readonly #bystanders: Bystanders;

  constructor(subject: Subject, plan: Plan, counts: Counts, ignored: ReadonlySet<string>) {
    this.#plan = plan;
    this.#counts = counts;
    this.#random = random(`${plan.seed}/world`);
    this.#world = new World(this.#random.fork("order"), ignored);
    this.#birth = this.#world.now;
    this.#subject = subject;
    this.#store = subject.memoryStore();
    this.#facts = new ProgramFacts(plan.programs);
    this.#history = new History(this.#world, subject, this.#store, plan.deployedAt !== undefined);
    this.#bystanders = new Bystanders(this.#world, subject, this.#store, plan.seed);
    const bystanders = this.#bystanders;
    this.#medium = new Medium(this.#world, this.#random.fork("medium"), this.#store, this.#history, bystanders, {
      accepted: (commit) => this.#judge.judge(commit),
    });
    this.#outside = new Outside(this.#world, this.#random.fork("outside"), this.#history, this.#medium, plan.isSane);
    // Where nothing holds things up: no fault, no machine that boots again with another version, and no place that is taken.
    const isFree = (plan.backlog?.workMs ?? 0) === 0;
    const isPrompt = plan.isCalm && !plan.hasPresence && plan.deployedAt === undefined && isFree;
    this.#promptness = isPrompt
      ? new Promptness({
          heldMs: 2_500,
          passMs: plan.passMs,
          sleepMs: plan.everyMs + 3_000,
          world: this.#world,
          history: this.#history,
          gates: this.#outside.gates,
          pureMs: (runKey) => this.#facts.pureMs(this.#skillOf(runKey)),
          gatesAt: (runKey, state) => this.#facts.gatesAt(this.#skillOf(runKey), state),
          hasEnded: (runKey, epoch) => this.#outside.hasEnded(runKey, epoch),
          isFailing: (runKey) => this.#facts.isGraph(this.#skillOf(runKey)) && this.#outside.isFailing(runKey),
          failsRun: (runKey, stepId) => this.#facts.failsRun(this.#skillOf(runKey), stepId),
        })
      : undefined;
    const transfers = new Transfers({
      world: this.#world,
      subject,
      history: this.#history,
      seenOn: (runKey, line) => this.#outside.seenOn(runKey, line),
      arrived: (runKey, seen) => this.#outside.arrived(runKey, seen),
      loseAnswer: ({ name }) => {
        if (!plan.isCalm) this.#medium.losses.push({ process: name, reads: 1, isArmed: true });
      },
    });
    this.#judge = new CommitJudge({
      transfers,
      world: this.#world,
      subject,
      history: this.#history,
      acts: this.#outside.acts,
      hasPresence: plan.hasPresence,
      promptness: this.#promptness,
      hasEnded: (runKey, epoch) => this.#outside.hasEnded(runKey, epoch),
      mostRuns: plan.mostRuns,
      retriesOf: (skillId, stepId) => this.#facts.retriesOf(skillId, stepId),
    });
    this.#neighbors = new Neighbors(this.#world, this.#random.fork("neighbors"));
    this.#clients = new Clients(this.#world, subject, this.#history, plan.programs, transfers, bystanders);
    this.#machines = new Machines({
      world: this.#world,
      subject,
      plan,
      random: this.#random,
      history: this.#history,
      medium: this.#medium,
      outside: this.#outside,
      neighbors: this.#neighbors,
      fate: this.#fate,
    });
  }

  async play(): Promise<Outcome> {
    await this.#world.governing(async () => {
      for (const machine of this.#machines.all) this.#machines.boot(machine);
      for (const item of this.#plan.items) {
        this.#world.schedule(this.#fate, item.at, item.kind, () => {
          if (item.is === "operation") this.#serve(item);
          else {
            const machine = this.#machines.all[item.slot];
            if (machine === undefined) return;
            count(this.#counts, `fault ${item.kind}`);
            const [world, machines, medium] = [this.#world, this.#machines, this.#medium];
            strike({ world, machines, medium, neighbors: this.#neighbors, history: this.#history }, item, machine);
          }
        });
      }
      const { deployedAt, backlog, damages } = this.#plan;
      for (const damage of damages) this.#beside(damage.at, () => this.#damage(damage));
      if (backlog !== undefined) {
        this.#beside(backlog.at, () => this.#bystanders.crowd(this.#fate, backlog));
      }
      if (deployedAt !== undefined) {
        this.#world.schedule(this.#fate, deployedAt, "deploy", () => this.#machines.deploy());
      }
      const end = this.#birth + this.#plan.endsAt;
      await this.#world.run(() => this.#world.now >= end || this.#world.turns > mostTurns);
      if (this.#world.violation === undefined) await this.#heal();
    });
    const { violation, digest, lines, turns } = this.#world;
    for (const [fault, met] of this.#medium.met) this.#counts.set(`met ${fault}`, met);
    const { seed } = this.#plan;
    const { accepted: commits } = this.#history;
    return {
      seed,
      plan: this.#plan,
      violation,
      digest,
      lines,
      turns,
      commits,
      calls: this.#outside.calls,
      counts: this.#counts,
      history: this.#history,
    };
  }

  #skillOf(runKey: string): string | undefined {
    return this.#history.last(runKey)?.row.skillId;
  }

  /** Something that happens on the medium, and that no process does. */
  #beside(at: number, work: () => Promise<void>): void {
    this.#world.schedule(this.#fate, at, "beside", () => this.#world.context.run({ process: this.#fate }, work));
  }

  /** Puts a damaged run beside others. It may descend from one of them. */
  #damage(damage: DamagePlan): Promise<void> {
    const own = [...this.#history.lives.values()].filter(({ tenant }) => tenant === damage.tenant);
    const source = random(`${this.#plan.seed}/${damage.at}`).pick([undefined, ...own])?.runId;
    return this.#bystanders.damage(this.#fate, damage, source);
  }

  #serve(item: OperationItem): void {
    count(this.#counts, `operation ${item.kind}`);
    const up = this.#machines.all.filter(
      ({ role, process }) => role === "edge" || (process !== undefined && !process.isDead && !process.isStopped),
    );
    if (up.length === 0) return;
    const machine = up[random(`${item.seed}/door`).below(up.length)];
    if (machine === undefined) return;
    this.#machines.request(machine, (door) =>
      this.#world.context.run({ process: door.process, operation: item.id }, () => this.#clients.perform(item, door)),
    );
  }

  /** The faults are over: one healthy runtime brings everything to its end. */
  async #heal(): Promise<void> {
    this.#promptness?.rest();
    this.#world.log("the faults are over");
    this.#medium.troubles.length = 0;
    this.#medium.losses.length = 0;
    this.#machines.killAll();
    // Whatever is on its way to the medium arrives.
    await this.#until(this.#world.delay(this.#fate, 60_000, "peace"));
    const process = new Process(healthy);
    let done = false;
    this.#machines.within(process, async () => {
      const healing = new Healing({
        world: this.#world,
        history: this.#history,
        outside: this.#outside,
        store: this.#store,
        bystanders: this.#bystanders,
        backlog: this.#plan.backlog,
        facts: this.#facts,
        fate: this.#fate,
        process,
        runtime: this.#machines.runtime(process, true),
        core: this.#subject.core,
        random: this.#random.fork("healing"),
        readers: this.#plan.isFollowed
          ? new Readers(this.#world, this.#subject, this.#history, this.#bystanders)
          : undefined,
        elsewhere: () => this.#machines.elsewhere(process),
      });
      try {
        await healing.heal();
      } catch (error) {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        this.#world.violate("every-run-ends", `a healthy runtime met ${text}`);
      }
      done = true;
    });
    await this.#world.run(() => done || this.#world.turns > mostTurns);
    if (this.#world.violation === undefined && !done) {
      this.#world.violate("every-run-ends", `a healthy runtime stands still after ${this.#world.turns} turns`);
    }
    this.#clients.judge();
  }

  async #until(promise: Promise<void>): Promise<void> {
    let done = false;
    void promise.then(() => {
      done = true;
    });
    await this.#world.run(() => done || this.#world.turns > mostTurns);
  }
}
