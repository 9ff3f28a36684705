/** A signal that aborts as soon as one of these does, until it is released. */
export function joined(signals: readonly (AbortSignal | undefined)[]): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const abort = () => controller.abort();
  for (const signal of signals) {
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
  }
  return {
    signal: controller.signal,
    release() {
      for (const signal of signals) signal?.removeEventListener("abort", abort);
    },
  };
}
