import type { ExecutionState, StepResult } from "../execution-state.ts";
import { type Graph, openSteps } from "../graph.ts";
import type { Json, JsonObject } from "../json.ts";
import type { RunError, RunRecord, Wait } from "../run.ts";
import { event, type StepOutcome, takeStep, withResult } from "./graph-step.ts";
import { isoTime } from "./host.ts";
import { moved } from "./moved.ts";
import type { Pass, PassChange } from "./pass.ts";

type Failure = Extract<StepOutcome, { kind: "failed" }>;

/**
 * Executes a graph as far as it goes now: until the run has finished or failed, waits, or is handed over.
 *
 * Steps whose dependencies have settled run side by side. The run waits, fails or is handed over only once every step in
 * flight has settled and been recorded; a failure aborts the siblings first.
 */
export async function runGraph(pass: Pass, graph: Graph): Promise<void> {
  const inFlight = new Map<string, Promise<readonly [string, StepOutcome]>>();
  const waits = new Map<string, Wait>();
  const failures: Failure[] = [];
  const siblings = linkedController(pass.signal);
  for (;;) {
    if (failures.length === 0 && !pass.isSpent) {
      for (const step of openSteps(graph, pass.state)) {
        if (inFlight.has(step.id) || waits.has(step.id)) continue;
        inFlight.set(
          step.id,
          takeStep(pass, step, siblings.signal).then((outcome) => [step.id, outcome] as const),
        );
      }
    }
    if (inFlight.size > 0) {
      const [stepId, outcome] = await Promise.race(inFlight.values());
      inFlight.delete(stepId);
      if (outcome.kind === "waiting") waits.set(stepId, outcome.wait);
      if (outcome.kind === "failed") {
        failures.push(outcome);
        siblings.abort(new Error(`step "${stepId}" failed`));
      }
      continue;
    }
    const [failure] = failures;
    if (failure !== undefined) return fail(pass, failure, failures);
    if (openSteps(graph, pass.state).length === 0) return complete(pass);
    if (pass.isSpent) return handOver(pass, [...waits.values()]);
    if (await isHeld(pass, waits)) continue;
    if (await park(pass, [...waits.values()])) return;
    for (const [stepId, wait] of waits) if (isOver(pass.record, wait, pass.host.clock.now())) waits.delete(stepId);
  }
}

function linkedController(signal: AbortSignal): AbortController {
  const controller = new AbortController();
  const forward = () => controller.abort(signal.reason);
  if (signal.aborted) forward();
  else signal.addEventListener("abort", forward, { once: true });
  return controller;
}

/** Waits a short wait out with the lease held. */
async function isHeld(pass: Pass, waits: Map<string, Wait>): Promise<boolean> {
  const { clock, holdMs } = pass.host;
  const until = Math.min(...[...waits.values()].map(endOf));
  if (until - clock.now() > holdMs) return false;
  await clock.sleep(until - clock.now(), pass.signal);
  for (const [stepId, wait] of waits) if (endOf(wait) <= clock.now()) waits.delete(stepId);
  return true;
}

function endOf(wait: Wait): number {
  return "until" in wait && wait.until !== undefined ? wait.until : Number.POSITIVE_INFINITY;
}

/** True where the step would not wait any more. */
export function isOver(record: RunRecord<unknown>, wait: Wait, now: number): boolean {
  switch (wait.kind) {
    case "approval":
      return wait.capabilityId !== undefined && record.confirmed.includes(wait.capabilityId);
    case "signal":
      return record.inbox.some((signal) => signal.name === wait.name) || endOf(wait) <= now;
    case "sleep":
    case "retry":
      return wait.until <= now;
  }
}

