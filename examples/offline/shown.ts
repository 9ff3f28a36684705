import type { CheckpointRecord, ExecutionState, Runs } from "../../src/index.ts";
import type { HistoryEntry, Run } from "../../src/types.ts";
import type { Chart } from "./chart.ts";
import type { SavedReport } from "./files.ts";
import type { Phrase } from "./phrases.ts";
import type { Inputs } from "./settings.ts";

/** A run with everything that the page shows of it. */
export interface Shown {
  readonly run: Run;
  readonly inputs: Inputs;
  readonly steps: readonly ShownStep[];
  readonly checkpoints: readonly CheckpointRecord[];
  /** How often another executor took the run over. */
  readonly recoveries: number;
  readonly phrases: readonly Phrase[] | undefined;
  readonly chart: Chart | undefined;
  readonly report: string | undefined;
  readonly file: SavedReport | undefined;
}

export interface ShownStep {
  readonly id: StepId;
  readonly does: string;
  readonly state: "waiting" | "running" | "your turn" | "done" | "inherited" | "failed";
}

/** The steps of the skill, each with the steps that it waits for. */
const plan = {
  read: { does: "takes the file apart", after: [] },
  statistics: { does: "counts and measures", after: ["read"] },
  phrases: { does: "finds key phrases", after: ["read"] },
  chart: { does: "chooses what to draw", after: ["statistics", "phrases"] },
  report: { does: "writes the draft", after: ["chart"] },
  approval: { does: "waits for you", after: ["report"] },
  write: { does: "writes the file", after: ["approval"] },
} as const;

type StepId = keyof typeof plan;

/** Reads what is stored of a run. */
export async function shown(runs: Runs, runId: string): Promise<Shown> {
  const [run, history] = await Promise.all([runs.get(runId), runs.history(runId)]);
  const checkpoints = history.items.flatMap(({ checkpoint }) => checkpoint ?? []);
  const [born, head] = [checkpoints[0], checkpoints.at(-1)];
  if (born === undefined || head === undefined) throw new Error(`run ${runId} has no checkpoint`);
  const [atBirth, now] = await Promise.all([
    runs.loadCheckpoint(runId, born.checkpointId),
    runs.loadCheckpoint(runId, head.checkpointId),
  ]);
  const { state } = now;
  return {
    run,
    inputs: state.inputs as unknown as Inputs,
    steps: stepsOf(run, atBirth.state, state),
    checkpoints,
    recoveries: recoveriesIn(history.items),
    phrases: outputOf(state, "phrases") as readonly Phrase[] | undefined,
    chart: outputOf(state, "chart") as Chart | undefined,
    report: outputOf(state, "report") as string | undefined,
    file: outputOf(state, "write") as SavedReport | undefined,
  };
}

function stepsOf(run: Run, atBirth: ExecutionState, now: ExecutionState): readonly ShownStep[] {
  const isDone = (state: ExecutionState, id: string) => state.stepResults[id]?.status === "completed";
  return (Object.keys(plan) as StepId[]).map((id): ShownStep => {
    const { does, after } = plan[id];
    const stateOf = (): ShownStep["state"] => {
      if (isDone(atBirth, id)) return "inherited";
      if (isDone(now, id)) return "done";
      if (run.error?.stepId === id) return "failed";
      if (!after.every((other) => isDone(now, other))) return "waiting";
      if (id === "approval") return run.status === "waiting_for_human" ? "your turn" : "waiting";
      return run.status === "running" ? "running" : "waiting";
    };
    return { id, does, state: stateOf() };
  });
}

function outputOf(state: ExecutionState, stepId: string): unknown {
  return state.stepResults[stepId]?.producedOutput ?? undefined;
}

function recoveriesIn(history: readonly HistoryEntry[]): number {
  return history.flatMap(({ events }) => events).filter(({ eventType }) => eventType === "run.recovered").length;
}
