import { isoTime } from "../clock.ts";

import type { Json } from "../json.ts";
import { present } from "../present.ts";
import type { NewEvent } from "./event.ts";
import { type ApprovalRequest, isTerminal, type RunRecord, type Wait } from "./run.ts";

/** A wait for a person. */
export type Gate = Extract<Wait, { kind: "approval" }>;

/** The gates of the run that are still to be decided, in the order in which they were asked. */
export function openGates({ waits, confirmed }: RunRecord<unknown>): readonly Gate[] {
  return waits.filter(
    (wait): wait is Gate =>
      wait.kind === "approval" &&
      wait.decision === undefined &&
      !(wait.reason === "confirmation" && confirmed.includes(wait.capabilityId ?? "")),
  );
}

/** What a run shows of a gate. */
export function requestOf({ stepId, capabilityId, since }: Gate): ApprovalRequest {
  return { stepId, ...present({ capabilityId }), status: "pending", requestedAt: isoTime(since) };
}

/**
 * The record with its first open gate shown as the run's approval request, and no request that nothing asks any more. A
 * decision stays on record until the next gate is open.
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

/** The event of a gate that was asked. */
export function gateAsked({ stepId, capabilityId, reason }: Gate, now: number): NewEvent<Json> {
  const payload = { step_id: stepId, kind: "approval", capability_id: capabilityId ?? null, reason };
  return { type: "step.waiting", at: isoTime(now), payload };
}
