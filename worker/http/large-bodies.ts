import { DurableError } from "../../src/index.ts";

/** Bodies up to this many bytes are not large: an isolate can work on very many of them side by side. */
export const smallBytes = 64 * 1024;
/** Large bodies are worked on side by side up to this many bytes; a larger one is worked on alone. */
const bytesAtOnce = 1024 * 1024;
/** The longest time that a large body waits for its turn, in milliseconds: its caller may give up earlier. */
const longestWaitMs = 10_000;
const retryAfterMs = 1_000;

/**
 * The large bodies of one app, which share the memory of an isolate. A body in work takes many times its bytes, since its
 * text, its values, the state and the stored text exist together. So large bodies take turns, in the order in which they
 * were read, and those that are read or wait hold no more than some bytes.
 */
export class LargeBodies {
  readonly #maxHeldBytes: number;
  readonly #longestWaitMs: number;
  #heldBytes = 0;
  #bytesInWork = 0;
  readonly #waiting = new Set<{ readonly bytes: number; readonly begin: () => void }>();

  constructor(maxHeldBytes: number, waitMs = longestWaitMs) {
    this.#maxHeldBytes = maxHeldBytes;
    this.#longestWaitMs = waitMs;
  }

  /** A body that is about to be read. It is held until its request is answered. */
  open(): HeldBody {
    let bytes = 0;
    const isLarge = () => bytes > smallBytes;
    let isInWork = false;
    return {
      add: (length) => {
        const before = isLarge() ? bytes : 0;
        bytes += length;
        if (isLarge()) this.#heldBytes += bytes - before;
        // A single body is bounded by itself.
        if (this.#heldBytes <= this.#maxHeldBytes || this.#heldBytes === bytes) return;
        throw new DurableError("rate_limited", "too many large requests at the same time", {
          retryAfterMs,
          hint: "send large requests one after another",
        });
      },
      turn: async (signal) => {
        if (!isLarge()) return;
        await this.#turnOf(bytes, signal);
        isInWork = true;
      },
      close: () => {
        if (isLarge()) this.#heldBytes -= bytes;
        if (isInWork) this.#bytesInWork -= bytes;
        this.#next();
      },
    };
  }

  #turnOf(bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const giveUp = (problem: string) => {
        settle();
        this.#waiting.delete(waiting);
        reject(new DurableError("rate_limited", problem, { retryAfterMs }));
        // One behind it may fit beside what is in work.
        this.#next();
      };
      const gone = () => giveUp("the caller has gone before the large request had its turn");
      const late = () => giveUp(`a large request had no turn within ${this.#longestWaitMs} ms`);
      const timer = setTimeout(late, this.#longestWaitMs);
      const settle = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", gone);
      };
      const begin = () => {
        settle();
        resolve();
      };
      const waiting = { bytes, begin };
      signal.addEventListener("abort", gone);
      this.#waiting.add(waiting);
      if (signal.aborted) gone();
      else this.#next();
    });
  }

  #next(): void {
    for (const first of this.#waiting) {
      if (this.#bytesInWork > 0 && this.#bytesInWork + first.bytes > bytesAtOnce) return;
      this.#waiting.delete(first);
      this.#bytesInWork += first.bytes;
      first.begin();
    }
  }
}

/** One body of {@link LargeBodies}. */
export interface HeldBody {
  /**
   * Counts bytes that were read.
   *
   * @throws `rate_limited` if others hold too many.
   */
  add(length: number): void;
  /**
   * Resolves when the body may be parsed.
   *
   * @throws `rate_limited` if that takes too long, or once `signal` aborts: the caller has gone.
   */
  turn(signal: AbortSignal): Promise<void>;
  /** Lets the next ones begin. */
  close(): void;
}
