import { isDeepStrictEqual } from "node:util";
import type { Run, Runtime } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { Clients, type Door, gatesOf, inputsOf } from "./clients.ts";
import { CommitJudge } from "./commits.ts";
import { History, type Life } from "./history.ts";
import { type Budget, Medium } from "./medium.ts";
import { Neighbours } from "./neighbours.ts";
import { Outside } from "./outside.ts";
import { type FaultItem, newPlan, type Plan, type Role } from "./plan.ts";
import { type Counts, count, hasFloat, hasPure, isOfFloat, type Piece, partsOf, signalNames } from "./program.ts";
import { type Random, random } from "./random.ts";
import { bind } from "./skills.ts";
import type { Subject } from "./subject.ts";
import { Process, type Violation, World } from "./world.ts";

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

/** A place where a process runs, and another one after it has died. */
interface Slot {
  readonly role: Role;
  readonly place: number;
  process: Process | undefined;
  runtime: Runtime | undefined;
  serving: AbortController;
  incarnation: number;
}

/** After so many turns a world counts as one that never comes to rest. */
const mostTurns = 60_000;
/** No pass over a generated skill takes so long: it waits for seconds, and is parked beyond them. */
const mostDrainMs = 20 * 60_000;
/** How long an invocation at the edge lives, in milliseconds. */
const invocationMs = 30_000;

class Simulation {
  readonly #subject: Subject;
  readonly #plan: Plan;
  readonly #counts: Counts;
  readonly #world: World;
  readonly #random: Random;
  readonly #history: History;
  readonly #medium: Medium;
  readonly #outside: Outside;
  readonly #neighbours: Neighbours;
  readonly #clients: Clients;
  readonly #slots: Slot[];
  readonly #birth: number;
  /** The world itself, for what no process does. */
  readonly #fate = new Process("fate");
  readonly #judge: CommitJudge;
  readonly #store: Store;

