import type { Snapshot } from "../codec/snapshot.ts";
import type { NewEvent } from "../event.ts";
import type { ExecutionState } from "../execution-state.ts";
import type { Json } from "../json.ts";
import { present } from "../present.ts";
import { isTerminal, type RunRecord } from "../run.ts";
import type { NewClaim } from "../store.ts";
import { write } from "./commit.ts";
import { type Held, heldRow } from "./held.ts";
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
 * Its commits go through one queue, so that parallel steps build on each other's states. Where somebody else changed
 * the row meanwhile, it decides again over the new row as long as the epoch is its own; otherwise it has lost the run:
 * it writes nothing and aborts its steps. The lease is renewed once half of it is spent.
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
    return this.host.isSpent() || this.host.clock.now() - this.#startedAt >= this.host.passMs;
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
      const { state = this.#current, events, checkpoint, claims } = change;
      const outcome = await write(this.host, this.#held, {
        record: this.#renewed(change.record, now),
        events,
        ...(checkpoint === undefined ? {} : { checkpoint: { ...checkpoint, state, over: this.#head } }),
        ...present({ claims }),
      });
      if (outcome.kind === "committed") {
        this.#current = state;
        this.#head = outcome.checkpoint?.snapshot ?? this.#head;
        this.#adopt(outcome.held);
        return true;
      }
      if (outcome.kind === "claimed") throw this.#taken(`a claim is held by run "${outcome.claim.runId}"`);
      this.#adopt(outcome.held);
    }
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
    while (!isOver.aborted && !this.signal.aborted && !this.#isLetGo) {
      await clock.sleep(Math.max(this.#renewalAt() - clock.now(), leaseMs / 20), isOver);
      if (isOver.aborted || this.signal.aborted || this.#isLetGo) return;
      if (clock.now() >= this.#renewalAt()) await this.renew();
    }
  }

  /** Renews the lease where half of it is spent. Never rejects. */
  async renew(): Promise<void> {
    try {
      await this.commit((record, _, now) =>
        record.lease === undefined || now < this.#renewalAt() ? undefined : { record, events: [] },
      );
    } catch (error) {
      // The medium may be back before the lease is over; if not, the next commit of a step finds out.
      if (!(error instanceof LostHold)) this.host.onError(error);
    }
  }

  /**
   * Looks at the run whenever somebody tells that another has changed it, until the pass is over: so a cancellation reaches
   * the steps at once, and not with the next commit.
   */
  listen(isOver: AbortSignal): void {
    const { notifier, executor, onError } = this.host;
    const { tenant, runId } = this.#held.row;
    const unsubscribe = notifier.subscribe((changed) => {
      if (changed.runId !== runId || changed.tenant !== tenant || changed.executor === executor) return;
      this.#queue = this.#queue
        .then(() => this.#look())
        .catch((error: unknown) => {
          if (!(error instanceof LostHold)) onError(error);
        });
    });
    isOver.addEventListener("abort", unsubscribe, { once: true });
  }

  async #look(): Promise<void> {
    if (this.signal.aborted || this.#isLetGo) return;
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
    if (record.lease === undefined || now < record.lease.endsAt - this.host.leaseMs / 2) return record;
    return { ...record, lease: { ...record.lease, endsAt: now + this.host.leaseMs } };
  }

  #adopt(held: Held | undefined): void {
    if (held === undefined) throw this.lose("the run was deleted");
    this.#held = held;
    const { record } = held;
    if (record.epoch !== this.#epoch) {
      if (record.lease !== undefined) throw this.#taken("another executor took the run");
      throw this.lose(`the run was released from outside, and is ${record.run.status}`);
    }
    // Its own last commit lets the lease go too, and then there is nothing left to lose.
    if (isTerminal(record.run.status) || record.lease === undefined) this.#isLetGo = true;
  }

  #check(): void {
    if (this.signal.aborted) throw this.signal.reason;
    if (this.#isLetGo) throw this.lose(`the run is ${this.#held.record.run.status}`);
  }
}
