/**
 * Calls the listener once, as soon as the signal aborts, or at once if it has. The result stops that; without a signal it
 * does nothing.
 */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal?.aborted) listener();
  else signal?.addEventListener("abort", listener, { once: true });
  return () => signal?.removeEventListener("abort", listener);
}

/** The outcome of the work; the signal's reason as soon as it aborts, and then the outcome is ignored. */
export async function unlessAborted<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const release = onAbort(signal, () => reject(signal?.reason));
  try {
    return await Promise.race([work, aborted]);
  } finally {
    release();
  }
}

/** A controller that aborts by itself, and as soon as one of the signals does, for the same reason, until it is released. */
export function joined(...signals: readonly (AbortSignal | undefined)[]): AbortController & { release(): void } {
  const controller = new AbortController();
  const releases = signals.map((signal) => onAbort(signal, () => controller.abort(signal?.reason)));
  return Object.assign(controller, {
    release() {
      for (const release of releases) release();
    },
  });
}
