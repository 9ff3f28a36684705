import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type * as memory from "../../adapters/memory/index.ts";
import type * as core from "../../src/index.ts";
import type { Commit, CommitOutcome, Store } from "../../src/store.ts";
import type * as door from "../../worker/schedules/index.ts";
import type { PlantedBug } from "./bugs.ts";
import { withBug } from "./plant.ts";
import { type Random, random } from "./random.ts";
import { Process, type Violation, World } from "./world.ts";

// A world of its own for schedules: servers that serve, die and come back, a medium that refuses calls and loses answers, and
// callers who pause, resume, trigger and make up for the past.

/** The implementation of schedules that is tried: the package's own, or a copy with a planted bug. */
export interface ScheduleSubject {
  readonly core: typeof core;
  readonly memoryStore: (typeof memory)["memoryStore"];
  readonly schedules: typeof door;
}

/** Loads it from the folder that holds `src`, `adapters` and `worker`. */
export async function loadSchedules(folder: URL = new URL("../../", import.meta.url)): Promise<ScheduleSubject> {
  const load = <T>(path: string): Promise<T> => import(/* @vite-ignore */ new URL(path, folder).href) as Promise<T>;
  return {
    core: await load<typeof core>("src/index.ts"),
    memoryStore: (await load<typeof memory>("adapters/memory/index.ts")).memoryStore,
    schedules: await load<typeof door>("worker/schedules/index.ts"),
  };
}

