import { fail, failure } from "../../engine/ending.ts";
import type { Pass } from "../../engine/pass.ts";
import { messageOf } from "../../engine/thrown.ts";
import { isDurableError } from "../../errors.ts";
import { getOwn, type Json } from "../../json.ts";
import { contextOf } from "../../record/run.ts";
import type { ExecutionState } from "../../record/state.ts";

/** Which step each error came from that a body received, so that a failed run can name it. */
export class StepErrors {
  readonly #origins = new WeakMap<object, string>();

  add(stepId: string, error: unknown): void {
    if (typeof error === "object" && error !== null) this.#origins.set(error, stepId);
  }

  /**
   * Fails the run because its body threw. Steps whose errors ended the body are tried again by a resume. `lastStep` is the
   * step that the body called last.
   */
  async failRun(pass: Pass, thrown: unknown, lastStep: string | undefined): Promise<unknown> {
    const culprits = this.#culprits(thrown, pass.state, lastStep);
    const [stepId] = culprits;
    const untyped = stepId === undefined ? "body_failed" : "step_failed";
    const error = { code: isDurableError(thrown) ? thrown.code : untyped, message: messageOf(thrown) };
    // A step's own error was reported when the step failed.
    const isOfStep = typeof thrown === "object" && thrown !== null && this.#origins.has(thrown);
    if (!isOfStep) pass.host.onError(thrown, contextOf(pass.record));
    if (stepId === undefined) return fail(pass, error);
    return pass.commit((record, state, now) =>
      failure(record, culprits.reduce(withUnsettled, state), now, { ...error, stepId }),
    );
  }

  // The steps whose errors ended the body: found by the error itself, its causes and its inner errors; otherwise the
  // last step, if that failed.
  #culprits(thrown: unknown, state: ExecutionState<Json>, lastStep: string | undefined): readonly string[] {
    const found = new Set<string>();
    const seen = new Set<unknown>();
    // It grows during the walk.
    const open = [thrown];
    for (const error of open) {
      if (typeof error !== "object" || error === null || seen.has(error)) continue;
      seen.add(error);
      const id = this.#origins.get(error);
      if (id !== undefined) found.add(id);
      try {
        const { cause, errors } = error as { cause?: unknown; errors?: unknown };
        open.push(cause);
        if (Array.isArray(errors)) for (const part of errors) open.push(part);
      } catch {
        // Anything can be thrown, also what throws when it is looked at.
      }
    }
    if (found.size > 0) return [...found];
    const last = lastStep && getOwn(state.stepResults, lastStep);
    return last && last.status === "degraded" ? [last.stepId] : [];
  }
}

// A resume tries again the failure that ended the run; failures that the body handled stay as they are.
function withUnsettled(state: ExecutionState<Json>, stepId: string): ExecutionState<Json> {
  const result = getOwn(state.stepResults, stepId);
  if (result === undefined) return state;
  return { ...state, stepResults: { ...state.stepResults, [stepId]: { ...result, status: "failed" } } };
}
