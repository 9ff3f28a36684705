import { isoTime } from "../clock.ts";
import { DurableError } from "../errors.ts";
import type { CheckpointId } from "../ids.ts";
import { type ApprovalRequest, type Decision, isTerminal, type Run, type RunError, type RunStatus } from "./run.ts";

/** What can move a run from one status to another. */
export type LifecycleEvent<V = unknown> =
  /** The run begins to execute, or goes on after it waited or was replayed. No caller asks for it at that moment. */
  | { readonly type: "proceed" }
  /** A caller asked for the run to continue from a checkpoint. */
  | { readonly type: "resume"; readonly checkpointId: CheckpointId }
  | { readonly type: "replay" }
  | { readonly type: "wait_for_human"; readonly request: ApprovalRequest<V> }
  | { readonly type: "wait_for_signal" }
  /** A person decided at the gate of `request`. */
  | { readonly type: "approve"; readonly request: ApprovalRequest<V>; readonly decision: Decision }
  | { readonly type: "deny"; readonly request: ApprovalRequest<V>; readonly decision: Decision }
  | { readonly type: "complete"; readonly result: V | null }
  | { readonly type: "fail"; readonly error: RunError }
  | { readonly type: "cancel" };

/** The type of a lifecycle event. */
export type LifecycleEventType = LifecycleEvent["type"];

/**
 * The next status for each status and event; every other pair is rejected.
 *
 * A running run can be resumed only if its lease has lapsed. That is not a matter of status; the code that knows the
 * lease decides it. Source: the ORCA durability contract, section 2; `pending -> canceled` is ours.
 */
export const lifecycle: { readonly [S in RunStatus]: { readonly [E in LifecycleEventType]?: RunStatus } } = {
  pending: { proceed: "running", resume: "running", cancel: "canceled" },
  running: {
    wait_for_human: "waiting_for_human",
    wait_for_signal: "waiting_for_signal",
    replay: "replaying",
    complete: "completed",
    fail: "failed",
    cancel: "canceled",
    resume: "running",
    // For a gate that is open while other steps are still in flight.
    approve: "running",
    deny: "canceled",
  },
  waiting_for_human: {
    approve: "running",
    deny: "canceled",
    proceed: "running",
    resume: "running",
    cancel: "canceled",
  },
  waiting_for_signal: { proceed: "running", resume: "running", cancel: "canceled" },
  replaying: { proceed: "running", resume: "running", fail: "failed", cancel: "canceled" },
  completed: {},
  failed: { resume: "running" },
  canceled: { resume: "running" },
};

/** The result of {@link transition}: the next run, or a refusal. */
export type Transition<V> =
  | { readonly kind: "moved"; readonly run: Run<V> }
  | { readonly kind: "refused"; readonly error: DurableError };

/**
 * The run after the event, or a typed refusal that changes nothing. `at` is the time of the event, ISO-8601.
 */
export function transition<V>(run: Run<V>, event: LifecycleEvent<V>, at: string): Transition<V> {
  const status = lifecycle[run.status][event.type];
  if (status === undefined) return { kind: "refused", error: disallowed(run, event.type) };
  const { finishedAt: _, ...rest } = run;
  const moved: Run<V> = {
    ...rest,
    status,
    ...(status === "running" && run.startedAt === undefined && { startedAt: at }),
    ...(isTerminal(status) && { finishedAt: at }),
  };
  return { kind: "moved", run: withOutcome(moved, event, at) };
}

/** The error of an event that a run does not allow in its status, or for a reason of its own. */
export function disallowed(
  { runId, status }: Run<unknown>,
  event: string,
  because = `, which does not allow ${event}`,
): DurableError {
  const details = { status, event };
  const again = status === "completed" ? "replay or fork it" : "resume it explicitly";
  return new DurableError("invalid_transition", `run "${runId}" is ${status}${because}`, {
    details,
    ...(isTerminal(status) && { hint: `${again} to continue` }),
  });
}

function withOutcome<V>(run: Run<V>, event: LifecycleEvent<V>, at: string): Run<V> {
  switch (event.type) {
    case "proceed":
    case "replay":
    case "wait_for_signal":
    case "cancel":
      return run;
    case "resume": {
      const { error: _, approvalRequest, ...rest } = run;
      // An undecided gate will open again; a decision stays on record.
      const isDecided = approvalRequest !== undefined && approvalRequest.status !== "pending";
      return {
        ...rest,
        result: null,
        resumeFromCheckpointId: event.checkpointId,
        ...(isDecided && { approvalRequest }),
      };
    }
    case "wait_for_human":
      return { ...run, approvalRequest: event.request, currentStepId: event.request.stepId };
    case "approve":
    case "deny": {
      const status = event.type === "approve" ? "approved" : "denied";
      return { ...run, approvalRequest: { ...event.request, ...event.decision, status, decidedAt: at } };
    }
    case "complete":
      return { ...run, result: event.result };
    case "fail":
      return { ...run, error: event.error };
  }
}

/**
 * The run after a lifecycle event.
 *
 * @throws `invalid_transition` if the lifecycle does not allow the event; nothing has been written then.
 */
export function moved<V>(run: Run<V>, event: LifecycleEvent<V>, now: number): Run<V> {
  const outcome = transition(run, event, isoTime(now));
  if (outcome.kind === "refused") throw outcome.error;
  return outcome.run;
}
