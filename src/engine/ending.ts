import { isoTime } from "../clock.ts";
import { cutText, type Json, type JsonObject, present, utf8Length } from "../json.ts";
import type { NewEvent } from "../record/event.ts";
import { requestOf } from "../record/gate.ts";
import { moved } from "../record/lifecycle.ts";
import { endOf, event, isOver, type RunError, type RunRecord, type Wait, withoutLease } from "../record/run.ts";
import type { ExecutionState, StepResult } from "../record/state.ts";
import { withResult } from "../record/state.ts";
import { stepFailed } from "./kernel.ts";
import type { Pass, PassChange } from "./pass.ts";
import { longestMessage, tooLarge } from "./thrown.ts";

/**
 * Releases the run until one of its waits is over; false if one already is. The waits in `aside` are kept, but not
 * waited for. Steps that this pass did not reach keep the end of their wait, if it is still to come, and a person's
 * decision.
 */
export function park(pass: Pass, waits: readonly Wait[], aside: readonly Wait[] = []): Promise<boolean> {
  const known = new Set([...waits, ...aside].map(({ stepId }) => stepId));
  return pass.commit((record, state, now) => {
    if (waits.some((wait) => isOver(record, wait, now))) return undefined;
    const missed = record.waits.filter((wait) => !known.has(wait.stepId) && isFixed(wait, now));
    const released = withoutLease({ ...record, waits: [...waits, ...aside, ...missed] });
    const gate = waits.find((wait) => wait.kind === "approval");
    if (gate !== undefined) {
      const { stepId, capabilityId, reason } = gate;
      const request = requestOf(gate);
      return {
        record: { ...released, run: moved(released.run, { type: "wait_for_human", request }, now) },
        state: waiting(state, "waiting_for_human", stepId, now),
        events: [event("run.waiting_for_human", now, { step_id: stepId, capability_id: capabilityId ?? null, reason })],
        checkpoint: { kind: "run_waiting_for_human", stepId },
      };
    }
    const signal = waits.find((wait) => wait.kind === "signal");
    if (signal !== undefined) {
      const { stepId, name } = signal;
      return {
        record: { ...released, run: moved(released.run, { type: "wait_for_signal" }, now) },
        state: waiting(state, "waiting_for_signal", stepId, now),
        events: [event("run.waiting_for_signal", now, { step_id: stepId, name })],
        checkpoint: { kind: "waiting_for_signal", stepId },
      };
    }
    // The run waits only for time: it stays running, and is due when the first wait is over.
    return { record: released, events: [] };
  });
}

// A wait that is over would make the run due at once, again and again, for a step that its body does not call.
function isFixed(wait: Wait, now: number): boolean {
  return wait.kind === "approval" ? wait.decision !== undefined : endOf(wait) > now;
}

function waiting(state: ExecutionState<Json>, status: string, stepId: string, now: number): ExecutionState<Json> {
  return { ...state, status, currentStep: stepId, updatedAt: isoTime(now) };
}

/**
 * Releases the run at once, for the next executor to continue. Its waits stay as they are: what was decided at a gate
 * meanwhile is in the record alone. Resolves to true.
 */
export function handOver(pass: Pass): Promise<boolean> {
  return pass.commit((record, _, now) => ({
    record: { ...withoutLease(record), wakeAt: now },
    events: [event("run.handed_over", now)],
  }));
}

/** Completes the run. `finish` returns the last state, without its status. */
export async function complete(
  pass: Pass,
  finish: (state: ExecutionState<Json>) => { state: ExecutionState<Json>; result: Json },
): Promise<void> {
  try {
    await pass.commit((record, before, now) => {
      const { state, result } = finish(before);
      return {
        record: { ...withoutLease(record), run: moved(record.run, { type: "complete", result }, now), waits: [] },
        state: closed({ ...state, output: { ...state.output, result } }, "completed", now),
        events: [event("run.completed", now)],
        checkpoint: { kind: "run_finished" },
      };
    });
  } catch (error) {
    const { code, message } = tooLarge(error);
    await fail(pass, { code, message });
  }
}

/** The most characters of the messages of all failures in one entry of the history. */
const mostMessages = 32_000;

/** The most bytes of the events of failed steps in one entry; the results of all of them are in the state. */
const mostEventBytes = 100_000;

function fitting(events: readonly NewEvent<Json>[]): readonly NewEvent<Json>[] {
  let bytes = 0;
  return events.filter((event) => {
    bytes += utf8Length(JSON.stringify(event));
    return bytes <= mostEventBytes;
  });
}

/** Fails the run, and resolves to true. */
export function fail(pass: Pass, error: RunError, results: readonly StepResult<Json>[] = []): Promise<boolean> {
  return pass.commit((record, state, now) => failure(record, state, now, error, results));
}

/** The end of a run that failed, with the results of the steps that caused it. */
export function failure(
  record: RunRecord<Json>,
  before: ExecutionState<Json>,
  now: number,
  error: RunError,
  results: readonly StepResult<Json>[] = [],
): PassChange & { readonly state: ExecutionState<Json>; readonly checkpoint: { readonly kind: string } } {
  const state = results.reduce((state, result) => withResult(state, result, now), before);
  const { code, stepId } = error;
  // Bounded for any number of failures, since the row and the entry that report them are bounded.
  const message = cutText(error.message, longestMessage);
  const longest = Math.floor(mostMessages / Math.max(results.length, 1));
  const failed = new Set([stepId, ...results.map((result) => result.stepId)]);
  // A resumed run keeps the sleeps and the timeouts of the steps that did not fail.
  const waits = record.waits.filter((wait) => !failed.has(wait.stepId));
  return {
    record: {
      ...withoutLease(record),
      run: moved(record.run, { type: "fail", error: { ...error, message } }, now),
      waits,
    },
    state: closed({ ...state, output: { ...state.output, statusReason: message } }, "failed", now),
    events: [
      ...fitting(results.map((result) => stepFailed(result, now, longest))),
      event("run.failed", now, { code, message, step_id: stepId ?? null } satisfies JsonObject),
    ],
    checkpoint: { kind: "run_failed", ...present({ stepId }) },
  };
}

function closed(state: ExecutionState<Json>, status: string, now: number): ExecutionState<Json> {
  return { ...state, status, finishedAt: isoTime(now), updatedAt: isoTime(now) };
}
