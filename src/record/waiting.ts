import { isoTime } from "../clock.ts";
import type { RunId } from "../ids.ts";
import { present } from "../json.ts";
import { openGates } from "./gate.ts";
import { dueAt, endOf, isTerminal, type RunRecord, type Wait } from "./run.ts";

/** What a run can wait for. */
export const waitingOns = ["executing", "sleep", "retry", "signal", "gate", "child", "unserved"] as const;

/** One of `waitingOns`. */
export type WaitingOn = (typeof waitingOns)[number];

/** Why a run that has not ended does not go on at this moment, as its row says. */
export interface Waiting {
  /**
   * - `executing`: an executor has it, or it is due and the next executor takes it.
   * - `sleep`, `retry`, `signal`, `gate`, `child`: each step that it could take waits. If they wait for several things, this
   * is a gate, else a signal or a child, else the nearest time.
   * - `unserved`: no executor that looked at it could continue it, because none has its skill or can read its state.
   */
  readonly on: WaitingOn;
  /** The step that waits. Absent if the run is executed or unserved, or has a delayed start. */
  readonly stepId?: string;
  /** The name of the signal. */
  readonly signal?: string;
  /** The child run. */
  readonly childRunId?: string;
  /**
   * When an executor looks at the run next, if nothing happens before: the nearest end of a wait, the next look at an
   * unserved run, or the end of the lease. A time in the past means that no executor serves what is due.
   */
  readonly nextAt?: string;
  /** The error of the last attempt at a step that is tried again, as long as that step has not settled. */
  readonly lastError?: LastError;
}

/** Why an attempt failed. */
export interface LastError {
  /** A stable word, such as `step_failed`. */
  readonly code: string;
  /** Cut after 200 characters; the event `step.retry_scheduled` has all of it. */
  readonly message: string;
  readonly stepId: string;
  /** The attempt that failed, 1 for the first. */
  readonly attempt: number;
}

/** Derives from the record why its run does not go on; nothing if the run has ended, or waits for an explicit start. */
export function waitingOf(record: RunRecord<unknown>): Waiting | undefined {
  const { run, lease, unservedCount, waits } = record;
  const due = dueAt(record);
  if (isTerminal(run.status) || (run.status === "pending" && due === undefined)) return undefined;
  const retry = waits.findLast((wait) => wait.kind === "retry" && wait.error !== "");
  return {
    ...(lease === undefined && unservedCount > 0 ? { on: "unserved" as const } : reason(record)),
    ...present({
      nextAt: due === undefined ? undefined : isoTime(due),
      lastError: retry?.kind === "retry" ? lastError(retry) : undefined,
    }),
  };
}

function reason(record: RunRecord<unknown>): Pick<Waiting, "on" | "stepId" | "signal" | "childRunId"> {
  const { run, lease, wakeAt, waits } = record;
  if (run.status === "pending") return { on: "sleep" };
  if (lease !== undefined || wakeAt !== undefined) return { on: "executing" };
  const [gate] = openGates(record);
  if (gate !== undefined) return { on: "gate", stepId: gate.stepId };
  const named = waits.find((wait) => wait.kind === "signal");
  if (named?.kind === "signal") {
    const { stepId, name } = named;
    const childRunId = childOf(name);
    return childRunId === undefined ? { on: "signal", stepId, signal: name } : { on: "child", stepId, childRunId };
  }
  // A gate that was decided is over.
  const [timer] = waits.filter(({ kind }) => kind !== "approval").toSorted((a, b) => endOf(a) - endOf(b));
  return timer === undefined ? { on: "executing" } : { on: timer.kind as "sleep" | "retry", stepId: timer.stepId };
}

function lastError({ code = "step_failed", error, stepId, attempts }: Extract<Wait, { kind: "retry" }>): LastError {
  return { code, message: error, stepId, attempt: attempts };
}

const childMark = "→ ";

/**
 * The name for which a parent waits. Signals have names of printable ASCII, so that no signal is mistaken for the end of
 * a child.
 */
export function endOfChild(runId: RunId): string {
  return childMark + runId;
}

/** The child for whose end a parent waits under that name. */
export function childOf(name: string): string | undefined {
  return name.startsWith(childMark) ? name.slice(childMark.length) : undefined;
}
