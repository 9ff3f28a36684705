import type { CapabilityDefinition, StepContext } from "../capability.ts";
import { getOwn, type Json } from "../json.ts";
import { present } from "../present.ts";
import type { RunRecord } from "../run.ts";
import {
  type Attributes,
  failureFrom,
  type Observation,
  type Observer,
  observe,
  observedStore,
  runTrace,
} from "../telemetry.ts";
import type { AttemptOutcome } from "./attempt.ts";
import type { Change, WriteOutcome } from "./held.ts";
import type { Host } from "./host.ts";

/** A pass that is measured. */
interface ObservedPass {
  /** The host, as the pass is to use it: what it asks of the store stands below the pass. */
  readonly host: Host;
  readonly within: Observation["within"];
  end(record: RunRecord<Json>, how: { readonly isLost: boolean; readonly failure: unknown }): void;
}

/** Begins to measure a pass; nothing where nobody wants to know. */
export function observePass(host: Host, { run }: RunRecord<Json>): ObservedPass | undefined {
  const observation = host.observer?.begin("orca.pass.duration", {
    name: `pass ${run.skillId}`,
    kind: "internal",
    attributes: { "orca.skill.id": run.skillId },
    spanAttributes: {
      "orca.run.id": run.runId,
      "orca.tenant.id": run.tenantId ?? "",
      "orca.executor.id": host.executor,
    },
    ...present({ parent: runTrace(run.traceId) }),
  });
  if (observation === undefined) return undefined;
  const { observer, within, end } = observation;
  return {
    host: under(host, observer),
    within,
    end({ run: { status } }, { isLost, failure }) {
      const outcome = { "orca.run.status": status, "orca.pass.is_lost": isLost };
      end(outcome, isLost || failure === undefined ? undefined : failureFrom(failure));
    },
  };
}

function under(host: Host, observer: Observer): Host {
  return { ...host, observer, store: observedStore(host.bareStore, observer) };
}

/** Measures a drain where somebody wants to know. `drain` is given the host that it is to use. */
export async function observeDrain<T>(host: Host, drain: (host: Host) => Promise<T>): Promise<T> {
  const observation = host.observer?.begin("orca.drain.duration", {
    name: "drain",
    kind: "internal",
    attributes: {},
    spanAttributes: { "orca.executor.id": host.executor },
  });
  if (observation === undefined) return drain(host);
  return observe(observation, () => drain(under(host, observation.observer)));
}

/** Counts the due runs that a drain saw. */
export function countDrained(
  { observer }: Host,
  seen: { readonly taken: number; readonly passedOver: number; readonly left: number },
): void {
  observer?.add("orca.drain.runs", { "orca.drain.outcome": "taken" }, seen.taken);
  observer?.add("orca.drain.runs", { "orca.drain.outcome": "passed_over" }, seen.passedOver);
  observer?.add("orca.drain.runs", { "orca.drain.outcome": "left" }, seen.left);
}

/** Calls a handler, and measures that where somebody wants to know. */
export function observeAttempt(
  { observer }: Host,
  { id }: CapabilityDefinition,
  { runId, stepId, attempt }: Pick<StepContext, "runId" | "stepId" | "attempt">,
  call: () => Promise<AttemptOutcome>,
): Promise<AttemptOutcome> {
  if (observer === undefined) return call();
  const observation = observer.begin("orca.attempt.duration", {
    name: `attempt ${id}`,
    kind: "internal",
    attributes: { "orca.capability.id": id },
    spanAttributes: { "orca.run.id": runId, "orca.step.id": stepId, "orca.step.attempt": attempt },
  });
  return observe(observation, call, (outcome) =>
    outcome.kind === "failed" ? { type: outcome.error.code, message: outcome.error.message } : undefined,
  );
}

/** Counts a commit by what came of it. */
export async function countCommit<T extends Pick<WriteOutcome, "kind">>(
  { observer }: Host,
  deliver: () => Promise<T>,
): Promise<T> {
  if (observer === undefined) return deliver();
  const count = (outcome: T["kind"] | "failed") => observer.add("orca.commits", { "orca.commit.outcome": outcome });
  try {
    const delivery = await deliver();
    count(delivery.kind);
    return delivery;
  } catch (error) {
    count("failed");
    throw error;
  }
}

/** Counts what a commit has added to a run's history, so that what is measured agrees with what is remembered. */
export function countWritten({ observer }: Host, { record, events, checkpoint }: Change): void {
  if (observer === undefined) return;
  const skill: Attributes = { "orca.skill.id": record.run.skillId };
  const settled = new Set<string>();
  for (const { type, payload } of events) {
    observer.add("orca.events", { ...skill, "orca.event.type": type });
    if (type === "step.completed" || type === "step.failed") settled.add(String(payload.step_id));
  }
  if (checkpoint === undefined) return;
  observer.add("orca.events", { ...skill, "orca.event.type": "checkpoint.saved" });
  for (const stepId of settled) {
    const result = getOwn(checkpoint.state.stepResults, stepId);
    if (result === undefined) continue;
    observer.record("orca.step.duration", (result.latencyMs ?? 0) / 1000, {
      ...skill,
      "orca.capability.id": result.uses,
      "orca.step.status": result.status,
    });
  }
}
