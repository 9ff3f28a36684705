import { DurableError } from "../errors.ts";
import { isId } from "../ids.ts";
import type { LiveMessage } from "../record/event.ts";

/** Identifies the run that changed. */
export interface Changed {
  readonly tenant: string;
  readonly runId: string;
  /** The executor that changed it, so that it can ignore its own changes. */
  readonly executor?: string;
  /** Present if nothing was changed: what a step of the run shows while it works. */
  readonly live?: LiveMessage | undefined;
}

/**
 * Announces that a run has changed, so that frequent polling is unnecessary. It is only a hint: a listener reads the
 * store, and a listener that misses it learns of the change by polling.
 */
export interface Notifier {
  notify(changed: Changed): void;
  /** Returns a function that ends the subscription. */
  subscribe(listener: (changed: Changed) => void): () => void;
  close(): void;
}

/**
 * Notifies the listeners of this object.
 *
 * @example
 * ```ts
 * import { createRuntime, localNotifier } from "orca-durable";
 * import { memoryStore } from "orca-durable/memory";
 * import { skills } from "./skills.ts";
 *
 * const store = memoryStore();
 * const notifier = localNotifier();
 * export const front = createRuntime({ store, skills, notifier, executes: false });
 * export const worker = createRuntime({ store, skills, notifier });
 * ```
 */
export function localNotifier(): Notifier {
  const listeners = new Set<(changed: Changed) => void>();
  return {
    notify(changed) {
      for (const listener of listeners) listener(changed);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      listeners.clear();
    },
  };
}

/**
 * Notifies every tab and worker of the origin that has a channel of the same name, and the listeners of this object.
 * Other messages on that channel are ignored.
 *
 * @throws `unsupported` if the platform has no BroadcastChannel, or does not allow it.
 * @example
 * ```ts
 * import { broadcastNotifier, createRuntime } from "orca-durable";
 * import { indexedDbStore } from "orca-durable/indexeddb";
 * import { skills } from "./skills.ts";
 *
 * export const runtime = createRuntime({ store: indexedDbStore(), skills, notifier: broadcastNotifier() });
 * ```
 */
export function broadcastNotifier(name = "orca-durable"): Notifier {
  const local = localNotifier();
  const channel = openChannel(name);
  let isClosed = false;
  channel.onmessage = ({ data }: MessageEvent<unknown>) => {
    if (isChanged(data)) local.notify(data);
  };
  return {
    ...local,
    notify(changed) {
      if (isClosed) return;
      local.notify(changed);
      channel.postMessage(changed);
    },
    close() {
      isClosed = true;
      channel.close();
      local.close();
    },
  };
}

function openChannel(name: string): BroadcastChannel {
  try {
    return new BroadcastChannel(name);
  } catch (cause) {
    throw new DurableError("unsupported", "BroadcastChannel is not available on this page", { cause });
  }
}

/** Another script, or a page of another version, may send anything there. */
function isChanged(data: unknown): data is Changed {
  if (typeof data !== "object" || data === null) return false;
  const { tenant, runId, executor } = data as { readonly [field in keyof Changed]?: unknown };
  return isId(tenant) && isId(runId) && (executor === undefined || typeof executor === "string");
}
