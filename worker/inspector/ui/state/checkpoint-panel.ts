import type { Inspector } from "./inspector.ts";
import { JsonTree } from "./json-tree.ts";
import { type Problem, problemOf } from "./problem.ts";
import type { StepRow } from "./step-rows.ts";
import type { CheckpointAnswer, ComparisonAnswer, JsonObject, RunEvent } from "./wire.ts";

export const panelTabs = ["state", "changes", "output", "about"] as const;
export type PanelTab = (typeof panelTabs)[number];

const changesPage = 100;
/** The pause between two reads of a moving head. */
const paceMs = 250;

export interface ShownCheckpoint {
  readonly checkpoint: CheckpointAnswer;
  readonly diff: ComparisonAnswer;
}

/** The shown checkpoint: its state, its changes, and the actions on it. */
export class CheckpointPanel {
  readonly tree: JsonTree;
  tab: PanelTab = "state";
  shown: ShownCheckpoint | undefined;
  problem: Problem | undefined;
  /** The selected event, if there is one. */
  event: RunEvent | undefined;
  /** The number of changes that are drawn. */
  changesShown = changesPage;
  readonly #app: Inspector;
  readonly #runId: string;
  #id: string | undefined;
  #work = new AbortController();
  #isReading = false;

  constructor(app: Inspector, runId: string) {
    this.#app = app;
    this.#runId = runId;
    this.tree = new JsonTree(app);
  }

  /** The id of the checkpoint to show. Until it is read, the previous one stays visible. */
  get id(): string | undefined {
    return this.#id;
  }

  /**
   * `isFollowed` is true for the head of a run that continues: another head will follow soon, so a read in progress is not
   * aborted.
   */
  show(id: string | undefined, isFollowed: boolean): void {
    if (id === this.#id) return;
    this.#id = id;
    this.event = undefined;
    if (isFollowed && this.#isReading) return;
    this.#work.abort();
    this.#work = new AbortController();
    if (id !== undefined) void this.#read(id, this.#work.signal);
  }

  stop(): void {
    this.#work.abort();
  }

  showStep(row: StepRow, hasOutput: boolean): void {
    this.event = undefined;
    if (hasOutput) this.tab = "output";
    else if (this.tab === "output") this.tab = "state";
    if (row.checkpoints.length > 0) this.tree.reveal(["step_results", row.stepId]);
  }

  showEvent(event: RunEvent): void {
    this.event = event;
    this.tab = "about";
  }

  choose(tab: PanelTab): void {
    this.tab = tab;
    this.#app.update();
  }

  showMoreChanges(): void {
    this.changesShown += changesPage;
    this.#app.update();
  }

  onKey(event: KeyboardEvent): void {
    if (this.tab === "state" && this.tree.onKey(event)) event.preventDefault();
  }

  async #read(id: string, signal: AbortSignal): Promise<void> {
    this.#isReading = true;
    const { service } = this.#app;
    try {
      const [checkpoint, comparison] = await Promise.all([
        service.checkpoint(this.#runId, id, { signal }),
        service.compare(this.#runId, id, {}, { signal }),
      ]);
      const diff = comparison as ComparisonAnswer;
      this.shown = { checkpoint, diff };
      this.changesShown = changesPage;
      this.problem = undefined;
      this.tree.show(checkpoint.state as JsonObject, diff.changes);
    } catch (error) {
      if (signal.aborted) return;
      this.problem = problemOf(error);
    }
    this.#isReading = false;
    this.#app.update();
    // The head has moved during the read.
    if (this.#id !== undefined && this.#id !== id) setTimeout(() => this.#readNext(signal), paceMs);
  }

  #readNext(signal: AbortSignal): void {
    if (!signal.aborted && !this.#isReading && this.#id !== undefined) void this.#read(this.#id, signal);
  }
}
