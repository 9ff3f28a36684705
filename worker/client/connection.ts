/** One connection. It ends with the watch, or after a long silence. */
export class Connection {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #end = () => this.#controller.abort();
  readonly #watch: AbortSignal;
  readonly #idleMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(watch: AbortSignal, idleMs: number) {
    this.signal = this.#controller.signal;
    this.#watch = watch;
    this.#idleMs = idleMs;
    watch.addEventListener("abort", this.#end);
    this.#heard();
  }

  /** The same stream; each chunk shows that the connection is alive. */
  observed(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    const heard = () => this.#heard();
    const observer = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        heard();
        controller.enqueue(chunk);
      },
    });
    return body.pipeThrough(observer, { signal: this.signal });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#watch.removeEventListener("abort", this.#end);
    this.#end();
  }

  #heard(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#end, this.#idleMs);
  }
}

/** Resolves after that many milliseconds, or as soon as the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