/** Does something with a copy that has the bug in it. */
export async function plantedSchedules<T>(
  bug: PlantedBug,
  within: (subject: ScheduleSubject) => Promise<T>,
): Promise<T> {
  const home = new URL("../../", import.meta.url);
  const folder = mkdtempSync(join(tmpdir(), "orca-planted-"));
  try {
    for (const part of ["src", "adapters/memory", "worker/schedules", "package.json"]) {
      cpSync(new URL(part, home), join(folder, part), { recursive: true });
    }
    symlinkSync(fileURLToPath(new URL("node_modules", home)), join(folder, "node_modules"));
    writeFileSync(join(folder, bug.file), withBug(bug));
    return await within(await loadSchedules(pathToFileURL(`${folder}/`)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const tenant = "north";
const scheduleId = "s";
const second = 1_000;
const mostTurns = 60_000;

/** What a seed came to. */
export interface ScheduleOutcome {
  readonly seed: string;
  readonly violation: Violation | undefined;
  readonly plan: SchedulePlan;
  readonly lines: readonly string[];
  readonly digest: string;
  readonly runs: number;
}

interface SchedulePlan {
  readonly everyMs: number;
  readonly overlap: "skip" | "queue" | "cancel";
  readonly catchUp: "skip" | "one" | "all";
  /** How long a run works, at most. */
  readonly workMs: number;
  readonly servers: number;
  readonly isCalm: boolean;
  readonly endsAt: number;
  readonly leaseMs: number;
}

function newPlan(random: Random): SchedulePlan {
  const everyMs = random.pick([10, 20, 30, 60]) * second;
  return {
    everyMs,
    overlap: random.pick(["skip", "queue", "cancel"] as const),
    catchUp: random.pick(["skip", "one", "all"] as const),
    workMs: random.pick([0, everyMs / 3, 2.5 * everyMs]),
    servers: random.between(1, 3),
    isCalm: random.chance(0.25),
    endsAt: everyMs * random.between(8, 18),
    leaseMs: random.pick([4, 10, 30]) * second,
  };
}

/** Plays one seed. */
export async function simulateSchedules(subject: ScheduleSubject, seed: string): Promise<ScheduleOutcome> {
  const chance = random(`schedules/${seed}`);
  const plan = newPlan(chance.fork("plan"));
  const world = new World(chance.fork("order"));
  const play = new Play(subject, plan, world, chance);
  await world.governing(() => play.play());
  const { violation, lines, digest } = world;
  return { seed, violation, plan, lines, digest, runs: play.births };
}

/** Tries one seed after the other until one breaks a promise, and says what was tried. Returns how many did. */
export async function searchSchedules(
  subject: ScheduleSubject,
  { first, untilMs, most }: { readonly first: string; readonly untilMs: number; readonly most: number },
): Promise<number> {
  const began = performance.now();
  let [seeds, runs] = [0, 0];
  for (; seeds < most && performance.now() - began < untilMs; seeds++) {
    const outcome = await simulateSchedules(subject, `${first}${seeds}`);
    runs += outcome.runs;
    if (outcome.violation === undefined) continue;
    console.log(explained(outcome));
    return 1;
  }
  const seconds = (performance.now() - began) / 1_000;
  console.log(`schedules: ${seeds} seeds in ${seconds.toFixed(1)} s, ${runs} runs started; no promise was broken`);
  return 0;
}

/** Plays a seed. Prints what it breaks, and returns true if it does. */
export async function explainSchedules(subject: ScheduleSubject, seed: string): Promise<boolean> {
  const outcome = await simulateSchedules(subject, seed);
  const isBroken = outcome.violation !== undefined;
  console.log(isBroken ? explained(outcome) : `seed ${seed}: no promise was broken (${outcome.digest})`);
  return isBroken;
}

/** What a seed broke, and how it came to that. */
export function explained({ seed, plan, violation, lines }: ScheduleOutcome): string {
  const again = `Again: npm run simulate -- --seed ${seed}`;
  return [`${violation?.invariant}: ${violation?.message}`, JSON.stringify(plan), ...lines.slice(-80), again].join(
    "\n",
  );
}

/** What the metadata of a run says. */
interface Row {
  readonly status: string;
  readonly parentRunId: string | undefined;
  readonly scheduledAt: number | undefined;
  readonly schedule: Memory | undefined;
}

interface Memory {
  readonly cursor: number;
  readonly paused_at?: number;
  readonly queue: readonly unknown[];
  readonly running?: unknown;
  readonly recent: readonly {
    readonly at: number;
    readonly cause: string;
    readonly outcome: string;
    readonly until?: number;
  }[];
}

class Play {
  births = 0;
  readonly #subject: ScheduleSubject;
  readonly #plan: SchedulePlan;
  readonly #world: World;
  readonly #random: Random;
  readonly #store: Store;
  readonly #fate = new Process("fate");
  readonly #servers = new Map<number, { process: Process; stop: AbortController; runtime: core.Runtime }>();
  readonly #rows = new Map<string, Row>();
  /** The runs by the time for which they were started, with the triggers by their ids. */
  readonly #started = new Map<string, string>();
  /** What became of ticks, as the schedule has noted it; of several at once, the first and the last. */
  readonly #noted: { readonly from: number; readonly until: number; readonly outcome: string }[] = [];
  readonly #pauses: { readonly from: number; until: number }[] = [];
  readonly #backfilled: { readonly from: number; readonly until: number }[] = [];
  #createdAt = 0;
  #isTroubled = false;
  /** False as soon as something goes wrong that is no caller's. */
  #isServed: boolean;
  #boots = 0;

  constructor(subject: ScheduleSubject, plan: SchedulePlan, world: World, random: Random) {
    this.#subject = subject;
    this.#plan = plan;
    this.#world = world;
    this.#random = random;
    this.#store = subject.memoryStore();
    this.#isServed = plan.isCalm;
  }

  async play(): Promise<void> {
    const { servers, endsAt, isCalm } = this.#plan;
    const begin = this.#world.now;
    const faults = this.#random.fork("faults");
    for (let slot = 0; slot < servers; slot++) this.#boot(slot);
    this.#at(500, () => this.#asked(0, (schedules) => this.#create(schedules)));
    if (!isCalm) {
      for (let number = faults.between(1, 14); number > 0; number--) this.#fault(faults);
    }
    const callers = this.#random.fork("callers");
    for (let number = callers.between(0, 6); number > 0; number--) this.#call(callers);
    await this.#world.run(() => this.#world.now - begin >= endsAt || this.#world.turns > mostTurns);
    if (this.#world.violation === undefined) await this.#heal();
  }

  #at(ms: number, work: () => void): void {
    this.#world.schedule(this.#fate, ms, "play", work);
  }

  #fault(faults: Random): void {
    const at = 2 * second + faults.fraction() * this.#plan.endsAt * 0.9;
    const slot = faults.below(this.#plan.servers);
    const forMs = faults.pick([0.5, 3, 15, 60, 400]) * second;
    switch (faults.pick(["kill", "kill", "freeze", "trouble"] as const)) {
      case "kill":
        this.#at(at, () => {
          const server = this.#servers.get(slot);
          if (server === undefined) return;
          // Between any two of its turns.
          server.process.turnsToLive = faults.below(40);
          this.#servers.delete(slot);
          this.#at(forMs, () => this.#boot(slot));
        });
        break;
      case "freeze":
        this.#at(at, () => {
          const server = this.#servers.get(slot);
          if (server !== undefined) server.process.frozenUntil = this.#world.now + forMs;
        });
        break;
      case "trouble":
        this.#at(at, () => {
          this.#isTroubled = true;
          this.#at(Math.min(forMs, 20 * second), () => {
            this.#isTroubled = false;
          });
        });
    }
  }

  #call(callers: Random): void {
    const { endsAt, everyMs } = this.#plan;
    const at = 3 * second + callers.fraction() * endsAt * 0.9;
    const slot = callers.below(this.#plan.servers);
    const what = callers.pick(["pause", "trigger", "trigger", "backfill"] as const);
    const forMs = callers.fraction() * 4 * everyMs;
    const count = callers.between(1, 5);
    this.#at(at, () =>
      this.#asked(slot, async (schedules) => {
        if (what === "trigger") await schedules.trigger(scheduleId);
        else if (what === "backfill") {
          const now = this.#world.now;
          this.#backfilled.push({ from: now - count * everyMs, until: now });
          await schedules.backfill(scheduleId, { from: now - count * everyMs });
        } else {
          await schedules.pause(scheduleId);
          this.#at(forMs, () => this.#asked(slot, (later) => later.resume(scheduleId)));
        }
      }),
    );
  }

  async #create(schedules: door.Schedules): Promise<void> {
    const { everyMs: every, overlap, catchUp } = this.#plan;
    const request = { id: scheduleId, skill: "job", every, overlap, catchUp } as const;
    try {
      await schedules.create(request);
    } catch (error) {
      // Its answer was lost.
      if (!this.#subject.core.isDurableError(error, "conflict")) throw error;
    }
  }

  /** A caller's call through a server. It may fail, as the medium may. */
  #asked(slot: number, call: (schedules: door.Schedules) => Promise<unknown>): void {
    const server = this.#servers.get(slot) ?? [...this.#servers.values()][0];
    if (server === undefined) return;
    const { process, runtime } = server;
    this.#world.context.run({ process }, () => {
      call(this.#subject.schedules.schedulesOf(runtime.for(tenant))).catch((error: unknown) => {
        this.#world.log(`a call failed: ${error}`);
        const { isDurableError } = this.#subject.core;
        if (!isDurableError(error, "store_failed", "conflict", "not_found", "invalid_request")) {
          this.#world.violate("calls-are-answered", `a call failed with ${error}`);
        }
      });
    });
  }

  #boot(slot: number): void {
    const process = new Process(`server ${slot}.${this.#boots++}`);
    const stop = new AbortController();
    this.#world.context.run({ process }, () => {
      const runtime = this.#runtime(process);
      this.#servers.set(slot, { process, stop, runtime });
      void runtime.serve({ tenant, signal: stop.signal, everyMs: second }).catch((error: unknown) => {
        this.#world.violate("servers-serve", `${process.name} ends with ${error}`);
      });
    });
  }

  #runtime(process: Process): core.Runtime {
    const { core, schedules } = this.#subject;
    const clock = this.#world.clockOf(process);
    const chance = this.#random.fork(process.name);
    const job = core.defineSkill({
      id: "job",
      version: "1",
      run: (step) =>
        step.do("work", { timeout: "1 day" }, async ({ signal }) => {
          await clock.sleep(chance.fraction() * this.#plan.workMs, signal);
          return null;
        }),
    });
    return core.createRuntime({
      store: this.#handle(process),
      serves: false,
      skills: [job, schedules.scheduling],
      clock,
      executor: process.name,
      leaseMs: this.#plan.leaseMs,
      random: (length) => Uint8Array.from({ length }, () => chance.below(256)),
      onError: (error) => this.#world.log(`${process.name}: ${error}`),
    });
  }

  /** The medium as a process reaches it: each call takes turns of the world, and may fail. */
  #handle(process: Process): Store {
    const chance = this.#random.fork(`medium of ${process.name}`);
    const call = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
      await this.#world.delay(process, chance.fraction() * 5, name);
      const fails = this.#isTroubled && chance.chance(0.3);
      if (fails && chance.chance(0.5)) throw new Error(`the medium refuses ${name}`);
      const answer = await work();
      await this.#world.delay(process, chance.fraction() * 5, `answer of ${name}`);
      if (fails) throw new Error(`the answer of ${name} is lost`);
      return answer;
    };
    const store = this.#store;
    return new Proxy(store, {
      get: (_, name: keyof Store) => {
        if (name === "close") return async () => {};
        if (name === "commit") return (commit: Commit) => call("commit", () => this.#commit(commit));
        return (...args: never[]) =>
          call(name, () => (store[name] as (...given: never[]) => Promise<unknown>)(...args));
      },
    });
  }

  async #commit(commit: Commit): Promise<CommitOutcome> {
    const outcome = await this.#store.commit(commit);
    if (outcome.kind === "committed") this.#judge(commit);
    return outcome;
  }

  #judge({ run, entry }: Commit): void {
    const row = rowOf(run.body, run.status);
    const isBirth = run.revision === 1;
    const before = this.#rows.get(run.runId);
    this.#rows.set(run.runId, row);
    this.#world.log(`${run.runId}@${run.revision} ${run.status}`);
    if (run.runId === scheduleId) {
      if (isBirth) this.#createdAt = run.createdAt;
      // Only a server that died leaves a trace.
      else if (entry !== undefined && !entry.body.includes("run.recovered")) {
        this.#world.violate("a-schedule-does-not-grow", `revision ${run.revision} has an entry: ${entry.body}`);
      }
      if (row.status !== "running") this.#world.violate("a-schedule-lives", `it is ${row.status}: ${run.body}`);
      this.#note(row.schedule, before?.schedule);
    }
    if (row.parentRunId !== scheduleId || !isBirth) return;
    this.births++;
    this.#judgeBirth(run.runId, row);
  }

  #judgeBirth(runId: string, { scheduledAt = Number.NaN }: Row): void {
    const isTrigger = runId.endsWith("!");
    const key = isTrigger ? runId : String(scheduledAt);
    const other = this.#started.get(key);
    if (other !== undefined) this.#world.violate("no-tick-twice", `"${runId}" is started beside "${other}"`);
    this.#started.set(key, runId);
    if (!isTrigger && (scheduledAt - this.#createdAt) % this.#plan.everyMs !== 0) {
      this.#world.violate("runs-are-of-ticks", `"${runId}" is of no tick`);
    }
    const open = [...this.#rows].find(
      ([id, { parentRunId, status }]) =>
        id !== runId && parentRunId === scheduleId && !["completed", "failed", "canceled"].includes(status),
    );
    if (open !== undefined) {
      this.#world.violate("runs-do-not-overlap", `"${runId}" is started while "${open[0]}" is ${open[1].status}`);
    }
    const within = ({ from, until }: { readonly from: number; readonly until: number }) =>
      scheduledAt > from && scheduledAt <= until;
    if (!isTrigger && this.#pauses.some(within) && !this.#backfilled.some(within)) {
      this.#world.violate("a-pause-is-kept", `"${runId}" is of a tick of a pause`);
    }
  }

  #note(memory: Memory | undefined, before: Memory | undefined): void {
    if (memory === undefined) return;
    const { now } = this.#world;
    if (memory.paused_at !== undefined && before?.paused_at === undefined) {
      this.#pauses.push({ from: memory.cursor, until: Number.POSITIVE_INFINITY });
    }
    const pause = this.#pauses.at(-1);
    if (memory.paused_at === undefined && pause?.until === Number.POSITIVE_INFINITY) pause.until = memory.cursor;
    for (const { at, until = at, outcome } of memory.recent) {
      if (this.#noted.some((noted) => noted.from === at && noted.outcome === outcome)) continue;
      this.#noted.push({ from: at, until, outcome });
      if (outcome === "missed" && this.#isServed) {
        this.#world.violate("nothing-is-missed-while-served", `the tick at ${at} is missed at ${now}`);
      }
    }
    if (memory.recent.length > 20) this.#world.violate("a-schedule-does-not-grow", "it remembers more than 20 ticks");
  }

  /** The faults are over: one healthy server, and time enough for all that waits. */
  async #heal(): Promise<void> {
    this.#world.log("the faults are over");
    this.#isTroubled = false;
    this.#isServed = false;
    for (const { process } of this.#servers.values()) this.#world.kill(process);
    this.#servers.clear();
    await this.#wait(60 * second);
    this.#boot(0);
    const { everyMs, workMs } = this.#plan;
    this.#asked(0, (schedules) => this.#create(schedules));
    await this.#wait(2 * everyMs + this.#plan.leaseMs);
    this.#asked(0, (schedules) => schedules.pause(scheduleId));
    await this.#wait(40 * (workMs + 3 * second) + 2 * this.#plan.leaseMs);
    const memory = this.#rows.get(scheduleId)?.schedule;
    if (this.#world.violation !== undefined || memory === undefined) return;
    if (memory.running !== undefined) {
      this.#world.violate("schedules-come-to-rest", `it still waits for ${JSON.stringify(memory.running)}`);
    }
    this.#judgeTicks(memory.cursor);
  }

  #judgeTicks(cursor: number): void {
    const { everyMs } = this.#plan;
    for (let at = this.#createdAt + everyMs; at <= cursor; at += everyMs) {
      const isStarted = this.#started.has(String(at));
      const isNoted = this.#noted.some(
        ({ from, until, outcome }) => outcome !== "started" && at >= from && at <= until,
      );
      const isPaused = this.#pauses.some(({ from, until }) => at > from && at <= until);
      if (!isStarted && !isNoted && !isPaused) {
        this.#world.violate("no-tick-lost", `the tick at ${new Date(at).toISOString()} has no run, and is not noted`);
      }
    }
  }

  async #wait(ms: number): Promise<void> {
    const until = this.#world.now + ms;
    let isOver = false;
    this.#at(ms, () => {
      isOver = true;
    });
    await this.#world.run(() => isOver || this.#world.turns > 4 * mostTurns);
    if (!isOver && this.#world.violation === undefined) {
      this.#world.violate("schedules-come-to-rest", `nothing comes to rest by ${until}`);
    }
  }
}

function rowOf(body: string, status: string | undefined): Row {
  const { record } = JSON.parse(body) as {
    record?: {
      run: {
        parent_run_id?: string;
        metadata: { schedule?: Memory; scheduled_at?: string };
      };
    };
  };
  const { metadata, parent_run_id } = record?.run ?? { metadata: {} };
  const { schedule, scheduled_at } = metadata;
  return {
    status: status ?? "deleted",
    parentRunId: parent_run_id,
    scheduledAt: scheduled_at === undefined ? undefined : Date.parse(scheduled_at),
    schedule,
  };
}
