import type { DurableError } from "../errors.ts";
import type { Held } from "../journal/change.ts";
import type { Json } from "../json.ts";
import { leased, type RunRecord, released } from "../record/run.ts";
import type { SkillRegistry } from "../skills/registry.ts";
import type { RunRow } from "../store.ts";
import { type Departure, type Execution, execute } from "./execute.ts";
import type { Host } from "./host.ts";
import { Slots } from "./slots.ts";

const mostReported = 10_000;

/** The passes under way here, and how new ones begin. */
export class Executor {
  /** The places of the runs that drains took. */
  readonly slots: Slots;
  /** The skills that can be executed here. */
  readonly skills: SkillRegistry;
  readonly #executions = new Map<string, Execution>();
  readonly #host: Host;
  readonly #executes: boolean;
  readonly #background: ((work: Promise<void>) => void) | undefined;
  readonly #stop = new AbortController();
  readonly #reported = new Set<string>();

  /** `executes` false makes runs due instead, for another executor to take. `background` is called with each pass. */
  constructor(host: Host, skills: SkillRegistry, executes: boolean, background?: (work: Promise<void>) => void) {
    this.#host = host;
    for (const { body } of skills.all()) host.family ??= body.family?.({ host, executor: this });
    this.slots = new Slots(host.clock);
    this.skills = skills;
    this.#executes = executes;
    this.#background = background;
  }

  /** False if runs are left to other executors: by its options, or since it was stopped. */
  get executes(): boolean {
    return this.#executes && !this.#stop.signal.aborted;
  }

  /** Aborts when this executor is stopped. */
  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  /**
   * The record to commit before {@link launch} takes it from there. In both cases it has a new epoch, which fences the
   * former holder of the run.
   */
  taken<V>(record: RunRecord<V>, now: number): RunRecord<V> {
    return this.executes ? leased(record, this.#host, now) : { ...released(record), wakeAt: now };
  }

  /**
   * Begins a pass over a run whose lease was just committed. It begins none if this runtime does not execute, or was stopped
   * meanwhile: then the run is due when its lease lapses.
   */
  launch(held: Held, from: Departure): Execution | undefined {
    if (held.record.lease?.executor !== this.#host.executor || !this.executes) return undefined;
    const key = executionKey(held);
    // A pass that had the run before: its own lease had lapsed.
    this.#executions.get(key)?.pass.lose("the run was taken again");
    const execution = execute(this.#host, held, from);
    this.#executions.set(key, execution);
    const done = execution.done.then(() => {
      if (this.#executions.get(key) === execution) this.#executions.delete(key);
    });
    this.#background?.(done);
    return { pass: execution.pass, done };
  }

  /**
   * Tells a pass of this executor at once that it has lost its run; other executors learn it from the row. With a
   * record, it ends only a pass of an older epoch: one that was launched since has the run. Resolves when a run that was
   * ended so has done what it owes to its family.
   */
  async interrupt({ row, record }: Pick<Held, "row"> & Partial<Held>, reason: string): Promise<void> {
    const pass = this.#executions.get(executionKey({ row }))?.pass;
    if (record === undefined || pass?.record.epoch !== record.epoch) pass?.lose(reason);
    if (record !== undefined) await this.#host.family?.pay(record);
  }

  /**
   * True if a pass of this executor has that run, under that epoch. The pass then renews its lease, which may have
   * lapsed while the machine slept: no other executor has the run as long as the epoch stands.
   */
  renew(row: RunRow, record: RunRecord<Json>): boolean {
    const pass = this.#executions.get(executionKey({ row }))?.pass;
    if (pass === undefined || pass.signal.aborted || pass.record.epoch !== record.epoch) return false;
    void pass.renew();
    return true;
  }

  /** Shows a pass of this executor the run as it has just been changed here; others learn it by notifications. */
  notify(held: Held): void {
    this.#executions.get(executionKey(held))?.pass.notify(held);
  }

  /** Calls `onError` once with the error that makes that run unreadable. */
  reportOnce({ tenant, runId }: RunRow, error: DurableError): void {
    const key = JSON.stringify([tenant, runId, error.code]);
    if (this.#reported.has(key)) return;
    // Bounded, at the cost of a second report.
    if (this.#reported.size >= mostReported) this.#reported.clear();
    this.#reported.add(key);
    this.#host.onError(error);
  }

  /** The pass over that run, if there is one here. */
  passOf(tenant: string, runId: string): Promise<void> | undefined {
    return this.#executions.get(JSON.stringify([tenant, runId]))?.done;
  }

  /** Resolves when no pass is under way here. */
  async idle(): Promise<void> {
    while (this.#executions.size > 0) await Promise.all([...this.#executions.values()].map(({ done }) => done));
  }

  /** Ends every pass without another write, and begins no other; their leases lapse. */
  abandon(): void {
    this.#stop.abort();
    for (const { pass } of this.#executions.values()) pass.lose("the runtime was closed");
  }
}

function executionKey({ row }: Pick<Held, "row">): string {
  return JSON.stringify([row.tenant, row.runId]);
}
