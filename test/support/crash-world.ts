import type { Runs } from "../../src/index.ts";

/** A call that reached the world outside. */
interface Sent {
  readonly stepId: string;
  readonly key: string;
  readonly what: string;
}

/**
 * What is outside of all processes and survives them: a receiver that honours idempotency keys, and a witness of what a
 * run had recorded when a handler was called.
 */
export class World {
  /** What the receiver did, by idempotency key. */
  readonly applied = new Map<string, Sent>();
  /** Steps whose handler was called although their result was recorded. */
  readonly late: string[] = [];
  private readonly runs: Runs;
  private readonly runId: string;

  /** `runs` over a handle of its own, so that what one process believes does not matter. */
  constructor(runs: Runs, runId: string) {
    this.runs = runs;
    this.runId = runId;
  }

  /** Does something, unless it was done under this key before, and gives its receipt. */
  send(sent: Sent): string {
    const { stepId, what } = this.applied.get(sent.key) ?? sent;
    this.applied.set(sent.key, { ...sent, stepId, what });
    return `receipt for ${what}`;
  }

  /** Notes that the handler of a step is called. */
  async witness(stepId: string): Promise<void> {
    const events = await this.runs.events(this.runId);
    const isRecorded = events.some(
      ({ eventType, payload }) =>
        (eventType === "side_effect.recorded" || eventType === "step.completed") && payload.step_id === stepId,
    );
    if (isRecorded) this.late.push(stepId);
  }
}
