import { CheckpointPanel } from "./checkpoint-panel.ts";
import type { Inspector } from "./inspector.ts";
import { LineagePanel } from "./lineage-panel.ts";
import { LiveSteps } from "./live-steps.ts";
import { foldedRows, mapOfStep } from "./map-rows.ts";
import { OutputPanel } from "./output-panel.ts";
import { type Problem, problemOf } from "./problem.ts";
import { hashOf, type Route, type RunTab } from "./route.ts";
import { RowList } from "./row-list.ts";
import { RunFeed } from "./run-feed.ts";
import { RunLog } from "./run-log.ts";
import { SchedulePanel } from "./schedule-panel.ts";
import { type StepRow, type Timeline, timelineOf } from "./step-rows.ts";
import { planCheckpoint, planOf, type Undoing, type UndoingPlan, undoingOf } from "./undoing.ts";
import { isTerminal, type JsonObject, type RunAnswer, type TraceStep } from "./wire.ts";

export const stepRowHeight = 34;
const eventRowHeight = 30;

/** One run: its data, and what the reader selected. */
export class RunPage {
  readonly app: Inspector;
  readonly runId: string;
  readonly log = new RunLog();
  readonly live = new LiveSteps();
  readonly feed: RunFeed;
  readonly steps: RowList;
  readonly events: RowList;
  readonly panel: CheckpointPanel;
  readonly output: OutputPanel;
  readonly schedule: SchedulePanel;
  readonly lineage: LineagePanel;
  tab: RunTab = "timeline";
  /** The selected checkpoint; undefined while the page follows the head. */
  chosen: string | undefined;
  problem: Problem | undefined;
  isLive = false;
  /** Whether the axis shows the whole run or the steps in view. If undefined, the number of steps decides. */
  zoom: "run" | "view" | undefined;
  /** The events in the list. */
  readonly openEvents = new Set<string>();
  #trace: readonly TraceStep[] = [];
  #traceHead: string | null | undefined;
  #undoing: Undoing | undefined;
  #plan: UndoingPlan | undefined;
  /** The checkpoint that the plan is read from. */
  #planAt: string | undefined;
  #timeline: Timeline | undefined;
  #timelineKey = "";
  /** The timeline with the steps of each map behind one row. */
  #folded: Timeline | undefined;
  readonly #openMaps = new Set<string>();
  #lastStep = -1;

  constructor(app: Inspector, runId: string) {
    this.app = app;
    this.runId = runId;
    const onChange = () => app.update();
    this.steps = new RowList({ rowHeight: stepRowHeight, onChange, onOpen: (index) => this.chooseStep(index) });
    this.events = new RowList({ rowHeight: eventRowHeight, onChange, onOpen: (index) => this.chooseEvent(index) });
    this.panel = new CheckpointPanel(app, runId);
    this.output = new OutputPanel(app, this.log, this.live);
    this.schedule = new SchedulePanel(app, runId);
    this.lineage = new LineagePanel(app, runId);
    this.feed = new RunFeed(app.service, runId, this.log, {
      changed: () => {
        this.problem = undefined;
        this.#readTrace();
        this.#readPlan();
        if (this.run !== undefined) void this.schedule.read(this.run.skill_id);
        this.#follow();
      },
      connected: (isLive) => {
        this.isLive = isLive;
        if (isLive) this.problem = undefined;
        app.update();
      },
      failed: (problem) => this.#failed(problem),
      live: (message) => {
        this.live.take(message);
        app.update();
      },
    });
    void this.feed.start();
  }

  get run(): RunAnswer | undefined {
    return this.feed.run;
  }

  show({ tab, checkpoint }: Extract<Route, { page: "run" }>): void {
    this.tab = tab;
    this.chosen = checkpoint;
    if (tab === "lineage") this.lineage.read();
    this.#follow();
  }

  stop(): void {
    this.feed.stop();
    this.panel.stop();
    this.schedule.stop();
  }

  get timeline(): Timeline {
    const whole = this.#whole;
    this.#folded ??= { ...whole, rows: foldedRows(whole.rows, this.#openMaps) };
    return this.#folded;
  }

  /** How far the run has undone its steps, if it does. */
  get undoing(): Undoing | undefined {
    return this.#whole && this.#undoing;
  }

  /** True if the row is below that of its map. */
  isItem(row: StepRow): boolean {
    const map = mapOfStep(row);
    return map !== undefined && this.#openMaps.has(map);
  }

