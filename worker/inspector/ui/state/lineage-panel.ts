import type { Inspector } from "./inspector.ts";
import { type Problem, problemOf } from "./problem.ts";
import type { LineageAnswer } from "./wire.ts";

const freshMs = 5_000;

/** The run with its ancestors and descendants. */
export class LineagePanel {
  readonly runId: string;
  answer: LineageAnswer | undefined;
  problem: Problem | undefined;
  readonly #app: Inspector;
  #readAt = 0;

  constructor(app: Inspector, runId: string) {
    this.#app = app;
    this.runId = runId;
  }

  read(): void {
    const { service, signal } = this.#app;
    this.#readAt = Date.now();
    this.#app.updateAfter(
      service.lineage(this.runId, { signal }).then(
        (answer) => {
          this.answer = answer;
          this.problem = undefined;
        },
        (error) => {
          if (!signal.aborted) this.problem = problemOf(error);
        },
      ),
    );
  }

  /** Reads the lineage again, unless it was read just now. */
  refresh(): void {
    if (Date.now() - this.#readAt > freshMs) this.read();
  }
}
