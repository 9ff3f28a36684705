import { expectKind, withMethods } from "../argument.ts";
import { getOwn, present } from "../json.ts";
import type { Store } from "../store.ts";
import { type Instrument, type Instrumentation, instrument, type Telemetry } from "./instrumentation.ts";
import {
  type Attributes,
  failureFrom,
  type Observer,
  observe,
  observedStore,
  observerOf,
  runTrace,
  type TelemetryHooks,
} from "./telemetry.ts";

/**
 * Makes the `telemetry` option of a runtime or an app, which calls these hooks.
 *
 * @example
 * ```ts
 * import { defineTelemetry } from "orca-durable/telemetry";
 *
 * export const telemetry = defineTelemetry({
 *   startSpan: ({ name }) => ({ name, beganAt: performance.now() }),
 *   endSpan: ({ name, beganAt }) => console.log(name, performance.now() - beganAt),
 *   record: (instrument, value, attributes) => console.log(instrument, value, attributes),
 * });
 * ```
 */
export function defineTelemetry<Span>(hooks: TelemetryHooks<Span>): Telemetry {
  expectKind(hooks, withMethods("startSpan", "endSpan", "record"), "hooks");
  const untyped = hooks as TelemetryHooks;
  return Object.freeze({
    hooks: untyped,
    [instrument]: ((store, onError) => instrumentation(store, observerOf(untyped, onError))) satisfies Instrument,
  } satisfies Telemetry);
}

function instrumentation(bare: Store, observer: Observer): Instrumentation {
  return {
    store: observedStore(bare, observer),
    pass(executor, run) {
      const { within, end, ...observation } = observer.begin("orca.pass.duration", {
        name: `pass ${run.skillId}`,
        kind: "internal",
        attributes: { "orca.skill.id": run.skillId },
        spanAttributes: {
          "orca.run.id": run.runId,
          "orca.tenant.id": run.tenantId ?? "",
          "orca.executor.id": executor,
        },
        ...present({ parent: runTrace(run.traceId) }),
      });
      return {
        below: instrumentation(bare, observation.observer),
        within,
        end({ status }, { isLost, failure }) {
          const outcome = { "orca.run.status": status, "orca.pass.is_lost": isLost };
          end(outcome, isLost || failure === undefined ? undefined : failureFrom(failure));
        },
      };
    },
    drain(executor, drain) {
      const observation = observer.begin("orca.drain.duration", {
        name: "drain",
        kind: "internal",
        attributes: {},
        spanAttributes: { "orca.executor.id": executor },
      });
      return observe(observation, () => drain(instrumentation(bare, observation.observer)));
    },
    drained({ taken, passedOver, left }) {
      observer.add("orca.drain.runs", { "orca.drain.outcome": "taken" }, taken);
      observer.add("orca.drain.runs", { "orca.drain.outcome": "passed_over" }, passedOver);
      observer.add("orca.drain.runs", { "orca.drain.outcome": "left" }, left);
    },
    attempt(uses, { runId, stepId, attempt }, call, failureOf) {
      const observation = observer.begin("orca.attempt.duration", {
        name: `attempt ${uses}`,
        kind: "internal",
        attributes: { "orca.capability.id": uses },
        spanAttributes: { "orca.run.id": runId, "orca.step.id": stepId, "orca.step.attempt": attempt },
      });
      return observe(observation, call, failureOf);
    },
    async commit(deliver) {
      const count = (outcome: string) => observer.add("orca.commits", { "orca.commit.outcome": outcome });
      try {
        const delivery = await deliver();
        count(delivery.kind);
        return delivery;
      } catch (error) {
        count("failed");
        throw error;
      }
    },
    written({ record, events, checkpoint }) {
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
    },
    leaseLost: (skillId) => observer.add("orca.leases.lost", { "orca.skill.id": skillId }),
  };
}
