import { type Json, type LiveMessage, textOf } from "./wire.ts";

/** An attempt that has begun. It is recorded only together with its outcome. */
export interface LiveAttempt {
  readonly at: number;
  readonly attempt: number;
  readonly uses: string;
}

/** What a step has published. It is stored nowhere. */
export interface Published {
  readonly iso: string;
  readonly value: Json;
}

/** The most messages that are kept of a step. */
const mostPublished = 50;

/** What the steps of a run show while they work, as far as it reaches this page. */
export class LiveSteps {
  /** The last attempt at each step. */
  readonly attempts = new Map<string, LiveAttempt>();
  /** The newest messages of each step, oldest first. */
  readonly published = new Map<string, readonly Published[]>();
  /** Incremented by every attempt, so that derived values can be cached until the next one. */
  version = 0;

  take({ type, at: iso, payload }: LiveMessage): void {
    const stepId = textOf(payload, "step_id");
    if (stepId === undefined) return;
    if (type === "step.started") {
      const uses = textOf(payload, "uses") ?? "";
      this.attempts.set(stepId, { at: Date.parse(iso), attempt: Number(payload.attempt ?? 1), uses });
      this.version++;
    } else if (type === "step.published") {
      const before = this.published.get(stepId) ?? [];
      this.published.set(stepId, [...before, { iso, value: payload.chunk ?? null }].slice(-mostPublished));
    }
  }
}
