import { type RunEvent, textOf } from "./wire.ts";

/** A checkpoint in the history. */
export interface LoggedCheckpoint {
  readonly id: string;
  readonly kind: string;
  readonly stepId: string | undefined;
  readonly at: number;
  readonly iso: string;
  readonly revision: number;
}

/** The events of a run, in order and without duplicates. */
export class RunLog {
  readonly events: RunEvent[] = [];
  readonly checkpoints: LoggedCheckpoint[] = [];
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
    const id = textOf(payload, "checkpoint_id");
    if (event.event_type === "checkpoint.saved" && id !== undefined) {
      const kind = textOf(payload, "kind") ?? "";
      this.checkpoints.push({ id, kind, stepId: this.#stepOfRevision, at: Date.parse(iso), iso, revision });
    }
    return true;
  }
}

function placeOf({ event_id: id }: RunEvent): readonly [revision: number, index: number] {
  const [, revision, index] = /:(\d+):(\d+)$/.exec(id) ?? [];
  return [Number(revision), Number(index)];
}
