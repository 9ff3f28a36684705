import { isoTime } from "../clock.ts";
import type { Json } from "../json.ts";
import { present } from "../json.ts";
import type { NewEvent } from "./event.ts";
import { type ApprovalRequest, event, isTerminal, type RunRecord, type Wait } from "./run.ts";

/** A wait for a person. */
export type Gate = Extract<Wait, { kind: "approval" }>;

/** The open gates of the run, in the order in which they were opened. */
export function openGates({ waits, confirmed }: RunRecord<unknown>): readonly Gate[] {
  return waits.filter(
    (wait): wait is Gate =>
      wait.kind === "approval" &&
      wait.decision === undefined &&
      !(wait.reason === "confirmation" && confirmed.includes(wait.capabilityId ?? "")),
  );
}

/** The part of a gate that a run shows. */
export function requestOf({ stepId, capabilityId, since }: Gate): ApprovalRequest {
  return { stepId, ...present({ capabilityId }), status: "pending", requestedAt: isoTime(since) };
}

/**
 * The record with its first open gate shown as the run's approval request, and without a request whose gate is gone. A
 * decision stays on record until the next gate opens.
 */
export function withOpenGate<V>(record: RunRecord<V>): RunRecord<V> {
  const { run } = record;
  const gates = isTerminal(run.status) ? [] : openGates(record);
  const shown = run.approvalRequest;
  if (shown?.status === "pending" && gates.some((gate) => gate.stepId === shown.stepId)) return record;
  const [first] = gates;
  if (first !== undefined) return { ...record, run: { ...run, approvalRequest: requestOf(first) } };
  if (shown?.status !== "pending") return record;
  const { approvalRequest: _, ...rest } = run;
  return { ...record, run: rest };
}

/** The event of a gate that was opened. */
export function gateAsked({ stepId, capabilityId, reason }: Gate, now: number): NewEvent<Json> {
  return event("step.waiting", now, { step_id: stepId, kind: "approval", capability_id: capabilityId ?? null, reason });
}
