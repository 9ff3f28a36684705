import type { Snapshot } from "../codec/snapshot.ts";
import { isDurableError } from "../errors.ts";
import type { Change, Held, WriteOutcome } from "../journal/change.ts";
import { write } from "../journal/commit.ts";
import { heldRow } from "../journal/held.ts";
import type { Changed } from "../journal/notifier.ts";
import type { Json } from "../json.ts";
import { present } from "../present.ts";
import type { NewEvent } from "../record/event.ts";
import { withOpenGate } from "../record/gate.ts";
import { contextOf, isTerminal, type RunRecord } from "../record/run.ts";
import type { ExecutionState } from "../record/state.ts";
import type { NewClaim } from "../store.ts";
import type { Host } from "./host.ts";

/** What one executor wants committed. */
export interface PassChange {
  readonly record: RunRecord<Json>;
  /** Absent where the state stays as it is. */
  readonly state?: ExecutionState<Json>;
  readonly events: readonly NewEvent<Json>[];
  readonly checkpoint?: { readonly kind: string; readonly stepId?: string };
  readonly claims?: readonly NewClaim[];
}

/** How often a commit of a pass is brought to a medium that fails: for about two seconds. */
const passTries = 8;

/** After so many commits a pass gives way to what else the process has to do. */
const commitsPerTurn = 32;

/** Thrown through a pass that no longer has its run; nothing of it is written any more. */
export class LostHold extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "LostHold";
  }
}

/**
 * One executor's hold on one run, from the commit that took the lease to the one that lets it go.
 *
 * Its commits go through one queue, so that parallel steps build on each other's states. If others changed the row
 * meanwhile, it decides again over the new row as long as the epoch is its own and it knows the head; otherwise it has
 * lost the run: it writes nothing more and aborts its steps. So it does when it cannot find out whether a commit with a
 * checkpoint was made: a state without it would undo a step that is recorded. The lease is renewed once half of it is
 * spent.
 */
