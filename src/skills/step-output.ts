import { isoTime } from "../clock.ts";
import { bytesAtMost, encodeValue } from "../codec/values.ts";
import { isMediumFault } from "../engine/kernel.ts";
import type { Pass } from "../engine/pass.ts";
import { DurableError, invalidRequest, isDurableError } from "../errors.ts";
import { type Json, sizeOf } from "../json.ts";
import { contextOf, event } from "../record/run.ts";

/** When the output of a step is flushed, and how much there may be. */
export interface OutputOptions {
  /** The longest time for which a chunk waits for others before it is flushed, in milliseconds. Default 500. */
  readonly flushMs?: number;
  /** The bytes of JSON at which chunks are flushed at once. Default 16 KiB. */
  readonly flushBytes?: number;
  /** The most bytes of JSON that one attempt at a step may write. Default 4 MiB. */
  readonly maxBytes?: number;
}

/** The durable stream of a step: chunks that are stored with the run, for `readOutput`. */
export interface StepOutput {
  /**
   * Adds a chunk, which is flushed later, together with others. Resolves when the stream takes more: at once, or after a
   * flush if `flushBytes` wait for one.
   *
   * @throws `invalid_request` that names the path of a value that cannot be stored, or if the attempt is over; `too_large` if
   * the chunk takes more than 64 KiB, or the attempt more than `maxBytes`. The call itself throws these, also if its promise
   * is not awaited.
   */
  write(chunk: unknown): Promise<void>;
  /** Resolves when every chunk that was written before is stored. Rejects if one is not; then the attempt fails too. */
  flush(): Promise<void>;
}

/** What the code of a step shows while it works. */
export interface OutputContext {
  /**
   * Shows a value at once to every watcher that can be reached. Nothing is stored, and the value may be lost.
   *
   * @throws `invalid_request` that names the path of a value that cannot be stored; `too_large` above 64 KiB.
   */
  readonly publish: (chunk: unknown) => void;
  /** The durable stream of the step. */
  readonly output: StepOutput;
}

/** One attempt at a step, as its code sees it. */
export interface OutputAttempt {
  readonly stepId: string;
  readonly attempt: number;
  readonly signal: AbortSignal;
}

/** The most bytes of JSON in a chunk. */
const maxChunkBytes = 64 * 1024;
/** The most bytes of JSON in one entry, below the limit of a row. */
const maxBatchBytes = 128 * 1024;
/** The most chunks in one entry, so that the offset of a chunk follows from the revision of its entry. */
export const maxBatchChunks = 4096;
/** An entry holds chunks a few levels deep, and an answer holds the entry. */
const maxChunkDepth = 480;

/**
 * Calls the code of a step with its output. What it has written is flushed when it ends, also if it fails; if that is not
 * possible, the attempt fails.
 */
export async function withOutputOf<T>(
  pass: Pass,
  attempt: OutputAttempt,
  options: OutputOptions,
  work: (shown: OutputContext) => T | Promise<T>,
): Promise<T> {
  const writer = new Writer(pass, attempt, options);
  let result: T;
  try {
    result = await work({
      publish: (chunk) => writer.publish(chunk),
      output: { write: (chunk) => writer.write(chunk), flush: () => writer.flush() },
    });
  } catch (error) {
    await writer.end().catch((failure: unknown) => {
      // The step's own error is the one that is recorded.
      if (!attempt.signal.aborted) pass.host.onError(failure, contextOf(pass.record, attempt.stepId));
    });
    throw error;
  }
  await writer.end();
  return result;
}

/**
 * The output of one attempt: a part of the step's stream. Its flushes are commits of the pass, so that a writer that has
 * lost the run writes nothing more. After a flush that failed it writes nothing either: that flush may have been made, and
 * no chunk is written twice.
 */
class Writer {
  readonly #pass: Pass;
  readonly #attempt: OutputAttempt;
  readonly #options: Required<OutputOptions>;
  readonly #part: string;
  readonly #waiting: { readonly chunk: Json; readonly bytes: number }[] = [];
  #waitingBytes = 0;
  #bytes = 0;
  #isOver = false;
  #timer: AbortController | undefined;
  /** All flushes so far; rejected for good once one has failed. */
  #flushed: Promise<void> = Promise.resolve();

