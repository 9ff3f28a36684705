import type { Wait } from "../record/run.ts";
import { endOf, isOver } from "../record/waits.ts";

import type { StepOutcome } from "./kernel.ts";
import type { Pass } from "./pass.ts";

/** Takes a step as far as it goes now. */
export type Take = () => Promise<StepOutcome>;

type Arrived = Exclude<StepOutcome, { kind: "waiting" }>;

/** A step that cannot go on yet. */
interface Parked {
  readonly wait: Wait;
  readonly take: Take;
  readonly arrive: (outcome: Arrived) => void;
}

/**
 * The steps of one pass that are in flight or wait. It is what a pass stands still on: {@link moved} resolves at the
 * earliest of a step settling, the end of any wait, a change of the run by others, and the end of the pass's time, so that
 * nothing that is due waits for something else.
 */
export class Flights {
  readonly #pass: Pass;
  readonly #parked = new Map<string, Parked>();
  #aside: readonly Wait[] = [];
  #inFlight = 0;
  #moves = 0;
  #wake: () => void = () => {};
  #broken: { readonly error: unknown } | undefined;

  constructor(pass: Pass) {
    this.#pass = pass;
    pass.onChange(() => this.stir());
  }

  /** How many steps are being taken. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Counts everything that moves. */
  get moves(): number {
    return this.#moves;
  }

  /** What the steps that cannot go on yet wait for. */
  get waits(): readonly Wait[] {
    return [...this.#parked.values()].map(({ wait }) => wait);
  }

  /** Takes the step, and calls `arrive` once it no longer waits. */
  launch(id: string, take: Take, arrive: (outcome: Arrived) => void): void {
    this.#takeOff(1);
    take().then(
      (outcome) => {
        this.#takeOff(-1);
        if (outcome.kind === "waiting") this.#parked.set(id, { wait: outcome.wait, take, arrive });
        else arrive(outcome);
        this.stir();
      },
      (error: unknown) => {
        this.#takeOff(-1);
        this.#broken ??= { error };
        this.stir();
      },
    );
  }

  #takeOff(count: 1 | -1): void {
    this.#inFlight += count;
    this.#pass.host.inFlight.count += count;
  }

  /** Takes every step again whose wait is over; of those that `isWanted` names, where it is given. */
  retake(isWanted: (wait: Wait) => boolean = () => true): void {
    const { record, host } = this.#pass;
    const now = host.clock.now();
    for (const [id, { wait, take, arrive }] of [...this.#parked]) {
      if (!isWanted(wait) || !isOver(record, wait, now)) continue;
      this.#parked.delete(id);
      this.launch(id, take, arrive);
    }
  }

  /** Takes no step again, nor waits for it, that waits for something else than `isWanted` names. */
  setAside(isWanted: (wait: Wait) => boolean): void {
    for (const [id, { wait }] of [...this.#parked]) {
      if (isWanted(wait)) continue;
      this.#parked.delete(id);
      this.#aside = [...this.#aside, wait];
    }
  }

  /** The waits of steps that were set aside, with the ends that they have, should another pass come to them. */
  get aside(): readonly Wait[] {
    return this.#aside;
  }

  /** True while people are still asked for steps that were set aside. */
  get hasGateAside(): boolean {
    return this.#aside.some(({ kind }) => kind === "approval");
  }

  /** Takes back what people were asked for steps that were set aside. */
  async unask(): Promise<void> {
    const gates = this.#aside.filter(({ kind }) => kind === "approval").map(({ stepId }) => stepId);
    this.#aside = this.#aside.filter(({ kind }) => kind !== "approval");
    await this.#pass.commit((record) => ({
      record: {
        ...record,
        waits: record.waits.filter(({ kind, stepId }) => kind !== "approval" || !gates.includes(stepId)),
      },
      events: [],
    }));
  }

  /** True where a wait is over within the time that is waited out with the lease held. */
  get isHeld(): boolean {
    return this.#nearestEnd() - this.#pass.host.clock.now() <= this.#pass.host.holdMs;
  }

  /**
   * Once something is broken, nothing more is begun: it waits for what is in flight, such as a commit, and throws.
   *
   * @throws what a step threw that was not its own failure, and LostHold once the run is lost.
   */
  async check(): Promise<void> {
    if (this.#broken === undefined && !this.#pass.signal.aborted) return;
    while (this.#inFlight > 0) await this.moved(false);
    this.#pass.signal.throwIfAborted();
    throw this.#broken?.error;
  }

  /** Says that something happened outside: {@link moved} resolves. */
  stir(): void {
    this.#moves++;
    this.#wake();
  }

  /**
   * Resolves at the next move. With `retakes` false, at the end of a wait or of the pass's time it does not: whoever is
   * about to stop takes nothing again.
   */
  async moved(retakes: boolean): Promise<void> {
    const { clock } = this.#pass.host;
    const now = clock.now();
    const until = retakes ? Math.min(this.#nearestEnd(), this.#pass.endsAt) : Number.POSITIVE_INFINITY;
    await this.still(until === Number.POSITIVE_INFINITY ? until : Math.max(until - now, 0));
  }

  /** Resolves at the next move, or after so many milliseconds in which nothing moved: then the answer is true. */
  async still(ms: number): Promise<boolean> {
    const before = this.#moves;
    if (ms === Number.POSITIVE_INFINITY) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    } else {
      const stirred = new AbortController();
      // With a reason, or each makes an error with its stack.
      this.#wake = () => stirred.abort("stirred");
      await this.#pass.host.clock.sleep(ms, stirred.signal);
    }
    this.#wake = () => {};
    return this.#moves === before;
  }

  #nearestEnd(): number {
    let nearest = Number.POSITIVE_INFINITY;
    for (const { wait } of this.#parked.values()) nearest = Math.min(nearest, endOf(wait));
    return nearest;
  }
}