  constructor(subject: Subject, plan: Plan, counts: Counts, ignored: ReadonlySet<string>) {
    this.#subject = subject;
    this.#plan = plan;
    this.#counts = counts;
    this.#random = random(`${plan.seed}/world`);
    this.#world = new World(this.#random.fork("order"), ignored);
    this.#birth = this.#world.now;
    this.#store = subject.memoryStore();
    this.#history = new History(this.#world, subject, this.#store);
    this.#medium = new Medium(this.#world, this.#random.fork("medium"), this.#store, this.#history, {
      accepted: (commit) => this.#judge.judge(commit),
    });
    this.#outside = new Outside(this.#world, this.#random.fork("outside"), this.#history, this.#medium, plan.isSane);
    this.#judge = new CommitJudge({
      world: this.#world,
      subject,
      history: this.#history,
      acts: this.#outside.acts,
      hasPresence: plan.hasPresence,
      promptness: plan.isCalm && !plan.hasPresence ? { heldMs: 2_500, sleepMs: plan.everyMs + 3_000 } : undefined,
      isFailing: (runKey) => {
        const { skillId } = this.#history.last(runKey)?.row ?? {};
        const isGraph = plan.programs.some(({ id, form }) => id === skillId && form === "graph");
        return isGraph && this.#outside.isFailing(runKey);
      },
      failsRun: (runKey, stepId) => {
        const { skillId } = this.#history.last(runKey)?.row ?? {};
        const program = plan.programs.find(({ id }) => id === skillId);
        if (program?.form !== "graph") return false;
        return program.steps.some(({ id, onFailure }) => id === stepId && onFailure === "fail");
      },
      hasEnded: (runKey, epoch) => this.#outside.hasEnded(runKey, epoch),
      retriesOf: (skillId, stepId) => this.#retriesOf(skillId, stepId),
    });
    this.#neighbours = new Neighbours(this.#world, this.#random.fork("neighbours"));
    this.#clients = new Clients(this.#world, subject, this.#history, plan.programs, (tenant, runId) =>
      this.#outside.tenants.set(runId, tenant),
    );
    this.#slots = plan.roles.map((role, place) => ({
      role,
      place,
      process: undefined,
      runtime: undefined,
      serving: new AbortController(),
      incarnation: 0,
    }));
  }

  async play(): Promise<Outcome> {
    await this.#world.governing(async () => {
      for (const slot of this.#slots) this.#boot(slot);
      for (const item of this.#plan.items) {
        this.#world.schedule(this.#fate, item.at, item.kind, () => {
          if (item.is === "fault") this.#strike(item);
          else this.#serve(item);
        });
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

  #boot(slot: Slot): void {
    slot.incarnation++;
    const name = `${slot.role}${slot.place}.${slot.incarnation}`;
    slot.process = undefined;
    slot.runtime = undefined;
    if (slot.role === "edge") {
      this.#tick(slot);
      return;
    }
    const process = new Process(name, this.#plan.skewsMs[slot.place] ?? 0);
    slot.process = process;
    slot.serving = new AbortController();
    this.#within(process, () => {
      const { signal } = slot.serving;
      const runtime = this.#runtime(process, slot.role === "server");
      slot.runtime = runtime;
      // Orphans are looked for where one tenant is served.
      const tenant = this.#plan.hasPresence && slot.place % 2 === 0 ? { tenant: "north" } : {};
      if (slot.role === "server") void runtime.serve({ signal, everyMs: this.#plan.everyMs, ...tenant });
    });
  }

  /** An edge has no process between its invocations; one of them is the cron trigger's. */
  #tick(slot: Slot): void {
    const { incarnation } = slot;
    this.#world.schedule(this.#fate, 15_000, "cron", () => {
      if (slot.incarnation !== incarnation) return;
      void this.#invoke(slot, ({ runtime }) => runtime.drain().then(() => {}));
      this.#tick(slot);
    });
  }

  #invoke(slot: Slot, work: (door: Door) => Promise<void>): void {
    const invocation = this.#random.below(1_000_000);
    const process = new Process(`edge${slot.place}.${invocation}`, this.#plan.skewsMs[slot.place] ?? 0);
    this.#world.schedule(this.#fate, invocationMs, "the invocation is over", () => this.#world.kill(process));
    this.#within(process, async () => {
      const budget: Budget = { queries: 0, most: this.#plan.queries };
      const runtime = this.#runtime(process, true, budget);
      // A medium that fails a drain is tried again by the next one.
      await work({ process, runtime }).catch((error: unknown) => this.#world.log(`${process.name}: ${String(error)}`));
      await runtime.idle();
      this.#world.kill(process);
    });
  }

  #within(process: Process, work: () => unknown): void {
    this.#world.schedule(process, 0, "begin", () => this.#world.context.run({ process }, work));
  }

  #runtime(process: Process, executes: boolean, budget?: Budget): Runtime {
    const { leaseMs, holdMs, passMs, bodyQuietMs, hasPresence, seed, programs } = this.#plan;
    const chance = random(`${seed}/${process.name}`);
    const executor = `${hasPresence ? "tab_" : ""}${process.name}`;
    this.#history.executors.set(process, executor);
    return this.#subject.core.createRuntime({
      store: this.#medium.handle(process, budget),
      ...bind(this.#subject, this.#outside, process, programs),
      executor,
      leaseMs,
      holdMs,
      bodyQuietMs,
      executes,
      clock: this.#world.clockOf(process),
      random: (length) => chance.bytes(length),
      notifier: this.#neighbours.notifierOf(process),
      ...(hasPresence ? { presence: this.#neighbours.presenceOf(process) } : {}),
      ...(budget === undefined ? {} : { passMs, isSpent: () => budget.queries >= budget.most - 20 }),
      onError: (error) => {
        this.#world.log(`${process.name} is told: ${String(error)}`);
        if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) {
          this.#world.violate("refusals-are-typed", `${process.name} is told of ${error.stack}`);
        }
      },
    });
  }

  #serve(item: Parameters<Clients["perform"]>[0]): void {
    count(this.#counts, `operation ${item.kind}`);
    const slots = this.#slots.filter(
      ({ role, process }) => role === "edge" || (process !== undefined && !process.isDead && !process.isStopped),
    );
    if (slots.length === 0) return;
    const slot = slots[random(`${item.seed}/door`).below(slots.length)] as Slot;
    if (slot.role === "edge") {
      this.#invoke(slot, (door) => this.#perform(item, door));
      return;
    }
    const { process, runtime } = slot;
    if (process === undefined || runtime === undefined) return;
    this.#within(process, () => this.#perform(item, { process, runtime }));
  }

  #perform(item: Parameters<Clients["perform"]>[0], door: Door): Promise<void> {
    return this.#world.context.run({ process: door.process, operation: item.id }, () =>
      this.#clients.perform(item, door),
    );
  }

  #strike(fault: FaultItem): void {
    const slot = this.#slots[fault.slot];
    if (slot === undefined) return;
    const { kind, forMs, rate } = fault;
    count(this.#counts, `fault ${kind}`);
    this.#world.log(`fault ${fault.id}: ${kind} at ${slot.process?.name ?? "the edge"} for ${forMs} ms, rate ${rate}`);
    const { process } = slot;
    const until = this.#world.now + forMs;
    const ofProcess = process === undefined ? {} : { process: process.name };
    switch (kind) {
      case "kill":
        if (process === undefined) return;
        process.turnsToLive = fault.count;
        this.#restart(slot, forMs);
        return;
      case "stop":
        this.#stop(slot, forMs);
        return;
      case "freeze":
        if (process !== undefined) process.frozenUntil = until;
        return;
      case "clock jumps":
        if (process !== undefined) process.skewMs += rate < 0.5 ? -forMs : forMs;
        return;
      case "refuse":
      case "lose":
      case "late":
      case "unread":
      case "slow":
        this.#medium.troubles.push({ ...ofProcess, until, mode: kind, rate, ms: Math.min(forMs, 15_000) });
        return;
      case "away":
        this.#medium.troubles.push({ until, mode: "refuse", rate: 1, ms: 0 });
        return;
      case "loss and no read-back":
        if (process !== undefined) {
          this.#medium.losses.push({ process: process.name, reads: fault.count, isArmed: true });
        }
        return;
      case "notifications lost":
      case "notifications late":
      case "notifications twice": {
        const mode = kind === "notifications lost" ? "lost" : kind === "notifications late" ? "late" : "twice";
        if (process !== undefined) this.#neighbours.deafness.push({ process, until, mode });
        return;
      }
      case "presence lost":
        if (process !== undefined) this.#neighbours.lost.add(this.#history.executors.get(process) ?? "");
    }
  }

  /** Another process takes the place of one that is dying. */
  #restart(slot: Slot, afterMs: number): void {
    const { process, incarnation } = slot;
    this.#world.schedule(this.#fate, afterMs, "restart", () => {
      if (slot.incarnation !== incarnation) return;
      if (process !== undefined) this.#world.kill(process);
      this.#boot(slot);
    });
  }

  /** Stops a runtime as its host would; its process lives on for a while, so that what comes too late is seen. */
  #stop(slot: Slot, afterMs: number): void {
    const { process, runtime } = slot;
    if (process === undefined || runtime === undefined) return;
    slot.runtime = undefined;
    this.#within(process, async () => {
      if (this.#random.chance(0.5)) slot.serving.abort();
      await runtime.stop();
      process.isStopped = true;
      slot.serving.abort();
      this.#world.log(`${process.name} has stopped`);
    });
    this.#restart(slot, Math.max(afterMs, this.#plan.leaseMs));
  }

  /** The faults are over. One healthy runtime takes what is due, people decide, signals come, and every run must end. */
  async #heal(): Promise<void> {
    this.#judge.rest();
    this.#world.log("the faults are over");
    this.#medium.troubles.length = 0;
    this.#medium.losses.length = 0;
    for (const slot of this.#slots) {
      slot.incarnation++;
      if (slot.process !== undefined) this.#world.kill(slot.process);
    }
    // Whatever is on its way to the medium arrives.
    await this.#until(this.#world.delay(this.#fate, 60_000, "peace"));
    const process = new Process("healthy");
    let done = false;
    this.#within(process, async () => {
      const runtime = this.#runtime(process, true);
      try {
        await this.#finishAll(process, runtime);
        if (this.#world.violation === undefined) await this.#readAll(runtime);
        if (this.#world.violation === undefined) await this.#replayAll(process, runtime);
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

  async #finishAll(process: Process, runtime: Runtime): Promise<void> {
    for (let round = 0; round < 300; round++) {
      const awaken = this.#world.schedule(this.#fate, mostDrainMs, "a drain that never ends", () => {
        const held = this.#lives().filter(({ commits }) => commits.at(-1)?.record?.lease !== undefined);
        const keys = held.map(({ key }) => key).join(", ");
        this.#world.violate("every-run-ends", `a healthy runtime executes ${keys} for ever`);
      });
      await runtime.drain();
      await runtime.idle();
      awaken();
      if (this.#world.violation !== undefined) return;
      const open = this.#lives().filter(({ commits }) => isOpen(commits.at(-1)?.record?.run.status));
      if (open.length === 0) return;
      let acted = false;
      for (const { commits, tenant, runId } of open) {
        const last = commits.at(-1);
        const status = last?.record?.run.status;
        const [gate] = gatesOf(last);
        if (gate !== undefined && status === "waiting_for_human") {
          await runtime.for(tenant).approve(runId, { approver: `healer${round}`, stepId: gate });
          acted = true;
        } else if (status === "waiting_for_signal") {
          const name = signalNames[round % signalNames.length] as string;
          const waits = last?.record?.waits.some((wait) => wait.kind === "signal" && wait.name === name);
          if (waits !== true) continue;
          await runtime.for(tenant).signal(runId, { name, payload: `heal${round}` });
          acted = true;
        }
      }
      if (acted) continue;
      const [first] = await this.#due();
      if (first === undefined) {
        const stuck = open.filter(({ commits }) => !isWaiting(commits.at(-1)?.record?.run.status));
        if (stuck.length === 0) continue;
        const [life] = stuck as [Life];
        const record = life.commits.at(-1)?.record;
        this.#world.violate("every-run-ends", `${life.key} is ${record?.run.status}, and never due`);
        return;
      }
      const waitMs = Math.max(first - this.#outside.timeOf(process), 1);
      await this.#world.delay(process, waitMs, "until something is due");
    }
    const stuck = this.#lives().filter(({ commits }) => isOpen(commits.at(-1)?.record?.run.status));
    const states = stuck.map(({ key, commits }) => `${key} is ${commits.at(-1)?.record?.run.status}`);
    if (stuck.length > 0) this.#world.violate("every-run-ends", states.join(", "));
  }

  /** When the first run is due. */
  async #due(): Promise<readonly number[]> {
    const rows = await this.#store.dueRuns({ now: Number.MAX_SAFE_INTEGER, limit: 1 });
    return rows.flatMap(({ dueAt }) => dueAt ?? []);
  }

  /** What is stored can be read, by every door, and values come back as they went in. */
  async #readAll(runtime: Runtime): Promise<void> {
    for (const { commits, tenant, runId } of this.#lives()) {
      if (commits.at(-1)?.record === undefined) continue;
      const runs = runtime.for(tenant);
      const run = await runs.get(runId);
      const { inputs } = (run.result ?? {}) as { readonly inputs?: unknown };
      const { token } = (inputs ?? {}) as { readonly token?: string };
      if (inputs !== undefined && !isDeepStrictEqual(inputs, inputsOf(Number(token?.slice(5))))) {
        this.#world.violate("values-come-back", `the inputs of ${runId} came back as ${shown(inputs)}`);
      }
      const history = await runs.history(runId);
      const { checkpoints } = await runs.listCheckpoints(runId);
      const written = commits.flatMap(({ entry }) => entry?.checkpoint?.checkpointId ?? []);
      if (
        !isDeepStrictEqual(
          checkpoints.map(({ checkpointId }) => checkpointId),
          written,
        )
      ) {
        this.#world.violate("stored-is-readable", `the checkpoints of ${runId} are not listed as they were written`);
      }
      if (history.length !== commits.filter(({ entry }) => entry !== undefined).length) {
        this.#world.violate("stored-is-readable", `the history of ${runId} has ${history.length} entries`);
      }
      for (const { checkpointId } of checkpoints) await runs.loadCheckpoint(runId, checkpointId);
    }
  }

  /**
   * What a run has to end with again. Where a body does pure work, what it saw by its end of branches that float races with
   * that work: "Do not let a step race pure work. The record has no entry for pure work." (docs/code-first.md)
   */
  #told({ skillId, result }: Run): unknown {
    const program = this.#plan.programs.find(({ id }) => id === skillId);
    if (program?.form !== "code" || !hasFloat(program.body) || !hasPure(program.body)) return result;
    const { seen = [], ...rest } = (result ?? {}) as { readonly seen?: readonly string[] };
    return { ...rest, seen: seen.filter((text) => !isOfFloat(text)) };
  }

  /** A replay of the head of a run that completed ends as that run did, and does nothing again. */
  async #replayAll(process: Process, runtime: Runtime): Promise<void> {
    for (const { commits, tenant, runId } of this.#lives()) {
      const last = commits.at(-1);
      if (last?.record?.run.status !== "completed") continue;
      const runs = runtime.for(tenant);
      const source = await runs.get(runId);
      const newRunId = `again_${runId}`;
      this.#outside.tenants.set(newRunId, tenant);
      const calls = this.#world.lines.length;
      await runs.replay(runId, { newRunId });
      await runtime.idle();
      // What its source had left behind when it ended may have to be tried once more.
      await this.#finishAll(process, runtime);
      const replay = await runs.get(newRunId);
      const what = `the replay of the head of ${runId}`;
      if (replay.status !== "completed") {
        const { error } = replay;
        this.#world.violate(
          "a-replay-ends-as-its-source",
          `${what} is ${replay.status} (${error?.code}: ${error?.message})`,
        );
      } else if (!isDeepStrictEqual(this.#told(source), this.#told(replay))) {
        const [was, is] = [source.result, replay.result].map((result) => shown(result));
        this.#world.violate("a-replay-ends-as-its-source", `${what} ends with ${is}, and the source with ${was}`);
      }
      const recorded = Object.keys(last.state?.stepResults ?? {});
      const again = this.#world.lines
        .slice(calls)
        .find((line) => recorded.some((stepId) => line.includes(` calls ${tenant}/${newRunId} ${stepId}, attempt`)));
      if (again !== undefined) this.#world.violate("recorded-is-not-executed", `${what}: ${again}`);
      if (this.#world.violation !== undefined) return;
    }
  }

  #lives(): readonly Life[] {
    return [...this.#history.lives.values()];
  }

  #retriesOf(skillId: string, stepId: string): number {
    const program = this.#plan.programs.find(({ id }) => id === skillId);
    if (program === undefined) return 0;
    if (program.form === "graph") {
      const step = program.steps.find(({ id }) => id === stepId);
      return step?.does.kind === "use" ? step.does.plan.retries : 0;
    }
    // Steps share names, and the one with the most attempts bounds them all. A `use` goes by its capability, without any.
    return Math.max(0, ...plansOf(program.body));
  }
}

function plansOf(piece: Piece): readonly number[] {
  if (piece.kind === "do") return [piece.plan.retries];
  // The step that reads the time has the engine's own default.
  if (piece.kind === "sleep" && piece.isUntil) return [5];
  return partsOf(piece).flatMap(plansOf);
}

function shown(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? `${part}n` : part)) ?? "undefined";
}

function isOpen(status: string | undefined): boolean {
  return status !== undefined && !["completed", "failed", "canceled", "pending"].includes(status);
}

function isWaiting(status: string | undefined): boolean {
  return status === "waiting_for_human" || status === "waiting_for_signal";
}
