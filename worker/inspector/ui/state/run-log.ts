import { type Json, type RunEvent, textOf } from "./wire.ts";

/** A checkpoint in the history. */
export interface LoggedCheckpoint {
  readonly id: string;
  readonly kind: string;
  readonly stepId: string | undefined;
  readonly at: number;
  readonly iso: string;
  readonly revision: number;
}

/** A chunk that a step has written to its output. */
export interface LoggedChunk {
  /** Identifies the attempt. Another part begins the output anew. */
  readonly part: string;
  readonly value: Json;
  readonly iso: string;
}

/** The events of a run, in order and without duplicates. */
export class RunLog {
  readonly events: RunEvent[] = [];
  readonly checkpoints: LoggedCheckpoint[] = [];
  /** The output of each step that has some. */
  readonly outputs = new Map<string, LoggedChunk[]>();
  /** Incremented by every event, so that derived values can be cached until the next one. */
  version = 0;
  #revision = 0;
  #index = -1;
  #stepOfRevision: string | undefined;

  /** The position of the last event, from which a stream continues; undefined before the first event. */
  get position(): string | undefined {
    return this.#index === -1 ? undefined : `${this.#revision}-${this.#index}`;
  }

  /** Adds an event unless it is already there. Returns whether it was added. */
  add(event: RunEvent): boolean {
    const [revision, index] = placeOf(event);
    if (revision < this.#revision || (revision === this.#revision && index <= this.#index)) return false;
    if (revision > this.#revision) this.#stepOfRevision = undefined;
    this.#revision = revision;
    this.#index = index;
    this.events.push(event);
    this.version++;
    const { payload, occurred_at: iso } = event;
    this.#stepOfRevision = textOf(payload, "step_id") ?? this.#stepOfRevision;
    if (event.event_type === "step.output") this.#addOutput(event);
    const id = textOf(payload, "checkpoint_id");
    if (event.event_type === "checkpoint.saved" && id !== undefined) {
      const kind = textOf(payload, "kind") ?? "";
      this.checkpoints.push({ id, kind, stepId: this.#stepOfRevision, at: Date.parse(iso), iso, revision });
    }
    return true;
  }

  #addOutput({ payload, occurred_at: iso }: RunEvent): void {
    const { chunks } = payload;
    const [stepId, part = ""] = [textOf(payload, "step_id"), textOf(payload, "part")];
    if (stepId === undefined || !Array.isArray(chunks)) return;
    const written = this.outputs.get(stepId) ?? [];
    this.outputs.set(stepId, written);
    for (const value of chunks as readonly Json[]) written.push({ part, value, iso });
  }
}

function placeOf({ event_id: id }: RunEvent): readonly [revision: number, index: number] {
  const [, revision, index] = /:(\d+):(\d+)$/.exec(id) ?? [];
  return [Number(revision), Number(index)];
}
