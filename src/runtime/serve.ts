import type { Executor } from "../engine/executor.ts";
import type { Host } from "../engine/host.ts";
import type { TenantId } from "../ids.ts";
import { present } from "../present.ts";
import { drain, leasedRuns } from "./drain.ts";
import { lengthOption } from "./options.ts";

export interface ServeRequest {
  readonly tenant?: TenantId;
  readonly signal: AbortSignal;
  readonly everyMs?: number;
}

/** Drains until the signal aborts: on a tick, and at once where something says that there is work. */
export async function serve(host: Host, executor: Executor, request: ServeRequest): Promise<void> {
  const { tenant, signal } = request;
  const everyMs = lengthOption(request.everyMs, "everyMs", 1_000);
  let woken = new AbortController();
  const wake = () => woken.abort();
  const unsubscribe = host.notifier.subscribe((changed) => {
    // A change of a run that is executed here is nothing to take.
    if (executor.passOf(changed.tenant, changed.runId) === undefined) wake();
  });
  signal.addEventListener("abort", wake);
  executor.stopped.addEventListener("abort", wake);
  const watched = new Set<string>();
  try {
    while (!signal.aborted && !executor.stopped.aborted) {
      woken = new AbortController();
      // Not awaited: the passes that it begins must not keep other runs waiting.
      drain(host, executor, { signal, ...present({ tenant }) }).catch(host.onError);
      try {
        if (tenant !== undefined) await watchOthers(host, tenant, watched, signal, wake);
      } catch (error) {
        // The medium may be back at the next tick.
        host.onError(error);
      }
      await host.clock.sleep(everyMs, woken.signal);
    }
  } finally {
    unsubscribe();
    signal.removeEventListener("abort", wake);
    executor.stopped.removeEventListener("abort", wake);
  }
}

/** Sees to it that the death of whoever holds a run wakes this executor. */
async function watchOthers(
  host: Host,
  tenant: TenantId,
  watched: Set<string>,
  signal: AbortSignal,
  wake: () => void,
): Promise<void> {
  const { presence } = host;
  if (presence === undefined) return;
  for (const { executor } of await leasedRuns(host, tenant)) {
    if (executor === host.executor || watched.has(executor)) continue;
    watched.add(executor);
    presence.whenGone(executor, signal).then(wake, (error) => host.onError(error));
  }
}