export class Pass {
  readonly host: Host;
  /** Aborts when the hold is lost. */
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #epoch: number;
  readonly #startedAt: number;
  #held: Held;
  #current: ExecutionState<Json>;
  /** Of the run's head, over which the next checkpoint is a delta. */
  #head: Snapshot;
  #queue: Promise<unknown> = Promise.resolve();
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
    this.#startedAt = host.clock.now();
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
    return this.host.isSpent() || this.host.clock.now() >= this.endsAt;
  }

  /** When the time of the pass is over, in milliseconds; infinity where it has no limit. */
  get endsAt(): number {
    return this.#startedAt + this.host.passMs;
  }

  /** True once nothing more is executed under this hold: it was lost, or its last commit let the run go. */
  get isOver(): boolean {
    return this.#isLetGo || this.signal.aborted;
  }

  /** Calls the listener whenever the run was changed by others, and when the hold is lost. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
    this.signal.addEventListener("abort", listener, { once: true });
  }

  /** Has every state of a later checkpoint completed by `annotate`. */
  annotateWith(annotate: (state: ExecutionState<Json>) => ExecutionState<Json>): void {
    this.#annotate = annotate;
  }

  /**
   * Resolves when the executor may call a handler: the run is its own, and so is a lease that has not lapsed by its own
   * clock. An executor that was frozen wakes with one that has, and another may have done the step meanwhile.
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
   * Commits what `decide` wants of the newest record and state, in the order of the calls. Where it wants nothing, the
   * answer is false.
   *
   * @throws LostHold where the run is no longer this executor's.
   */
  commit(
    decide: (record: RunRecord<Json>, state: ExecutionState<Json>, now: number) => PassChange | undefined,
  ): Promise<boolean> {
    const done = this.#queue.then(() => this.#commitNow(decide));
    this.#queue = done.catch(() => undefined);
    return done;
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
        record: withOpenGate(this.#renewed(change.record, now)),
        events,
        ...(checkpoint === undefined ? {} : { checkpoint: { ...checkpoint, state, over: this.#head } }),
        ...present({ claims }),
      });
      if (outcome.kind === "committed") {
        this.#current = state;
        this.#head = outcome.checkpoint?.snapshot ?? this.#head;
        this.#adopt(outcome.held, !outcome.isLatest);
        // Handlers and a store in memory that never wait would keep the process from everything else, a cancel too.
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
      // The commit may have been made. Without what it recorded, nothing may be written over it.
      if (change.checkpoint === undefined || !isDurableError(error, "store_failed")) throw error;
      this.host.onError(error, contextOf(this.record));
      throw this.lose("it is unknown whether a step was recorded");
    }
  }

  /** The row as this process has just written or read it; a pass that knows a later one ignores it. */
  tell(held: Held): void {
    this.#enqueue(async () => {
      if (this.isOver || held.row.revision <= this.#held.row.revision) return;
      this.#adopt(held);
      this.#check();
    });
  }

  /** Ends the pass: the run is somebody else's, or is to be left alone. */
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
    while (!isOver.aborted && !this.isOver) {
      // Never longer than half a lease: a clock that was set back must not make the others wait less than this one.
      const pauseMs = Math.min(this.#renewalAt() - clock.now(), leaseMs / 2);
      await clock.sleep(Math.max(pauseMs, leaseMs / 20), isOver);
      if (isOver.aborted || this.isOver) return;
      if (this.#isRenewalDue(this.record, clock.now())) await this.renew();
    }
  }

  /** Renews the lease where half of it is spent. Never rejects. */
  async renew(): Promise<void> {
    try {
      await this.commit((record, _, now) => (this.#isRenewalDue(record, now) ? { record, events: [] } : undefined));
    } catch (error) {
      // The medium may be back before the lease is over; if not, the next commit of a step finds out.
      if (!(error instanceof LostHold)) this.host.onError(error, contextOf(this.record));
    }
  }

  /**
   * Looks at the run whenever a notification says that others have changed it, until the pass is over: so a cancellation
   * reaches the steps at once, and a signal the step that waits for it, and not with the next commit.
   */
  listen(isOver: AbortSignal): void {
    const { executor } = this.host;
    const { tenant, runId } = this.#held.row;
    const unsubscribe = this.#subscribed((changed) => {
      // What this runtime writes, its passes know already, or learn by `tell`.
      if (changed.runId !== runId || changed.tenant !== tenant || changed.executor === executor) return;
      this.#enqueue(() => this.#look());
    });
    isOver.addEventListener("abort", unsubscribe, { once: true });
  }

  // A channel that cannot be listened to costs promptness, and no run.
  #subscribed(listener: (changed: Changed) => void): () => void {
    const { notifier, onError } = this.host;
    try {
      const unsubscribe = notifier.subscribe(listener);
      return () => {
        try {
          unsubscribe();
        } catch (error) {
          onError(error, contextOf(this.record));
        }
      };
    } catch (error) {
      onError(error, contextOf(this.record));
      return () => {};
    }
  }

  #enqueue(work: () => Promise<void>): void {
    this.#queue = this.#queue.then(work).catch((error: unknown) => {
      if (!(error instanceof LostHold)) this.host.onError(error, contextOf(this.record));
    });
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
      throw this.#taken("another executor took the run, or another caller changed it");
    }
    // A checkpoint of this epoch that this pass does not know is one whose answer it lost.
    if (record.headRevision !== this.#head.revision)
      throw this.#taken("the run has a checkpoint that this executor does not know");
    // Its own last commit lets the lease go too, and then there is nothing left to lose.
    if (isTerminal(record.run.status) || record.lease === undefined) this.#isLetGo = true;
    if (isByOthers) for (const listener of this.#listeners) listener();
  }

  #check(): void {
    if (this.signal.aborted) throw this.signal.reason;
    if (this.#isLetGo) throw this.lose(`the run is ${this.#held.record.run.status}`);
  }
}
