import type { RunLog } from "./run-log.ts";
import type { StepRow } from "./step-rows.ts";
import { isTerminal, type Json, type JsonObject, type RunAnswer, textOf } from "./wire.ts";

/** The step that records the plan. */
const planStep = "rollback:";
/** The longest name of a step, in characters. */
const mostName = 256;

/** How it stands with a step that is to be undone. */
export type Undone = "undone" | "undoing" | "not undone";

/** What the run has recorded about its rollback: which steps it undoes, and why. */
export interface UndoingPlan {
  readonly error: string;
  /** The first steps, in the order in which they are undone. */
  readonly steps: readonly string[];
  readonly count: number;
}

/** The rollback of a run. */
export interface Undoing {
  readonly reason: string;
  /** Why, in the words of what the body threw; undefined until the plan is read. */
  readonly error: string | undefined;
  readonly count: number | undefined;
  readonly done: number;
  /** By the ids of the steps. */
  readonly steps: ReadonlyMap<string, Undone>;
}

/** The checkpoint whose state has the plan, once there is one. */
export function planCheckpoint(log: RunLog): string | undefined {
  return log.checkpoints.findLast((checkpoint) => checkpoint.stepId === planStep)?.id;
}

/** The plan in the state of that checkpoint. */
export function planOf(state: JsonObject): UndoingPlan | undefined {
  const result = (state.step_results as JsonObject | undefined)?.[planStep] as JsonObject | undefined;
  const output = result?.produced_output as JsonObject | undefined;
  if (output === undefined || !Array.isArray(output.steps)) return undefined;
  const steps = (output.steps as readonly Json[]).map(String);
  return { error: textOf(output, "error") ?? "", steps, count: Number(output.count ?? steps.length) };
}

/** How far the run has undone its steps; undefined if it does not. */
export function undoingOf(
  log: RunLog,
  run: RunAnswer,
  rows: readonly StepRow[],
  plan: UndoingPlan | undefined,
): Undoing | undefined {
  const begun = log.events.findLast(({ event_type }) => event_type === "run.undoing");
  if (begun === undefined) return undefined;
  const statuses = new Map(rows.map((row) => [row.stepId, row.status]));
  const steps = new Map<string, Undone>();
  const counts = new Map<string, number>();
  for (const id of plan?.steps ?? []) {
    const name = `${planStep} ${id.replace(/#\d+$/, "")}`.slice(0, mostName);
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    const isDone = statuses.get(rollbackId(name, count)) === "completed";
    steps.set(id, isDone ? "undone" : isTerminal(run.status) ? "not undone" : "undoing");
  }
  const done = rows.filter((row) => row.stepId.startsWith(`${planStep} `) && row.status === "completed").length;
  return { reason: textOf(begun.payload, "reason") ?? "", error: plan?.error, count: plan?.count, done, steps };
}

/** The id of the step of that name and count; a name that looks as if it had a count is always followed by one. */
function rollbackId(name: string, count: number): string {
  return count > 1 || /#\d+$/.test(name) ? `${name}#${count}` : name;
}
