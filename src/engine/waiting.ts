import { isoTime } from "../clock.ts";
import { DurableError } from "../errors.ts";
import type { Json } from "../json.ts";
import { present } from "../json.ts";
import { event, type Signal, type Wait, waitOf, withWait } from "../record/run.ts";
import type { StepResult } from "../record/state.ts";
import { ask, beginWait, begun, failed, type StepSpec, settle, settledChange, stepResult } from "./kernel.ts";
import type { Pass, StepOutcome } from "./pass.ts";
import { stepError } from "./thrown.ts";

// Steps that wait for something other than an action.

/** Waits for a person at the step's own gate. The output contains the decision. */
export async function askForApproval(pass: Pass, step: StepSpec): Promise<StepOutcome> {
  const gate = waitOf(pass.record, step.id, "approval");
  if (gate?.decision === undefined) {
    const since = gate?.since ?? pass.host.clock.now();
    return ask(pass, step, { kind: "approval", stepId: step.id, since, reason: "approval" });
  }
  const { approver = null, notes = null, at } = gate.decision;
  return settle(pass, begun(pass, step), "completed", { approver, notes, decided_at: at });
}

/** Takes the first signal of that name out of the inbox, or waits for it. `output` is made from the signal. */
export async function receiveSignal(
  pass: Pass,
  step: StepSpec,
  name: string,
  timeoutMs: number | undefined,
  output: (signal: Signal<Json>) => Json,
): Promise<StepOutcome> {
  const started = begun(pass, step);
  let result: StepResult<Json> | undefined;
  await pass.commit((record, state, now) => {
    const index = record.inbox.findIndex((signal) => signal.name === name);
    const signal = record.inbox[index];
    if (signal === undefined) return undefined;
    const delivered = event("signal.delivered", now, { step_id: step.id, name });
    result = stepResult(started, "completed", output(signal), now);
    const change = settledChange(started, result, record, state, now, [delivered]);
    return { ...change, record: { ...change.record, inbox: record.inbox.toSpliced(index, 1) } };
  });
  if (result !== undefined) return { kind: "settled", result };
  const now = pass.host.clock.now();
  const before = waitOf(pass.record, step.id, "signal");
  // Fixed at the first call: otherwise each later look would push it back.
  const until = before === undefined ? timeoutMs && now + timeoutMs : before.until;
  if (until !== undefined && until <= now) {
    return failed(
      pass,
      started,
      stepError(new DurableError("step_timeout", `signal "${name}" did not arrive in time`)),
    );
  }
  const wait: Wait = { kind: "signal", stepId: step.id, name, ...present({ until }) };
  // An earlier version of the skill may have waited for another signal here.
  if (before?.name === name) return { kind: "waiting", wait };
  return beginWait(pass, step, wait, (record) => ({ record: withWait(record, wait), events: [] }));
}

/** Sleeps until a time that is fixed when the step is first taken. */
export async function sleep(pass: Pass, step: StepSpec, untilFrom: (now: number) => number): Promise<StepOutcome> {
  const now = pass.host.clock.now();
  const before = waitOf(pass.record, step.id, "sleep");
  const until = before?.until ?? untilFrom(now);
  if (until <= now) return settle(pass, begun(pass, step), "completed", null);
  const wait: Wait = { kind: "sleep", stepId: step.id, until };
  if (before !== undefined) return { kind: "waiting", wait };
  return beginWait(pass, step, wait, (record, _, now) => ({
    record: withWait(record, wait),
    events: [event("step.sleeping", now, { step_id: step.id, until: isoTime(until) })],
  }));
}
