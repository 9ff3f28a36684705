import { AsyncLocalStorage } from "node:async_hooks";
import { createHash } from "node:crypto";
import type { Clock } from "../../src/types.ts";
import { hash, type Random } from "./random.ts";

/** A machine, tab or invocation: it has a clock of its own, may be frozen, and may die between any two turns. */
export class Process {
  readonly name: string;
  /** What its clock shows beyond the true time, in milliseconds. */
  skewMs: number;
  isDead = false;
  /** The latest time that its clock has shown; what is over by that stays over when the clock is set back. */
  latestMs = 0;
  frozenUntil = 0;
  /** Until then none of its timers fires, as in a tab that is throttled. What it asked others for is answered all the same. */
  timersStillUntil = 0;
  /** It dies after this number of its turns. */
  turnsToLive = Number.POSITIVE_INFINITY;
  /** True once its runtime was asked to stop and said that it has. */
  isStopped = false;
  /** True if it has the second version of the skills. */
  hasSecond = false;
  /** True once it knows that it has few queries left: from then on it begins nothing. */
  isSpent = false;

  constructor(name: string, skewMs = 0) {
    this.name = name;
    this.skewMs = skewMs;
  }
}

/** The name of the process that heals a world. No quota binds it. */
export const healthy = "healthy";

/** Which process, and which operation of a client, the code that is running belongs to. */
export interface Context {
  readonly process: Process;
  readonly operation?: number;
}

interface Task {
  readonly at: number;
  readonly process: Process;
  readonly label: string;
  readonly isTimer: boolean;
  readonly run: () => void;
}

/** Thrown out of the world when a promise of the guarantees is broken. */
export class Violation extends Error {
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(message);
    this.name = "Violation";
    this.invariant = invariant;
  }
}

/** How far the true time moves with each turn, in milliseconds: work takes time. */
const turnMs = 0.05;

/** A turn that looks at its clocks more often than that is taken for one that never ends. */
const mostLooks = 20_000;

// The platform's own, before any of them is replaced.
const { setImmediate: immediate } = globalThis;

/**
 * Everything that is left to chance, decided by a seed: the time, the order of what is ready, and when a promise of the
 * platform settles. One turn is one task and all the microtasks that it brings.
 */
export class World {
  /** The true time, which no process sees. */
  now = Date.UTC(2026, 0, 1);
  readonly context = new AsyncLocalStorage<Context>();
  readonly #random: Random;
  readonly #tasks: Task[] = [];
  readonly #log: string[] = [];
  #hash = 0x811c9dc5;
  #violation: Violation | undefined;
  readonly #ignored: ReadonlySet<string>;
  turns = 0;
  /** How often the turn that goes on has looked at a clock. */
  #looks = 0;

  /** Broken promises whose names are in `ignored` are noted and no more. */
  constructor(random: Random, ignored: ReadonlySet<string> = new Set()) {
    this.#random = random;
    this.#ignored = ignored;
  }

  /** Notes what happens, for a reader of a failure and for the proof that a seed decides everything. */
  log(text: string): void {
    this.#hash = hash(text, this.#hash);
    this.#log.push(`${(this.now - Date.UTC(2026, 0, 1)).toFixed(2)} ${text}`);
  }

  get lines(): readonly string[] {
    return this.#log;
  }

  get digest(): string {
    return this.#hash.toString(16);
  }

