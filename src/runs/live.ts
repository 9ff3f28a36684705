import { aSignal, expectKind, given, type Kinds, withMethods } from "../argument.ts";
import { joined } from "../clock.ts";
import { decodeFields } from "../codec/values.ts";
import { aCount, aText, isJsonObject, present } from "../json.ts";
import type { LiveMessage, RunEvent } from "../record/event.ts";
import type { RunStatus } from "../record/run.ts";
import type { RunsApi } from "./api.ts";
import type { WatchOptions } from "./events.ts";

/** What happens in a run and is not recorded. It has no id. */
export interface LiveEvent {
  readonly isLive: true;
  /**
   * `step.started`: an attempt at a step begins; it is recorded together with its outcome. `step.published`: a step has
   * called `publish`. `live.dropped`: events were lost here, since they were not taken; `count` says how many.
   */
  readonly eventType: "step.started" | "step.published" | "live.dropped";
  readonly occurredAt: string;
  /** `step_id`, and the `attempt` or the `part` and `chunk`; or `count`. */
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Options of {@link watchLive}. */
export interface LiveOptions extends Omit<WatchOptions, "onLive"> {
  /** The most live events that wait to be taken; the oldest are dropped. Default 1,000. */
  readonly maxWaiting?: number;
}

const aWatched = /* @__PURE__ */ withMethods("watch");
const optionKinds: Kinds<LiveOptions> = { after: aText, signal: aSignal, maxWaiting: aCount(1) };
const liveTypes = ["step.started", "step.published", "live.dropped"] as const;

/**
 * The events of a run as `watch` returns them, and between them at once what its steps show while they work. `runs` are those
 * of a runtime or a client. Live events may be lost: those before the watch began, those that waited too long here, and those
 * of an executor that this watcher's notifier does not reach, such as another isolate of a Worker.
 *
 * @example
 * ```ts
 * import { watchLive } from "orca-durable/steps";
 * import { runs } from "./runs.ts";
 *
 * for await (const event of watchLive(runs, "story-7")) {
 *   console.log("isLive" in event ? "now:" : "recorded:", event.eventType, event.payload);
 * }
 * ```
 */
export function watchLive(runs: Pick<RunsApi, "watch">, runId: string, options: LiveOptions = {}): LiveWatch {
  expectKind(runs, aWatched, "runs");
  const { after, signal, maxWaiting = 1_000 } = given(options, optionKinds);
  const left = joined(signal);
  const line = new Line(maxWaiting);
  const onLive = (message: LiveMessage) => line.take(message);
  const events = runs.watch(runId, { signal: left.signal, onLive, ...present({ after }) });
  return merged(events, line, () => {
    left.release();
    left.abort("left");
  });
}

/** The recorded and the live events of a run as they happen. It returns the status with which the run ended. */
export type LiveWatch = AsyncGenerator<RunEvent | LiveEvent, RunStatus | undefined, undefined>;

/** The live events that wait to be taken. */
class Line {
  wake = () => {};
  readonly #waiting: LiveEvent[] = [];
  readonly #most: number;
  #dropped = 0;

  constructor(most: number) {
    this.#most = most;
  }

  take(message: LiveMessage): void {
    const event = liveEventOf(message);
    if (event === undefined) return;
    if (this.#waiting.length === this.#most) {
      this.#waiting.shift();
      this.#dropped++;
    }
    this.#waiting.push(event);
    this.wake();
  }

  /** The next one; before it, how many were dropped. */
  next(): LiveEvent | undefined {
    if (this.#dropped === 0) return this.#waiting.shift();
    const lost = liveEvent("live.dropped", this.#waiting[0]?.occurredAt ?? "", { count: this.#dropped });
    this.#dropped = 0;
    return lost;
  }
}

async function* merged(events: ReturnType<RunsApi["watch"]>, line: Line, leave: () => void): LiveWatch {
  let arrived: IteratorResult<RunEvent, RunStatus | undefined> | undefined;
  let failure: { readonly error: unknown } | undefined;
  const pull = async () => {
    try {
      arrived = await events.next();
    } catch (error) {
      failure = { error };
    }
    line.wake();
  };
  try {
    void pull();
    for (;;) {
      // What was shown before an event was recorded comes before it.
      for (let event = line.next(); event !== undefined; event = line.next()) yield event;
      if (failure !== undefined) throw failure.error;
      if (arrived?.done) return arrived.value;
      if (arrived !== undefined) {
        const { value } = arrived;
        arrived = undefined;
        yield value;
        void pull();
      } else await new Promise<void>((resolve) => (line.wake = resolve));
    }
  } finally {
    leave();
    await events.return(undefined);
  }
}

function liveEvent(eventType: LiveEvent["eventType"], occurredAt: string, payload: LiveEvent["payload"]): LiveEvent {
  return { isLive: true, eventType, occurredAt, payload };
}

/** Another script, or a page of another version, may send anything. */
function liveEventOf({
  type,
  at,
  payload,
}: { readonly [field in keyof LiveMessage]?: unknown }): LiveEvent | undefined {
  const eventType = liveTypes.find((known) => known === type);
  if (eventType === undefined || typeof at !== "string" || !isJsonObject(payload)) return undefined;
  try {
    return liveEvent(eventType, at, decodeFields(payload, "payload"));
  } catch {
    return undefined;
  }
}
