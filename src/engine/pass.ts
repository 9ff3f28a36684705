import { onAbort } from "../clock.ts";
import type { Snapshot } from "../codec/bodies.ts";
import { isDurableError } from "../errors.ts";
import type { Change, Held, WriteOutcome } from "../journal/change.ts";
import { heldRow, notify, write } from "../journal/commit.ts";
import type { Changed } from "../journal/notifier.ts";
import type { Json } from "../json.ts";
import { present } from "../json.ts";
import type { LiveMessage, NewEvent } from "../record/event.ts";
import { withOpenGate } from "../record/gate.ts";
import { contextOf, endOf, isOver, isTerminal, type RunRecord, type Wait } from "../record/run.ts";
import type { ExecutionState, StepResult } from "../record/state.ts";
import type { NewClaim } from "../store.ts";
import type { Host } from "./host.ts";
import type { StepError } from "./thrown.ts";

// Most runs never wait for a person.
function showingGate(record: RunRecord<Json>): RunRecord<Json> {
  return record.waits.length > 0 || record.run.approvalRequest !== undefined ? withOpenGate(record) : record;
}

/** A commit that an executor wants to make. */
export interface PassChange {
  readonly record: RunRecord<Json>;
  /** Absent if the state does not change. */
  readonly state?: ExecutionState<Json>;
  readonly events: readonly NewEvent<Json>[];
  readonly checkpoint?: { readonly kind: string; readonly stepId?: string };
  readonly claims?: readonly NewClaim[];
}

/** How often a pass sends a commit to a failing medium: for about two seconds. */
const passTries = 8;

/** After this many commits a pass yields to other work of the process. */
const commitsPerTurn = 32;

/** Thrown through a pass that has lost its run; it writes nothing more. */
export class LostHold extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "LostHold";
  }
}

/**
 * One executor's hold on one run, from the commit that takes the lease to the one that releases it.
 *
 * Its commits go through one queue, so that parallel steps build on each other's states. If others change the row
 * meanwhile, it decides again over the new row as long as the epoch is its own and it knows the head. Otherwise it has
 * lost the run: it writes nothing more and aborts its steps. The same holds if it cannot find out whether a commit with
 * a checkpoint was made: a state without that checkpoint would undo a recorded step. The lease is renewed once half of
 * it is spent.
 */
export class Pass {
  readonly host: Host;
  /** Aborts when the hold is lost. */
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  /** When the pass's time ends, in milliseconds; infinity if it has no limit. */
  endsAt: number;
  readonly #epoch: number;
  readonly #begunFrom: number;
  #held: Held;
  #current: ExecutionState<Json>;
  /** The snapshot of the run's head, over which the next checkpoint is a delta. */
  #head: Snapshot;
  /** What is under way, and what waits behind it; absent if nothing is. */
  #queue: Promise<void> | undefined;
  #isLetGo = false;
  #commits = 0;
  readonly #listeners = new Set<() => void>();
  #annotate: (state: ExecutionState<Json>) => ExecutionState<Json> = (state) => state;

  constructor(host: Host, held: Held, state: ExecutionState<Json>, head: Snapshot) {
    this.host = host;
    this.#held = held;
    this.#current = state;
    this.#head = head;
    this.#epoch = held.record.epoch;
    this.endsAt = host.clock.now() + host.passMs;
    this.#begunFrom = head.revision;
    this.signal = this.#controller.signal;
  }

  get record(): RunRecord<Json> {
    return this.#held.record;
  }

  get state(): ExecutionState<Json> {
    return this.#current;
  }

  /** True once the pass should start nothing new and hand the run over. */
  get isSpent(): boolean {
    const { isSpent, clock } = this.host;
    return isSpent?.() === true || clock.now() >= this.endsAt;
  }

  /** True once it has made a checkpoint. */
  get hasProgressed(): boolean {
    return this.#head.revision !== this.#begunFrom;
  }

