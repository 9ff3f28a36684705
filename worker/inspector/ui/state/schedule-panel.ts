import type { Inspector } from "./inspector.ts";
import { type Problem, problemOf } from "./problem.ts";
import type { ScheduleAnswer } from "./wire.ts";

/** The skill that executes schedules. */
const scheduleSkill = "orca.schedule";

/** How often a schedule is read, in milliseconds: its ticks leave no events. */
const againMs = 2_000;

/** What can be asked of a schedule. */
export type ScheduleAction = "pause" | "resume" | "trigger";

const said: Readonly<Record<ScheduleAction, string>> = {
  pause: "The schedule is paused.",
  resume: "The schedule goes on.",
  trigger: "A run of the schedule was triggered.",
};

/** The schedule that a run is, if the service offers schedules. */
export class SchedulePanel {
  answer: ScheduleAnswer | undefined;
  problem: Problem | undefined;
  /** The action in progress. */
  acting: ScheduleAction | undefined;
  readonly #app: Pick<Inspector, "schedules" | "signal" | "update" | "dialogs">;
  readonly #runId: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;

  constructor(app: Pick<Inspector, "schedules" | "signal" | "update" | "dialogs">, runId: string) {
    this.#app = app;
    this.#runId = runId;
  }

  /** Reads the schedule, again and again. A run of another skill is none, and a service without schedules has none. */
  async read(skillId: string): Promise<void> {
    if (skillId !== scheduleSkill || this.problem?.code === "not_found") return;
    const { schedules, signal } = this.#app;
    try {
      this.answer = await schedules.get(this.#runId, { signal });
      this.problem = undefined;
    } catch (error) {
      if (signal.aborted) return;
      this.problem = problemOf(error);
    }
    clearTimeout(this.#timer);
    const isOver = this.#isStopped || this.answer?.status === "ended" || this.problem?.code === "not_found";
    if (!isOver) this.#timer = setTimeout(() => void this.read(skillId), againMs);
    this.#app.update();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async act(action: ScheduleAction): Promise<void> {
    if (this.acting !== undefined) return;
    this.acting = action;
    this.#app.update();
    const { schedules, dialogs } = this.#app;
    try {
      this.answer = await schedules.act(this.#runId, action);
      dialogs.say(said[action]);
    } catch (error) {
      dialogs.show({ kind: "problem", title: `The schedule could not ${action}`, problem: problemOf(error) });
    }
    this.acting = undefined;
    this.#app.update();
  }
}
