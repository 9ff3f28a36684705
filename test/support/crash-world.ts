import { readEntry } from "../../src/codec/bodies.ts";
import { intercepted } from "../../src/conformance/faults.ts";
import type { Store } from "../../src/store.ts";

/** A call that reached the world outside. */
interface Sent {
  readonly stepId: string;
  readonly key: string;
  readonly what: string;
}

/**
 * What is outside of all processes and survives them: a receiver that honors idempotency keys, and a witness who sees what
 * reaches the medium.
 */
export class World {
  /** What the receiver did, by idempotency key. */
  readonly applied = new Map<string, Sent>();
  /** Steps whose handler was called, or sent something, although their result was recorded. */
  readonly late: string[] = [];
  private readonly recorded = new Set<unknown>();

  /** The medium, with the witness beside it. Between it and a process stand the faults. */
  witnessed(store: Store): Store {
    return intercepted(store, async ({ commit }, proceed) => {
      const answer = await proceed();
      if (commit?.entry !== undefined && (answer as { kind: string }).kind === "committed") {
        const { tenant, runId, revision } = commit.run;
        for (const { type, payload } of readEntry({ tenant, runId, revision, ...commit.entry }).events) {
          if (type === "step.completed" || type === "side_effect.recorded") this.recorded.add(payload.step_id);
        }
      }
      return answer;
    });
  }

  /** Notes that the handler of a step does something. */
  begin(stepId: string): void {
    if (this.recorded.has(stepId)) this.late.push(stepId);
  }

  /** Does something, unless it was done under this key before, and gives its receipt. */
  send(sent: Sent): string {
    this.begin(sent.stepId);
    if (!this.applied.has(sent.key)) this.applied.set(sent.key, sent);
    return `receipt for ${sent.what}`;
  }
}