  get #whole(): Timeline {
    const run = this.run as RunAnswer;
    const key = `${this.log.version} ${this.live.version} ${run.status} ${run.waiting_on} ${this.#traceHead} ${this.app.skills.length}`;
    if (this.#timeline === undefined || key !== this.#timelineKey) {
      const skill = this.app.skills.find(({ skill_id }) => skill_id === run.skill_id);
      this.#timeline = timelineOf(this.log, run, skill, this.#trace, this.live.attempts);
      this.#undoing = undoingOf(this.log, run, this.#timeline.rows, this.#plan);
      this.#timelineKey = key;
      this.#folded = undefined;
    }
    return this.#timeline;
  }

  /** The index of the shown checkpoint; -1 if there is none. */
  get place(): number {
    const { checkpoints } = this.log;
    if (this.chosen === undefined) return checkpoints.length - 1;
    return checkpoints.findLastIndex(({ id }) => id === this.chosen);
  }

  /** Shows the checkpoint. The last one is followed when new ones arrive. */
  choose(place: number): void {
    const { checkpoints } = this.log;
    const index = Math.max(0, Math.min(place, checkpoints.length - 1));
    const checkpoint = checkpoints[index];
    if (checkpoint === undefined) return;
    const isHead = index === checkpoints.length - 1;
    const { tab } = this;
    this.app.go({ page: "run", runId: this.runId, tab, ...(isHead ? {} : { checkpoint: checkpoint.id }) }, "replace");
  }

  chooseStep(index: number): void {
    this.steps.active = index;
    const row = this.timeline.rows[index];
    if (row?.map !== undefined) {
      if (!this.#openMaps.delete(row.stepId)) this.#openMaps.add(row.stepId);
      this.#folded = undefined;
      this.app.update();
      return;
    }
    const id = row?.checkpoints.at(-1);
    const place = this.log.checkpoints.findLastIndex((checkpoint) => checkpoint.id === id);
    if (row !== undefined) this.panel.showStep(row, this.output.has(row.stepId));
    if (row !== undefined && this.output.has(row.stepId)) this.output.choose(row.stepId);
    if (id !== undefined && place >= 0) this.choose(place);
    this.app.update();
  }

  chooseEvent(index: number): void {
    this.events.active = index;
    const event = this.log.events[index];
    if (event === undefined) return;
    const { payload } = event;
    const place = this.log.checkpoints.findLastIndex(({ id }) => id === payload.checkpoint_id);
    if (place >= 0) this.choose(place);
    this.panel.showEvent(event);
    this.app.update();
  }

  hashOf(tab: RunTab): string {
    return hashOf({ page: "run", runId: this.runId, tab, ...(this.chosen ? { checkpoint: this.chosen } : {}) });
  }

  onKey(event: KeyboardEvent): boolean {
    switch (event.key) {
      case "Escape":
        this.app.go(this.app.listRoute);
        return true;
      case "[":
        this.choose(this.place - 1);
        return true;
      case "]":
        this.choose(this.place + 1);
        return true;
    }
    if (event.composedPath().some((part) => part instanceof Element && part.hasAttribute("data-keys"))) return false;
    const list = this.tab === "timeline" ? this.steps : this.tab === "events" ? this.events : undefined;
    if (list?.onKey(event) !== true) return false;
    list.focus();
    return true;
  }

  /** The step of the shown checkpoint. */
  get shownStep(): StepRow | undefined {
    const { stepId } = this.log.checkpoints[this.place] ?? {};
    return stepId === undefined ? undefined : this.#whole.rows.find((row) => row.stepId === stepId);
  }

  #failed(problem: Problem): void {
    this.problem = problem;
    if (problem.code === "unauthorized") this.app.failed(problem);
    this.app.update();
  }

  #follow(): void {
    const checkpoint = this.log.checkpoints[this.place];
    // The first checkpoint of a descendant has no event of its own: it was copied from the source.
    const id = checkpoint?.id ?? this.chosen ?? this.run?.checkpoint_head ?? undefined;
    this.panel.show(id, this.chosen === undefined);
    if (this.run !== undefined) this.#followStep();
    this.app.update();
  }

  /** Follows the step that ended last, as long as the reader does not select another. */
  #followStep(): void {
    const before = this.#lastStep;
    this.#lastStep = this.timeline.rows.findLastIndex(({ segments }) => segments.length > 0);
    if (this.chosen !== undefined || this.#lastStep <= before) return;
    if (before >= 0 && this.steps.isInView(before)) queueMicrotask(() => this.steps.reveal(this.#lastStep));
  }

  /** Reads which steps the run undoes, and why: the events do not say it. */
  #readPlan(): void {
    const id = planCheckpoint(this.log);
    if (id === undefined || id === this.#planAt) return;
    this.#planAt = id;
    const { service, signal } = this.app;
    this.app.updateAfter(
      service.checkpoint(this.runId, id, { signal }).then(
        ({ state }) => {
          this.#plan = planOf(state as JsonObject);
          this.#timeline = undefined;
        },
        (error) => {
          this.problem = problemOf(error);
        },
      ),
    );
  }

  /** Reads what the events do not contain: steps from another run, and when the failed step began. */
  #readTrace(): void {
    const { run } = this;
    const isTraced = run !== undefined && (isTerminal(run.status) || typeof run.metadata.source_run_id === "string");
    if (!isTraced || run.checkpoint_head === this.#traceHead) return;
    this.#traceHead = run.checkpoint_head;
    const { service, signal } = this.app;
    this.app.updateAfter(
      service.trace(this.runId, { signal }).then(
        ({ steps }) => {
          this.#trace = steps;
          this.#timeline = undefined;
        },
        (error) => {
          this.problem = problemOf(error);
        },
      ),
    );
  }
}