  /** Notes a broken promise; the first one ends the world after this turn. */
  violate(invariant: string, message: string): void {
    if (this.#violation !== undefined) return;
    if (!this.#ignored.has(invariant)) this.#violation = new Violation(invariant, message);
    this.log(`VIOLATION of ${invariant}: ${message}`);
  }

  get violation(): Violation | undefined {
    return this.#violation;
  }

  /** Does something in a turn of its own, after a delay. What comes back takes it away again. */
  schedule(process: Process, delayMs: number, label: string, run: () => void): () => void {
    return this.#add(process, delayMs, label, run, false);
  }

  /** The same as a timer of that process. */
  setTimer(process: Process, delayMs: number, run: () => void): () => void {
    return this.#add(process, delayMs, "timer", run, true);
  }

  #add(process: Process, delayMs: number, label: string, run: () => void, isTimer: boolean): () => void {
    const context = this.context.getStore();
    const within = context?.process === process ? context : { process };
    const task: Task = {
      at: this.now + Math.max(delayMs, 0),
      process,
      label,
      isTimer,
      run: () => this.context.run(within, run),
    };
    this.#tasks.push(task);
    return () => {
      const place = this.#tasks.indexOf(task);
      if (place !== -1) this.#tasks.splice(place, 1);
    };
  }

  /** Resolves in a turn of its own, after a delay; never where the process dies before. */
  delay(process: Process, delayMs: number, label: string): Promise<void> {
    return new Promise((resolve) => void this.schedule(process, delayMs, label, resolve));
  }

  kill(process: Process): void {
    if (process.isDead) return;
    process.isDead = true;
    this.log(`${process.name} dies`);
    for (let place = this.#tasks.length - 1; place >= 0; place--) {
      if (this.#tasks[place]?.process === process) this.#tasks.splice(place, 1);
    }
  }

  /** The clock of a process. */
  clockOf(process: Process): Clock {
    return {
      now: () => {
        // The world could not end such a turn: what goes round in microtasks lets nothing else have its turn.
        if (++this.#looks > mostLooks) {
          this.violate("every-turn-ends", `${process.name} looks at its clock ${mostLooks} times in one turn`);
          throw this.#violation ?? new Error("this turn never ends");
        }
        const now = this.now + process.skewMs;
        process.latestMs = Math.max(process.latestMs, now);
        return now;
      },
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted) return resolve();
          const done = () => {
            cancel();
            signal?.removeEventListener("abort", done);
            resolve();
          };
          const cancel = this.setTimer(process, ms, done);
          signal?.addEventListener("abort", done);
        }),
    };
  }

  /** Takes one turn after the other until `isOver`, a broken promise, or until nothing is left to do. */
  async run(isOver: () => boolean): Promise<void> {
    while (this.#violation === undefined && !isOver()) {
      if (!this.#turn()) return;
      await settled();
    }
  }

  #turn(): boolean {
    const { now } = this;
    const readyAt = ({ at, process, isTimer }: Task) =>
      Math.max(at, process.frozenUntil, isTimer ? process.timersStillUntil : 0);
    let next = Number.POSITIVE_INFINITY;
    const ready: number[] = [];
    for (const [place, task] of this.#tasks.entries()) {
      if (task.process.isDead) continue;
      const at = readyAt(task);
      if (at <= now) ready.push(place);
      else if (at < next) next = at;
    }
    if (ready.length === 0) {
      if (next === Number.POSITIVE_INFINITY) return false;
      this.now = next;
      return this.#turn();
    }
    const place = ready.length === 1 ? (ready[0] as number) : this.#random.pick(ready);
    const [task] = this.#tasks.splice(place, 1) as [Task];
    this.now += turnMs;
    this.turns++;
    this.#looks = 0;
    if (task.process.turnsToLive-- <= 0) {
      this.kill(task.process);
      return true;
    }
    this.#hash = hash(`${task.process.name}/${task.label}/${this.now.toFixed(2)}`, this.#hash);
    task.run();
    return true;
  }

  /**
   * Puts the platform's own sources of chance under the seed while `work` goes on: timers, turns of the event loop, and
   * WebCrypto, whose work is done on other threads.
   */
  async governing<T>(work: () => Promise<T>): Promise<T> {
    const { subtle } = globalThis.crypto;
    const before = {
      setTimeout: globalThis.setTimeout,
      clearTimeout: globalThis.clearTimeout,
      setImmediate: globalThis.setImmediate,
      MessageChannel: globalThis.MessageChannel,
    };
    const world = this;
    const timers = new Map<object, () => void>();
    const timer = (ms: number | undefined, run: () => void, otherwise: () => unknown): unknown => {
      const context = world.context.getStore();
      if (context === undefined) return otherwise();
      const { process } = context;
      const handle = { ref: () => handle, unref: () => handle, hasRef: () => true };
      const cancel = ms === undefined ? world.schedule(process, 0, "turn", run) : world.setTimer(process, ms, run);
      timers.set(handle, cancel);
      return handle;
    };
    const onRejection = (reason: unknown) => {
      const text = reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
      this.violate("no-unhandled-rejection", `a rejected promise had no handler: ${text}`);
    };
    // With a listener of ours the process goes on, and the world ends after this turn.
    process.on("unhandledRejection", onRejection);
    const digest = async (algorithm: string | { name: string }, data: BufferSource): Promise<ArrayBuffer> => {
      const context = world.context.getStore();
      const name = (typeof algorithm === "string" ? algorithm : algorithm.name).replace("-", "");
      const bytes = ArrayBuffer.isView(data)
        ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
        : new Uint8Array(data);
      const digested = createHash(name).update(bytes).digest();
      if (context !== undefined) {
        await world.delay(context.process, world.#random.chance(0.3) ? world.#random.fraction() : 0, "digest");
      }
      return digested.buffer.slice(digested.byteOffset, digested.byteOffset + digested.byteLength) as ArrayBuffer;
    };
    Object.defineProperty(subtle, "digest", { value: digest, configurable: true, writable: true });
    Object.assign(globalThis, {
      setTimeout: (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
        timer(
          ms,
          () => run(...args),
          () => before.setTimeout(run, ms, ...args),
        ),
      clearTimeout: (handle: object) => {
        const cancel = timers.get(handle);
        if (cancel === undefined) before.clearTimeout(handle as never);
        else cancel();
      },
      setImmediate: (run: (...args: unknown[]) => void, ...args: unknown[]) =>
        timer(
          undefined,
          () => run(...args),
          () => before.setImmediate(run, ...args),
        ),
      MessageChannel: class {
        readonly port1: Port;
        readonly port2: Port;

        constructor() {
          // A channel belongs to the process that makes it. The test itself makes none.
          const owner = world.context.getStore()?.process ?? new Process("test");
          const port = (other: () => Port): Port => ({
            onmessage: null,
            postMessage: (data) => void world.schedule(owner, 0, "message", () => other().onmessage?.({ data })),
            close() {},
            start() {},
            unref() {},
            ref() {},
          });
          this.port1 = port(() => this.port2);
          this.port2 = port(() => this.port1);
        }
      },
    });
    try {
      return await work();
    } finally {
      Object.assign(globalThis, before);
      Reflect.deleteProperty(subtle, "digest");
      process.off("unhandledRejection", onRejection);
    }
  }
}

interface Port {
  onmessage: ((event: { data: unknown }) => void) | null;
  postMessage(data: unknown): void;
  close(): void;
  start(): void;
  ref(): void;
  unref(): void;
}

/** Resolves once every microtask has had its turn. */
function settled(): Promise<void> {
  return new Promise((resolve) => immediate(resolve));
}