  /** Ends the pass's time: it hands the run over after the steps in flight. */
  leave(): void {
    this.endsAt = Math.min(this.endsAt, this.host.clock.now());
    for (const listener of this.#listeners) listener();
  }

  /** True once nothing more is executed under this hold: it was lost, or its last commit released the run. */
  get isOver(): boolean {
    return this.#isLetGo || this.signal.aborted;
  }

  /** Calls the listener when others have changed the run, and when the hold is lost. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
    onAbort(this.signal, listener);
  }

  /** `annotate` completes the state of every later checkpoint. */
  annotateWith(annotate: (state: ExecutionState<Json>) => ExecutionState<Json>): void {
    this.#annotate = annotate;
  }

  /**
   * Resolves when the executor may call a handler: the run is its own, and so is a lease that has not lapsed by its own
   * clock. An executor that was frozen wakes with a lapsed one, and another may have done the step meanwhile.
   *
   * @throws LostHold
   */
  async confirm(): Promise<void> {
    for (;;) {
      this.#check();
      const { lease } = this.record;
      if (lease !== undefined && lease.endsAt > this.host.clock.now()) return;
      await this.commit((record) => ({ record, events: [] }));
    }
  }

  /**
   * Commits the change that `decide` returns for the newest record and state, in the order of the calls. Resolves to
   * false if `decide` returns none.
   *
   * @throws LostHold if the run no longer belongs to this executor.
   */
  commit(
    decide: (record: RunRecord<Json>, state: ExecutionState<Json>, now: number) => PassChange | undefined,
  ): Promise<boolean> {
    return this.#enqueue(() => this.#commitNow(decide));
  }

  async #commitNow(decide: Parameters<Pass["commit"]>[0]): Promise<boolean> {
    for (;;) {
      this.#check();
      const now = this.host.clock.now();
      const change = decide(this.#held.record, this.#current, now);
      if (change === undefined) return false;
      const { events, checkpoint, claims } = change;
      const state = checkpoint === undefined ? this.#current : this.#annotate(change.state ?? this.#current);
      const outcome = await this.#write({
        record: showingGate(this.#renewed(change.record, now)),
        events,
        ...(checkpoint !== undefined && { checkpoint: { ...checkpoint, state, over: this.#head } }),
        ...present({ claims }),
      });
      if (outcome.kind === "committed") {
        this.#current = state;
        this.#head = outcome.checkpoint?.snapshot ?? this.#head;
        this.#adopt(outcome.held, !outcome.isLatest);
        // Handlers and an in-memory store that never wait would starve the rest of the process, including a cancel.
        if (++this.#commits % commitsPerTurn === 0) await this.host.clock.sleep(0);
        return true;
      }
      if (outcome.kind === "claimed") throw this.#taken(`a claim is held by run "${outcome.claim.runId}"`);
      this.#adopt(outcome.held);
    }
  }

  async #write(change: Change): Promise<WriteOutcome> {
    try {
      return await write(this.host, this.#held, change, passTries);
    } catch (error) {
      // The commit may have been made, and its checkpoint must not be overwritten.
      if (change.checkpoint === undefined || !isDurableError(error, "store_failed")) throw error;
      this.host.onError(error, contextOf(this.record));
      throw this.lose("a step may have been recorded");
    }
  }

  /** Shows those who watch the run now what happens in it. */
  show(live: LiveMessage): void {
    notify(this.host, this.#held.row, live);
  }

  /** The row as this process has just written or read it; a pass that knows a later row ignores it. */
  notify(held: Held): void {
    void this.#inBackground(async () => {
      if (this.isOver || held.row.revision <= this.#held.row.revision) return;
      this.#adopt(held);
      this.#check();
    });
  }

  /** Ends the pass: another executor has the run, or the run must be left alone. */
  lose(reason: string): LostHold {
    const lost = new LostHold(reason);
    if (!this.signal.aborted) this.#controller.abort(lost);
    return lost;
  }

  #taken(reason: string): LostHold {
    if (!this.signal.aborted) this.host.instrumentation?.leaseLost(this.record.run.skillId);
    return this.lose(reason);
  }

  /** Renews the lease until the pass is over. */
  async keepAlive(isOver: AbortSignal): Promise<void> {
    const { clock, leaseMs } = this.host;
    for (;;) {
      // At most half a lease: if a clock was set back, others must not wait less than this executor does.
      const pauseMs = Math.min(this.#renewalAt() - clock.now(), leaseMs / 2);
      await clock.sleep(Math.max(pauseMs, leaseMs / 20), isOver);
      if (isOver.aborted || this.isOver) return;
      await this.renew();
    }
  }

  /** Renews the lease if half of it is spent. Never rejects. */
  renew(): Promise<unknown> {
    // If it fails, the medium may be back before the lease ends; if not, the next commit of a step finds out.
    return this.#inBackground(() =>
      this.#commitNow((record, _, now) => (this.#isRenewalDue(record, now) ? { record, events: [] } : undefined)),
    );
  }

  /**
   * Reads the run at each notification of a change by others, until the pass is over. So a cancellation reaches the
   * steps at once, and a signal the waiting step, and not only with the next commit.
   */
  listen(isOver: AbortSignal): void {
    const { executor, notifier } = this.host;
    const { tenant, runId } = this.#held.row;
    const listener = (changed: Changed) => {
      // The passes of this runtime already know its own writes, or learn them by `tell`.
      if (changed.runId !== runId || changed.tenant !== tenant || changed.executor === executor) return;
      void this.#inBackground(() => this.#look());
    };
    this.#carefully(() => {
      const unsubscribe = notifier.subscribe(listener);
      onAbort(isOver, () => this.#carefully(unsubscribe));
    });
  }

  // A channel that fails costs promptness, but no run.
  #carefully(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.host.onError(error, contextOf(this.record));
    }
  }