  constructor(pass: Pass, attempt: OutputAttempt, options: OutputOptions) {
    this.#pass = pass;
    this.#attempt = attempt;
    this.#options = { flushMs: 500, flushBytes: 16 * 1024, maxBytes: 4 * 1024 * 1024, ...options };
    this.#part = `${pass.record.epoch}.${attempt.attempt}`;
  }

  publish(chunk: unknown): void {
    this.#expectOpen();
    const payload = { ...this.#place, chunk: this.#encoded(chunk).chunk };
    this.#pass.show({ type: "step.published", at: isoTime(this.#pass.host.clock.now()), payload });
  }

  write(chunk: unknown): Promise<void> {
    this.#expectOpen();
    const encoded = this.#encoded(chunk);
    const { flushBytes, maxBytes } = this.#options;
    if (this.#bytes + encoded.bytes > maxBytes) {
      throw new DurableError("too_large", `the output of ${this.#name} would take more than ${maxBytes} bytes`, {
        hint: "let the step return a reference, or raise maxBytes",
      });
    }
    this.#bytes += encoded.bytes;
    this.#waitingBytes += encoded.bytes;
    this.#waiting.push(encoded);
    if (this.#waitingBytes >= flushBytes) return this.flush();
    this.#flushLater();
    return Promise.resolve();
  }

  flush(): Promise<void> {
    this.#timer?.abort("flushed");
    this.#timer = undefined;
    this.#flushed = this.#flushed.then(() => this.#flushNow());
    // An attempt that does not await it learns of the failure at its end.
    this.#flushed.catch(() => {});
    return this.#flushed;
  }

  async end(): Promise<void> {
    const flushed = this.flush();
    this.#isOver = true;
    await flushed;
  }

  async #flushNow(): Promise<void> {
    while (this.#waiting.length > 0) {
      const chunks = this.#nextBatch();
      if (!(await this.#commit(chunks))) throw this.#attempt.signal.reason;
    }
  }

  async #commit(chunks: readonly Json[]): Promise<boolean> {
    try {
      return await this.#pass.commit((record, _, now) =>
        this.#isTimedOut ? undefined : { record, events: [event("step.output", now, { ...this.#place, chunks })] },
      );
    } catch (error) {
      // It may have been made. The fault of the medium is not the step's: the run is taken again once its lease lapses.
      if (!isMediumFault(error)) throw error;
      this.#pass.host.onError(error, contextOf(this.#pass.record, this.#attempt.stepId));
      throw this.#pass.lose("an output may have been stored");
    }
  }

  #nextBatch(): readonly Json[] {
    const chunks: Json[] = [];
    for (let bytes = 0; chunks.length < maxBatchChunks; ) {
      const [next] = this.#waiting;
      if (next === undefined || bytes + next.bytes > maxBatchBytes) break;
      bytes += next.bytes;
      this.#waitingBytes -= next.bytes;
      chunks.push(next.chunk);
      this.#waiting.shift();
    }
    return chunks;
  }

  #flushLater(): void {
    if (this.#timer !== undefined) return;
    const timer = new AbortController();
    this.#timer = timer;
    const { clock, onError } = this.#pass.host;
    clock.sleep(this.#options.flushMs, timer.signal).then(() => {
      if (!timer.signal.aborted) void this.flush();
    }, onError);
  }

  #encoded(given: unknown) {
    const chunk = encodeValue(given, "chunk", bytesAtMost(maxChunkBytes));
    const { bytes, depth } = sizeOf(chunk);
    if (bytes > maxChunkBytes || depth > maxChunkDepth) {
      const most =
        bytes > maxChunkBytes ? `takes more than ${maxChunkBytes} bytes` : `has more than ${maxChunkDepth} levels`;
      throw new DurableError("too_large", `a chunk of ${this.#name} ${most}`, { hint: "write smaller chunks" });
    }
    // With its comma.
    return { chunk, bytes: bytes + 1 };
  }

  get #place() {
    return { step_id: this.#attempt.stepId, part: this.#part };
  }

  get #name(): string {
    return `step "${this.#attempt.stepId}"`;
  }

  /** True once another attempt may have begun under the same lease: an attempt that timed out goes on unseen. */
  get #isTimedOut(): boolean {
    const { signal } = this.#attempt;
    return signal.aborted && isDurableError(signal.reason, "step_timeout");
  }

  #expectOpen(): void {
    if (!this.#isOver && !this.#isTimedOut) return;
    throw invalidRequest("output", `this attempt at ${this.#name} is over, so its output has ended`);
  }
}
