import { isoTime } from "../clock.ts";
import { invalidRequest } from "../errors.ts";
import { type Json, present } from "../json.ts";
import type { NewEvent } from "./event.ts";
import { disallowed } from "./lifecycle.ts";
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

/**
 * The gate of that step, or the first open one.
 *
 * @throws `invalid_request` if that step has no open gate, and `invalid_transition` if the run is executed and has none.
 */
export function gateOf(record: RunRecord<unknown>, stepId: string | undefined, type: "approve" | "deny"): Gate {
  const { runId, status } = record.run;
  const gates = openGates(record);
  const found = gates.find((gate) => stepId === undefined || gate.stepId === stepId);
  if (found !== undefined) return found;
  if (stepId !== undefined && (status === "waiting_for_human" || (status === "running" && gates.length > 0))) {
    throw invalidRequest("step_id", `run "${runId}" has no open gate at step "${stepId}"`);
  }
  if (status === "running") throw disallowed(record.run, type, " and has no open gate");
  // In every such status, the lifecycle rejects the event, with an error of its own.
  return { kind: "approval", stepId: stepId ?? "", since: 0, reason: "approval" };
}

/**
 * The record after a person opened that gate. A confirmation holds for the capability in the whole run; any other
 * decision is about one action of the step that asked, whatever the action's name.
 */
export function opened(
  record: RunRecord<Json>,
  gate: Gate,
  decision: Omit<NonNullable<Gate["decision"]>, "at">,
  now: number,
): RunRecord<Json> {
  const { waits, confirmed } = record;
  const { reason, capabilityId } = gate;
  if (reason !== "confirmation") {
    const decided: Gate = { ...gate, decision: { ...decision, at: isoTime(now) } };
    return { ...record, waits: waits.map((wait) => (wait === gate ? decided : wait)) };
  }
  return {
    ...record,
    waits: waits.filter((wait) => wait !== gate),
    confirmed: capabilityId === undefined ? confirmed : [...new Set([...confirmed, capabilityId])],
  };
}

/** The part of a gate that a run shows. */
export function requestOf({ stepId, capabilityId, show, since }: Gate): ApprovalRequest<Json> {
  return { stepId, ...present({ capabilityId, show }), status: "pending", requestedAt: isoTime(since) };
}

/**
 * The record with its first open gate shown as the run's approval request, and without a request whose gate is gone. A
 * decision stays on record until the next gate opens.
 */
export function withOpenGate(record: RunRecord<Json>): RunRecord<Json> {
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
