import type { Changed, Notifier, Presence } from "../../src/types.ts";
import type { Random } from "./random.ts";
import type { Process, World } from "./world.ts";

interface Deafness {
  readonly process: Process;
  readonly until: number;
  readonly mode: "lost" | "late" | "twice";
}

/** How processes hear of each other: notifications, which are hints and may be lost, and who is alive. */
export class Neighbors {
  readonly deafness: Deafness[] = [];
  /** Executors that are taken for dead though they are not. */
  readonly lost = new Set<string>();
  readonly #world: World;
  readonly #random: Random;
  readonly #listeners = new Map<Process, Set<(changed: Changed) => void>>();
  readonly #announced = new Map<string, Process>();

  constructor(world: World, random: Random) {
    this.#world = world;
    this.#random = random;
  }

  notifierOf(process: Process): Notifier {
    const own = new Set<(changed: Changed) => void>();
    this.#listeners.set(process, own);
    return {
      notify: (changed) => {
        for (const listener of [...own]) listener(changed);
        for (const [other, listeners] of this.#listeners) {
          if (other !== process && !other.isDead) this.#tell(other, listeners, changed);
        }
      },
      subscribe: (listener) => {
        own.add(listener);
        return () => own.delete(listener);
      },
      close: () => own.clear(),
    };
  }

  #tell(process: Process, listeners: ReadonlySet<(changed: Changed) => void>, changed: Changed): void {
    const modes = this.deafness
      .filter((deaf) => deaf.process === process && deaf.until > this.#world.now)
      .map(({ mode }) => mode);
    if (modes.includes("lost")) return;
    const delayMs = modes.includes("late") ? this.#random.fraction() * 10_000 : this.#random.fraction() * 3;
    for (let times = modes.includes("twice") ? 2 : 1; times > 0; times--) {
      this.#world.schedule(process, delayMs * times, "notification", () => {
        for (const listener of [...listeners]) listener(changed);
      });
    }
  }

  presenceOf(process: Process): Presence {
    const isGone = (executor: string) => {
      const announced = this.#announced.get(executor);
      return announced === undefined || announced.isDead || this.lost.has(executor);
    };
    const turn = () => this.#world.delay(process, this.#random.fraction(), "presence");
    return {
      prefix: "tab_",
      announce: async (executor) => {
        this.#announced.set(executor, process);
        await turn();
      },
      isGone: async (executor) => {
        await turn();
        return executor.startsWith("tab_") && isGone(executor);
      },
      whenGone: async (executor, signal) => {
        while (!signal.aborted && !isGone(executor)) await this.#world.delay(process, 500, "presence");
      },
      release: () => {
        for (const [executor, announced] of this.#announced) {
          if (announced === process) this.#announced.delete(executor);
        }
      },
    };
  }
}
