import { DurableError } from "../../src/index.ts";

/** Bodies up to this many bytes are not large: an isolate can work on very many of them side by side. */
export const smallBytes = 64 * 1024;
/** Large bodies are worked on side by side up to this many bytes; a larger one is worked on alone. */
const bytesAtOnce = 1024 * 1024;

/**
 * The large bodies of one app, which share the memory of an isolate. A body in work takes many times its bytes, since its
 * text, its values, the state and the stored text exist together. So large bodies take turns, in the order in which they
 * were read, and those that are read or wait hold no more than some bytes.
 */
export class LargeBodies {
  readonly #maxHeldBytes: number;
  #heldBytes = 0;
  #bytesInWork = 0;
  readonly #waiting: { readonly bytes: number; readonly begin: () => void }[] = [];

  constructor(maxHeldBytes: number) {
    this.#maxHeldBytes = maxHeldBytes;
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
          retryAfterMs: 1_000,
          hint: "send large requests one after another",
        });
      },
      turn: async () => {
        if (!isLarge()) return;
        await new Promise<void>((begin) => {
          this.#waiting.push({ bytes, begin });
          this.#next();
        });
        isInWork = true;
      },
      close: () => {
        if (isLarge()) this.#heldBytes -= bytes;
        if (isInWork) this.#bytesInWork -= bytes;
        this.#next();
      },
    };
  }

  #next(): void {
    for (let [first] = this.#waiting; first !== undefined; [first] = this.#waiting) {
      if (this.#bytesInWork > 0 && this.#bytesInWork + first.bytes > bytesAtOnce) return;
      this.#waiting.shift();
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
  /** Resolves when the body may be parsed. */
  turn(): Promise<void>;
  /** Lets the next ones begin. */
  close(): void;
}
