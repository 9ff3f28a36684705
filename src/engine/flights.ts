import { endOf, isOver, type Wait } from "../record/run.ts";
import type { StepOutcome } from "./kernel.ts";
import type { Pass } from "./pass.ts";

/** Takes a step as far as possible now. */
export type Take = () => Promise<StepOutcome>;

type Arrived = Exclude<StepOutcome, { kind: "waiting" }>;

/** A step that cannot go on yet. */
interface Parked {
  readonly wait: Wait;
  readonly take: Take;
  readonly arrive: (outcome: Arrived) => void;
}

/**
 * The steps of one pass that are in flight or wait. A pass stands still on {@link moved}, which resolves at the
 * earliest of a step settling, the end of any wait, a change of the run by others, and the end of the pass's time. So
 * nothing that is due waits for something else.
 */
export class Flights {
  /** The number of steps that are being taken. */
  inFlight = 0;
  /** Counts every move. */
  moves = 0;
  /** The waits of the steps that were set aside, with their ends, for a later pass that reaches them. */
  aside: readonly Wait[] = [];
  readonly #pass: Pass;
  readonly #parked = new Map<string, Parked>();
  #wake: () => void = () => {};
  #broken: { readonly error: unknown } | undefined;

  constructor(pass: Pass) {
    this.#pass = pass;
    pass.onChange(() => this.stir());
  }

  /** The waits of the steps that cannot go on yet. */
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
    this.inFlight += count;
    this.#pass.host.inFlight.count += count;
  }

  /** Takes again every step whose wait is over; if `isWanted` is present, only the steps that it accepts. */
  retake(isWanted: (wait: Wait) => boolean = () => true): void {
    const { record, host } = this.#pass;
    const now = host.clock.now();
    for (const [id, { wait, take, arrive }] of [...this.#parked]) {
      if (!isWanted(wait) || !isOver(record, wait, now)) continue;
      this.#parked.delete(id);
      this.launch(id, take, arrive);
    }
  }

  /** Drops, until a later pass, every step that waits for something that `isWanted` does not accept. */
  setAside(isWanted: (wait: Wait) => boolean): void {
    for (const [id, { wait }] of [...this.#parked]) {
      if (isWanted(wait)) continue;
      this.#parked.delete(id);
      this.aside = [...this.aside, wait];
    }
  }

  /** True while gates of steps that were set aside are still open. */
  get hasGateAside(): boolean {
    return this.aside.some(({ kind }) => kind === "approval");
  }

  /** Closes the gates of steps that were set aside. */
  async unask(): Promise<void> {
    const gates = this.aside.filter(({ kind }) => kind === "approval").map(({ stepId }) => stepId);
    this.aside = this.aside.filter(({ kind }) => kind !== "approval");
    await this.#pass.commit((record) => ({
      record: {
        ...record,
        waits: record.waits.filter(({ kind, stepId }) => kind !== "approval" || !gates.includes(stepId)),
      },
      events: [],
    }));
  }

  /** True if a wait ends within the time during which a pass keeps the lease. */
  get isHeld(): boolean {
    return this.#nearestEnd() - this.#pass.host.clock.now() <= this.#pass.host.holdMs;
  }

  /**
   * Once something is broken, nothing more is begun: it waits for what is in flight, such as a commit, and throws.
   *
   * @throws an error of a step that was not the step's own failure, and LostHold once the run is lost.
   */
  async check(): Promise<void> {
    if (this.#broken === undefined && !this.#pass.signal.aborted) return;
    while (this.inFlight > 0) await this.moved(false);
    this.#pass.signal.throwIfAborted();
    throw this.#broken?.error;
  }

  /** Announces an outside change: {@link moved} resolves. */
  stir(): void {
    this.moves++;
    this.#wake();
  }

  /**
   * Resolves at the next move. With `retakes` false, it ignores the end of a wait and of the pass's time: a caller that
   * is about to stop takes nothing again.
   */
  async moved(retakes: boolean): Promise<void> {
    const { clock } = this.#pass.host;
    const now = clock.now();
    const until = retakes ? Math.min(this.#nearestEnd(), this.#pass.endsAt) : Number.POSITIVE_INFINITY;
    await this.still(until === Number.POSITIVE_INFINITY ? until : Math.max(until - now, 0));
  }

  /** Resolves at the next move, or with true after this many milliseconds without a move. */
  async still(ms: number): Promise<boolean> {
    const before = this.moves;
    if (ms === Number.POSITIVE_INFINITY) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    } else {
      const stirred = new AbortController();
      // With a reason, since otherwise each abort creates an error with its stack.
      this.#wake = () => stirred.abort("stirred");
      await this.#pass.host.clock.sleep(ms, stirred.signal);
    }
    this.#wake = () => {};
    return this.moves === before;
  }

  #nearestEnd(): number {
    let nearest = Number.POSITIVE_INFINITY;
    for (const { wait } of this.#parked.values()) nearest = Math.min(nearest, endOf(wait));
    return nearest;
  }
}
