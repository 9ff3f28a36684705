import type { Runtime } from "../../src/index.ts";
import { choreSkill } from "./bystanders.ts";
import type { Door } from "./clients.ts";
import type { History } from "./history.ts";
import type { Budget, Medium } from "./medium.ts";
import type { Neighbors } from "./neighbors.ts";
import type { Outside } from "./outside.ts";
import type { Plan, Role } from "./plan.ts";
import { type Random, random } from "./random.ts";
import { bind } from "./skills.ts";
import type { Subject } from "./subject.ts";
import type { Version } from "./versions.ts";
import { healthy, Process, type World } from "./world.ts";

/** How long an invocation at the edge lives, in milliseconds. */
const invocationMs = 30_000;

/** A place where a process runs, and another one after it has died. */
export interface Machine {
  readonly role: Role;
  readonly place: number;
  process: Process | undefined;
  runtime: Runtime | undefined;
  serving: AbortController;
  incarnation: number;
}

/** What machines work on and with. */
interface Surroundings {
  readonly world: World;
  readonly subject: Subject;
  readonly plan: Plan;
  readonly random: Random;
  readonly history: History;
  readonly medium: Medium;
  readonly outside: Outside;
  readonly neighbors: Neighbors;
  /** The world itself, for what no process does. */
  readonly fate: Process;
}

/** The machines of a world: servers that live on, those that only decide, and edges that live for an invocation. */
export class Machines {
  readonly all: readonly Machine[];
  readonly #around: Surroundings;
  /** Of the skills that a process has which begins now. */
  #version: Version = "1";

  constructor(around: Surroundings) {
    this.#around = around;
    this.all = around.plan.roles.map((role, place) => ({
      role,
      place,
      process: undefined,
      runtime: undefined,
      serving: new AbortController(),
      incarnation: 0,
    }));
  }

  boot(machine: Machine): void {
    const { plan } = this.#around;
    machine.incarnation++;
    const name = `${machine.role}${machine.place}.${machine.incarnation}`;
    machine.process = undefined;
    machine.runtime = undefined;
    if (machine.role === "edge") {
      this.#tick(machine);
      return;
    }
    const process = new Process(name, plan.skewsMs[machine.place] ?? 0);
    machine.process = process;
    machine.serving = new AbortController();
    this.within(process, () => {
      const { signal } = machine.serving;
      const runtime = this.runtime(process, machine.role === "server");
      machine.runtime = runtime;
      // Orphans are looked for where one tenant is served.
      const tenant = plan.hasPresence && machine.place % 2 === 0 ? { tenant: "north" } : {};
      if (machine.role === "server") void runtime.serve({ signal, everyMs: plan.everyMs, ...tenant });
    });
  }

  /** Has a machine take a request, if it is up. */
  request(machine: Machine, work: (door: Door) => Promise<void>): void {
    if (machine.role === "edge") {
      this.#invoke(machine, work);
      return;
    }
    const { process, runtime } = machine;
    if (process !== undefined && runtime !== undefined) this.within(process, () => work({ process, runtime }));
  }

  /** Another process takes the place of one that is dying. */
  restart(machine: Machine, afterMs: number): void {
    const { process, incarnation } = machine;
    const { world, fate } = this.#around;
    world.schedule(fate, afterMs, "restart", () => {
      if (machine.incarnation !== incarnation) return;
      if (process !== undefined) world.kill(process);
      this.boot(machine);
    });
  }

