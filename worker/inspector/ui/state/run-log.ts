import { type RunEvent, textOf } from "./wire.ts";

/** A checkpoint as the history tells of it. */
export interface LoggedCheckpoint {
  readonly id: string;
  readonly kind: string;
  readonly stepId: string | undefined;
  readonly at: number;
  readonly iso: string;
  readonly revision: number;
}

/** What happened to a run, in order, each event once. */
export class RunLog {
  readonly events: RunEvent[] = [];
  readonly checkpoints: LoggedCheckpoint[] = [];
  /** Raised by every event, so that what is derived from them can be kept until then. */
  version = 0;
  #revision = 0;
  #index = -1;
  #stepOfRevision: string | undefined;

  /** The place of the last event, as a stream takes it up; undefined before the first. */
  get position(): string | undefined {
    return this.#index === -1 ? undefined : `${this.#revision}-${this.#index}`;
  }

  /** Adds an event, unless it is one that is there already. Answers whether it is new. */
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