  #inBackground(work: () => Promise<unknown>): Promise<unknown> {
    return this.#enqueue(work).catch((error: unknown) => {
      if (!(error instanceof LostHold)) this.host.onError(error, contextOf(this.record));
    });
  }

  /** Does one work after the other, and the first at once. */
  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue === undefined ? work() : this.#queue.then(work);
    const settled = () => {
      if (this.#queue === rest) this.#queue = undefined;
    };
    const rest: Promise<void> = done.then(settled, settled);
    this.#queue = rest;
    return done;
  }

  async #look(): Promise<void> {
    if (this.isOver) return;
    const { tenant, runId, revision } = this.#held.row;
    const row = await this.host.store.getRun(tenant, runId);
    if (row?.revision === revision) return;
    this.#adopt(row && heldRow(row));
    this.#check();
  }

  #renewalAt(): number {
    return (this.#held.record.lease?.endsAt ?? 0) - this.host.leaseMs / 2;
  }

  #renewed(record: RunRecord<Json>, now: number): RunRecord<Json> {
    if (record.lease === undefined || !this.#isRenewalDue(record, now)) return record;
    return { ...record, lease: { ...record.lease, endsAt: now + this.host.leaseMs } };
  }

  // A lease that ends later than one that begins now was taken before the clock was set back.
  #isRenewalDue({ lease }: RunRecord<Json>, now: number): boolean {
    if (lease === undefined) return false;
    return now >= lease.endsAt - this.host.leaseMs / 2 || lease.endsAt > now + this.host.leaseMs;
  }

  #adopt(held: Held | undefined, isByOthers = true): void {
    if (held === undefined) throw this.lose("the run was deleted");
    this.#held = held;
    const { record } = held;
    if (record.epoch !== this.#epoch) {
      if (record.run.status === "canceled") throw this.lose("the run was canceled");
      throw this.#taken("the run was taken by another");
    }
    // A checkpoint of this epoch that this pass does not know is one whose answer was lost.
    if (record.headRevision !== this.#head.revision) throw this.#taken("the run has an unknown checkpoint");
    // Its own last commit releases the lease too, and then there is nothing left to lose.
    if (isTerminal(record.run.status) || record.lease === undefined) this.#isLetGo = true;
    if (isByOthers) for (const listener of this.#listeners) listener();
  }

  #check(): void {
    if (this.signal.aborted) throw this.signal.reason;
    if (this.#isLetGo) throw this.lose(`the run is ${this.#held.record.run.status}`);
  }
}

/** The outcome of one step in one pass. */
export type StepOutcome =
  | { readonly kind: "settled"; readonly result: StepResult<Json> }
  | { readonly kind: "waiting"; readonly wait: Wait }
  /** The caller fails the run with it: nothing is recorded of it yet. */
  | { readonly kind: "failed"; readonly error: StepError; readonly result: StepResult<Json> }
  /** Aborted by this runtime when the run fails or ends for another reason: it is tried again when the run goes on. */
  | { readonly kind: "aborted" };

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

  /** True once a step has thrown what is not its own failure, and once the run is lost. */
  get isBroken(): boolean {
    return this.#broken !== undefined || this.#pass.signal.aborted;
  }

  /**
   * Once something is broken, nothing more is begun: it waits for what is in flight, such as a commit, and throws.
   * `isBroken` is looked at without a turn before what follows, in which the last step in flight could break.
   *
   * @throws an error of a step that was not the step's own failure, and LostHold once the run is lost.
   */
  async check(): Promise<void> {
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
  moved(retakes: boolean): Promise<unknown> {
    const { clock } = this.#pass.host;
    const now = clock.now();
    const until = retakes ? Math.min(this.#nearestEnd(), this.#pass.endsAt) : Number.POSITIVE_INFINITY;
    return this.still(until === Number.POSITIVE_INFINITY ? until : Math.max(until - now, 0));
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
