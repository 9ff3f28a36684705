import type { Snapshot } from "../codec/snapshot.ts";
import type { ExecutionState } from "../execution-state.ts";
import type { Json } from "../json.ts";
import type { RunRecord } from "../run.ts";
import { type Execution, execute } from "./execute.ts";
import type { Held } from "./held.ts";
import type { Host } from "./host.ts";
import { leased } from "./lease.ts";
import type { Skill } from "./skill.ts";

/** The passes that are under way here, and how new ones begin. */
export class Executor {
  readonly #executions = new Map<string, Execution>();
  readonly #host: Host;
  readonly #executes: boolean;
  readonly #background: (work: Promise<void>) => void;

  /** `executes` false makes runs due instead, for another executor to take. `background` is told of each pass. */
  constructor(host: Host, executes: boolean, background: (work: Promise<void>) => void) {
    this.#host = host;
    this.#executes = executes;
    this.#background = background;
  }

  /** The record as it must be committed for {@link launch} to take it from there. */
  taken<V>(record: RunRecord<V>, now: number): RunRecord<V> {
    return this.#executes ? leased(record, this.#host, now) : { ...record, wakeAt: now };
  }

  /** Begins a pass over a run whose lease was just committed, from `state`, with `head` as its last checkpoint; where this runtime does not execute, nothing. */
  launch(skill: Skill, held: Held, state: ExecutionState<Json>, head: Snapshot): Promise<void> {
    if (held.record.lease?.executor !== this.#host.executor) return Promise.resolve();
    const key = executionKey(held);
    const execution = execute(this.#host, skill, held, state, head);
    this.#executions.set(key, execution);
    const done = execution.done.then(() => {
      if (this.#executions.get(key) === execution) this.#executions.delete(key);
    });
    this.#background(done);
    return done;
  }

  /** Tells a pass of this executor at once that its run is no longer its own; others learn it from the row. */
  interrupt(held: Pick<Held, "row">, reason: string): void {
    this.#executions.get(executionKey(held))?.pass.lose(reason);
  }

  /** The pass over that run, if there is one here. */
  passOf(tenant: string, runId: string): Promise<void> | undefined {
    return this.#executions.get(JSON.stringify([tenant, runId]))?.done;
  }

  /** Resolves when no pass is under way here. */
  async idle(): Promise<void> {
    while (this.#executions.size > 0) await Promise.all([...this.#executions.values()].map(({ done }) => done));
  }

  /** Ends every pass without another write; their leases lapse. */
  abandon(): void {
    for (const { pass } of this.#executions.values()) pass.lose("the runtime was closed");
  }
}

function executionKey({ row }: Pick<Held, "row">): string {
  return JSON.stringify([row.tenant, row.runId]);
}
