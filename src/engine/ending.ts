import { isoTime } from "../clock.ts";
import { type Json, type JsonObject, utf8Length } from "../json.ts";
import { present } from "../present.ts";
import type { NewEvent } from "../record/event.ts";
import { event } from "../record/event.ts";
import { requestOf } from "../record/gate.ts";
import { withoutLease } from "../record/lease.ts";
import { moved } from "../record/lifecycle.ts";
import type { RunError, RunRecord, Wait } from "../record/run.ts";
import type { ExecutionState, StepResult } from "../record/state.ts";
import { withResult } from "../record/state.ts";
import { endOf, isOver } from "../record/waits.ts";
import { cutText, longestMessage, tooLarge } from "./attempt.ts";

import { stepFailed } from "./kernel.ts";
import type { Pass, PassChange } from "./pass.ts";

/**
 * Lets the run go until one of its waits is over; false where one already is. Those `aside` are kept, and not waited for. Steps
 * that this pass did not come to keep what fixes them: the end of their wait, as long as it is to come, and a person's decision.
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
    // Nothing but time: the run stays running, and is due when the first wait is over.
    return { record: released, events: [] };
  });
}

// One that is over would make the run due at once, again and again, for a step that its body does not ask for.
function isFixed(wait: Wait, now: number): boolean {
  return wait.kind === "approval" ? wait.decision !== undefined : endOf(wait) > now;
}

function waiting(state: ExecutionState<Json>, status: string, stepId: string, now: number): ExecutionState<Json> {
  return { ...state, status, currentStep: stepId, updatedAt: isoTime(now) };
}

/** Lets the run go at once, for the next executor to continue. Steps that this pass did not come to keep their waits. */
export async function handOver(pass: Pass, waits: readonly Wait[]): Promise<void> {
  const parked = new Set(waits.map((wait) => wait.stepId));
  await pass.commit((record, _, now) => {
    const kept = record.waits.filter((wait) => !parked.has(wait.stepId));
    return {
      record: { ...withoutLease({ ...record, waits: [...waits, ...kept] }), wakeAt: now },
      events: [event("run.handed_over", now)],
    };
  });
}

/** Ends the run well. `finish` gives the last state, without its status. */
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

/** So many characters of the messages of all failures are in one entry of the history. */
const mostMessages = 32_000;

/** So many bytes do the events of failed steps take in one entry; the results of all of them are in the state. */
const mostEventBytes = 100_000;

function fitting(events: readonly NewEvent<Json>[]): readonly NewEvent<Json>[] {
  let bytes = 0;
  return events.filter((event) => {
    bytes += utf8Length(JSON.stringify(event));
    return bytes <= mostEventBytes;
  });
}

/** Ends the run badly. */
export async function fail(pass: Pass, error: RunError, results: readonly StepResult<Json>[] = []): Promise<void> {
  await pass.commit((record, state, now) => failure(record, state, now, error, results));
}

/** The end of a run that failed, with the results of the steps that failed it. */
export function failure(
  record: RunRecord<Json>,
  before: ExecutionState<Json>,
  now: number,
  error: RunError,
  results: readonly StepResult<Json>[] = [],
): PassChange & { readonly state: ExecutionState<Json>; readonly checkpoint: { readonly kind: string } } {
  const state = results.reduce((state, result) => withResult(state, result, now), before);
  const { code, stepId } = error;
  // However many failed: the row and the entry that say so have bounds.
  const message = cutText(error.message, longestMessage);
  const longest = Math.floor(mostMessages / Math.max(results.length, 1));
  const failed = new Set([stepId, ...results.map((result) => result.stepId)]);
  // Whoever resumes the run goes on with the sleeps and the timeouts of the steps that did not fail.
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

/** A controller that aborts with the pass, and by itself. */
export function siblingController(pass: Pass): AbortController {
  const controller = new AbortController();
  const forward = () => controller.abort(pass.signal.reason);
  if (pass.signal.aborted) forward();
  else pass.signal.addEventListener("abort", forward, { once: true });
  return controller;
}
