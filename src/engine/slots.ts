import type { Clock } from "../clock.ts";
import { onAbort } from "../clock.ts";
import type { Pass } from "./pass.ts";

/** After this long a pass leaves its place to a run that waits for one, at its next step. */
const turnMs = 5_000;

/** The places of the runs that are executed concurrently: one count for all drains of a runtime. */
export class Slots {
  readonly #clock: Clock;
  /** The tenant of each place that is taken. */
  readonly #taken: string[] = [];
  /** The passes in places, the oldest first, and when each began. */
  readonly #passes = new Map<Pass, number>();
  readonly #waiting = new Set<() => void>();
  #tenant: string | undefined;
  #isShared = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Takes a place as soon as fewer than `bound` are taken; false if `over` aborts first or, unless `isPatient`, if no
   * place is freed for a second. Once runs of several tenants have come, the last place is for a tenant that has none.
   */
  async take(tenant: string, bound: number, over: AbortSignal, isPatient: boolean): Promise<boolean> {
    this.#tenant ??= tenant;
    this.#isShared ||= tenant !== this.#tenant;
    while (!over.aborted && !this.#isFree(tenant, bound)) {
      if (!(await this.#change(over)) && !isPatient) return false;
    }
    if (over.aborted) return false;
    this.#taken.push(tenant);
    return true;
  }

  /** Frees a place of that tenant. */
  free(tenant: string): void {
    this.#taken.splice(this.#taken.indexOf(tenant), 1);
    for (const wake of this.#waiting) wake();
  }

  /** Fills a place with a pass until that is over. */
  async fill(tenant: string, { pass, done }: { readonly pass: Pass; readonly done: Promise<void> }): Promise<void> {
    this.#passes.set(pass, this.#clock.now());
    await done;
    this.#passes.delete(pass);
    this.free(tenant);
  }

  #isFree(tenant: string, bound: number): boolean {
    const left = bound - this.#taken.length;
    return left > (this.#isShared && bound > 1 && this.#taken.includes(tenant) ? 1 : 0);
  }

  /** Asks as many passes to leave as runs wait, of those that had their turn and made progress in it. */
  #askToLeave(): void {
    const now = this.#clock.now();
    let most = this.#waiting.size;
    for (const [pass, since] of this.#passes) {
      // A clock that was set back ends a turn early.
      const isReady = pass.isSpent || (pass.hasProgressed && Math.abs(now - since) >= turnMs);
      if (isReady && most-- > 0) pass.leave();
    }
  }

  /** Resolves to true when a place was freed or `over` aborts, and to false after a second. */
  async #change(over: AbortSignal): Promise<boolean> {
    const changed = new AbortController();
    const wake = () => changed.abort();
    this.#waiting.add(wake);
    const release = onAbort(over, wake);
    this.#askToLeave();
    await this.#clock.sleep(1_000, changed.signal);
    this.#waiting.delete(wake);
    release();
    return changed.signal.aborted;
  }
}