/** Lets the run go until one of its waits is over; false where one already is. */
function park(pass: Pass, waits: readonly Wait[]): Promise<boolean> {
  return pass.commit((record, state, now) => {
    if (waits.some((wait) => isOver(record, wait, now))) return undefined;
    const { lease: _, ...released } = { ...record, waits };
    const gate = waits.find((wait) => wait.kind === "approval");
    const signal = waits.find((wait) => wait.kind === "signal");
    if (gate !== undefined) {
      const { stepId, capabilityId } = gate;
      const request = {
        stepId,
        ...(capabilityId === undefined ? {} : { capabilityId }),
        status: "pending" as const,
        requestedAt: isoTime(now),
      };
      const payload: JsonObject = { step_id: stepId, capability_id: capabilityId ?? null };
      return {
        ...waiting(released, state, now, "waiting_for_human", stepId),
        record: { ...released, run: moved(released.run, { type: "wait_for_human", request }, now) },
        events: [event("run.waiting_for_human", now, payload)],
        checkpoint: { kind: "run_waiting_for_human", stepId },
      };
    }
    if (signal !== undefined) {
      const { stepId, name } = signal;
      return {
        ...waiting(released, state, now, "waiting_for_signal", stepId),
        record: { ...released, run: moved(released.run, { type: "wait_for_signal" }, now) },
        events: [event("run.waiting_for_signal", now, { step_id: stepId, name })],
        checkpoint: { kind: "waiting_for_signal", stepId },
      };
    }
    // Nothing but time: the run stays running, and is due when the first wait is over.
    return { record: released, events: [] };
  });
}

/** Lets the run go at once, for the next executor to continue. */
async function handOver(pass: Pass, waits: readonly Wait[]): Promise<void> {
  await pass.commit((record, _, now) => {
    const { lease: __, ...released } = { ...record, waits, wakeAt: now };
    return { record: released, events: [event("run.handed_over", now)] };
  });
}

function waiting(
  record: RunRecord<Json>,
  state: ExecutionState<Json>,
  now: number,
  status: string,
  stepId: string,
): PassChange {
  return { record, state: { ...state, status, currentStep: stepId, updatedAt: isoTime(now) }, events: [] };
}

async function complete(pass: Pass): Promise<void> {
  await pass.commit((record, state, now) => {
    const result = state.outputs as JsonObject;
    return {
      record: finished(record, moved(record.run, { type: "complete", result }, now)),
      state: closed({ ...state, output: { ...state.output, result } }, "completed", now),
      events: [event("run.completed", now)],
      checkpoint: { kind: "run_finished" },
    };
  });
}

async function fail(pass: Pass, first: Failure, failures: readonly Failure[]): Promise<void> {
  await pass.commit((record, state, now) => {
    const results: readonly StepResult<Json>[] = failures.map((failure) => failure.result);
    const recorded = results.reduce((state, result) => withResult(state, result, now), state);
    const error: RunError = { ...first.error, stepId: first.result.stepId };
    return failedChange(record, recorded, now, error, results);
  });
}

/** The end of a run that failed. */
export function failedChange(
  record: RunRecord<Json>,
  state: ExecutionState<Json>,
  now: number,
  error: RunError,
  results: readonly StepResult<Json>[] = [],
): PassChange {
  return {
    record: finished(record, moved(record.run, { type: "fail", error }, now)),
    state: closed({ ...state, output: { ...state.output, statusReason: error.message } }, "failed", now),
    events: [
      ...results.map((result) =>
        event("step.failed", now, { step_id: result.stepId, uses: result.uses, error: result.errorMessage ?? "" }),
      ),
      event("run.failed", now, { code: error.code, message: error.message, step_id: error.stepId ?? null }),
    ],
    checkpoint: { kind: "run_failed", ...(error.stepId === undefined ? {} : { stepId: error.stepId }) },
  };
}

function finished(record: RunRecord<Json>, run: RunRecord<Json>["run"]): RunRecord<Json> {
  const { lease: _, wakeAt: __, ...rest } = record;
  return { ...rest, run, waits: [] };
}

function closed(state: ExecutionState<Json>, status: string, now: number): ExecutionState<Json> {
  return { ...state, status, finishedAt: isoTime(now), updatedAt: isoTime(now) };
}
