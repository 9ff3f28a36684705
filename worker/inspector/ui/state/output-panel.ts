import type { Inspector } from "./inspector.ts";
import type { LiveSteps, Published } from "./live-steps.ts";
import type { LoggedChunk, RunLog } from "./run-log.ts";

/** How many chunks are drawn at first, and how many more at a time. */
const pageSize = 500;

/** The chunks that one attempt at a step has written. */
export interface OutputPart {
  readonly part: string;
  readonly chunks: readonly LoggedChunk[];
}

/** The output of the steps of a run: what is stored, from its end, and what was published since the page was opened. */
export class OutputPanel {
  readonly #app: Pick<Inspector, "update">;
  readonly #log: RunLog;
  readonly #live: LiveSteps;
  #chosen: string | undefined;
  #most = pageSize;

  constructor(app: Pick<Inspector, "update">, log: RunLog, live: LiveSteps) {
    this.#app = app;
    this.#log = log;
    this.#live = live;
  }

  /** The steps that have output. */
  get steps(): readonly string[] {
    return [...new Set([...this.#log.outputs.keys(), ...this.#live.published.keys()])];
  }

  has(stepId: string): boolean {
    return this.#log.outputs.has(stepId) || this.#live.published.has(stepId);
  }

  /** The chosen step; otherwise the last one that began to write. */
  get stepId(): string | undefined {
    return this.#chosen ?? this.steps.at(-1);
  }

  choose(stepId: string): void {
    if (stepId !== this.#chosen) this.#most = pageSize;
    this.#chosen = stepId;
    this.#app.update();
  }

  /** How many chunks are before those in `parts`. */
  get earlier(): number {
    return Math.max(0, this.#chunks.length - this.#most);
  }

  showEarlier(): void {
    this.#most += pageSize;
    this.#app.update();
  }

  /** The last chunks, by the attempts that wrote them. */
  get parts(): readonly OutputPart[] {
    const parts: { part: string; chunks: LoggedChunk[] }[] = [];
    for (const chunk of this.#chunks.slice(-this.#most)) {
      const last = parts.at(-1);
      if (last?.part === chunk.part) last.chunks.push(chunk);
      else parts.push({ part: chunk.part, chunks: [chunk] });
    }
    return parts;
  }

  get published(): readonly Published[] {
    return this.#live.published.get(this.stepId ?? "") ?? [];
  }

  get #chunks(): readonly LoggedChunk[] {
    return this.#log.outputs.get(this.stepId ?? "") ?? [];
  }
}