  /** Stops a runtime as its host would; its process lives on for a while, so that what comes too late is seen. */
  stop(machine: Machine, afterMs: number): void {
    const { process, runtime } = machine;
    const { world, plan } = this.#around;
    if (process === undefined || runtime === undefined) return;
    machine.runtime = undefined;
    this.within(process, async () => {
      if (this.#around.random.chance(0.5)) machine.serving.abort();
      await runtime.stop();
      process.isStopped = true;
      machine.serving.abort();
      world.log(`${process.name} has stopped`);
    });
    this.restart(machine, Math.max(afterMs, plan.leaseMs));
  }

  /** Ends all of them for good. */
  killAll(): void {
    for (const machine of this.all) {
      machine.incarnation++;
      if (machine.process !== undefined) this.#around.world.kill(machine.process);
    }
  }

  /** Does something as a process, in a turn of its own. */
  within(process: Process, work: () => unknown): void {
    const { world } = this.#around;
    world.schedule(process, 0, "begin", () => world.context.run({ process }, work));
  }

  /** Takes the new version of the skills to some of the machines: the others have it once they boot again. */
  deploy(): void {
    this.#version = "2";
    for (const machine of this.all) if (machine.place % 2 === 0) this.stop(machine, 0);
  }

  runtime(process: Process, executes: boolean, budget?: Budget): Runtime {
    const { world, subject, plan, history, medium, neighbors } = this.#around;
    const { leaseMs, holdMs, passMs, bodyQuietMs, hasPresence, seed, mostRuns } = plan;
    const chance = random(`${seed}/${process.name}`);
    const executor = `${hasPresence ? "tab_" : ""}${process.name}`;
    history.executors.set(process, executor);
    process.hasSecond = this.#version === "2";
    return subject.core.createRuntime({
      serves: false,
      store: medium.handle(process, budget),
      ...this.#bound(process),
      executor,
      leaseMs,
      holdMs,
      bodyQuietMs,
      executes,
      ...(mostRuns === undefined || process.name === healthy
        ? {}
        : {
            quota: subject.core.defineQuota((tenant) => (tenant === mostRuns.tenant ? { maxRuns: mostRuns.runs } : {})),
          }),
      clock: world.clockOf(process),
      random: (length) => chance.bytes(length),
      notifier: neighbors.notifierOf(process),
      ...(hasPresence ? { presence: neighbors.presenceOf(process) } : {}),
      ...(budget === undefined
        ? {}
        : {
            passMs,
            isSpent: () => {
              const isSpent = budget.queries >= budget.most - 20;
              process.isSpent ||= isSpent;
              return isSpent;
            },
          }),
      onError: (error) => {
        world.log(`${process.name} gets an error: ${String(error)}`);
        if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) {
          world.violate("refusals-are-typed", `${process.name} gets ${error.stack}`);
        }
      },
    });
  }

  /** The skills of a process, and what they use. */
  #bound(process: Process): ReturnType<typeof bind> {
    const { subject, plan, outside, world } = this.#around;
    const own = bind(subject, outside, process, plan.programs, this.#version);
    const { workMs } = plan.backlog ?? {};
    const chores = workMs === undefined ? [] : [choreSkill(subject, world, process, workMs)];
    const bound = { ...own, skills: [...own.skills, ...chores] };
    const isOdd = Number(/\d/.exec(process.name)?.[0] ?? 0) % 2 === 1;
    if (!plan.keepsFormer || !isOdd || this.#version === "1") return bound;
    const { skills } = bind(subject, outside, process, plan.programs, "1");
    return { ...bound, skills: [...skills, ...bound.skills] };
  }

  /** A runtime over a medium of its own, which knows no skill. */
  elsewhere(process: Process): Runtime {
    const { world, subject, plan } = this.#around;
    const chance = random(`${plan.seed}/elsewhere`);
    return subject.core.createRuntime({
      serves: false,
      store: subject.memoryStore(),
      executor: "elsewhere",
      clock: world.clockOf(process),
      random: (length) => chance.bytes(length),
    });
  }

  /** An edge has no process between its invocations; one of them is the cron trigger's. */
  #tick(machine: Machine): void {
    const { incarnation } = machine;
    const { world, fate } = this.#around;
    world.schedule(fate, 15_000, "cron", () => {
      if (machine.incarnation !== incarnation) return;
      this.#invoke(machine, ({ runtime }) => runtime.drain().then(() => {}));
      this.#tick(machine);
    });
  }

  #invoke(machine: Machine, work: (door: Door) => Promise<void>): void {
    const { world, plan, fate, random } = this.#around;
    const invocation = random.below(1_000_000);
    const process = new Process(`edge${machine.place}.${invocation}`, plan.skewsMs[machine.place] ?? 0);
    world.schedule(fate, invocationMs, "the invocation is over", () => world.kill(process));
    this.within(process, async () => {
      const budget: Budget = { queries: 0, most: plan.queries };
      const runtime = this.runtime(process, true, budget);
      // A medium that fails a drain is tried again by the next one.
      await work({ process, runtime }).catch((error: unknown) => world.log(`${process.name}: ${String(error)}`));
      await runtime.idle();
      world.kill(process);
    });
  }
}
