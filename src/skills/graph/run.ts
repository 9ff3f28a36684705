import { joined } from "../../clock.ts";
import { decodeFields, valueOfFields } from "../../codec/values.ts";
import { complete, fail, handOver, park } from "../../engine/ending.ts";
import { act, guarded, type StepSpec, skip } from "../../engine/kernel.ts";
import type { Pass, StepOutcome } from "../../engine/pass.ts";
import { Flights } from "../../engine/pass.ts";
import { receiveSignal, sleep } from "../../engine/waiting.ts";
import { invalidRequest } from "../../errors.ts";
import { capabilityAction } from "../capability-action.ts";
import { applyOutput, Frontier, isTruthy, resolveInput } from "./graph.ts";
import type { Graph, Handle, PlannedStep, StepAction } from "./planned.ts";

type Failure = Extract<StepOutcome, { kind: "failed" }>;

/**
 * Executes a graph as far as possible now: until the run has finished or failed, waits, or is handed over.
 *
 * Steps whose dependencies have settled run in parallel, and each wait is taken up when it ends, whatever else is in
 * flight. The run waits, fails or is handed over only once every step in flight has settled and been recorded; a
 * failure first aborts the sibling steps.
 */
export async function runGraph(pass: Pass, graph: Graph, handle?: Handle): Promise<unknown> {
  const frontier = new Frontier(graph, pass.state);
  const flights = new Flights(pass);
  const failures: Failure[] = [];
  const siblings = joined(pass.signal);
  const arrive = (step: PlannedStep) => (outcome: StepOutcome) => {
    switch (outcome.kind) {
      case "settled":
        return frontier.settle(step.id);
      case "failed":
        failures.push(outcome);
        return siblings.abort(new Error(`step "${step.id}" failed`));
    }
  };
  for (;;) {
    if (flights.isBroken) await flights.check();
    const isStopping = () => failures.length > 0 || pass.isSpent;
    if (!isStopping()) flights.retake();
    while (frontier.ready.length > 0 && !isStopping()) {
      const step = frontier.ready.shift() as PlannedStep;
      flights.launch(step.id, () => take(pass, step, siblings.signal, handle), arrive(step));
    }
    if (flights.inFlight > 0) {
      await flights.moved(!isStopping());
      continue;
    }
    const [first] = failures;
    if (first !== undefined) {
      const { code, message } = first.error;
      const results = failures.map((failure) => failure.result);
      return fail(pass, { code, message, stepId: first.result.stepId }, results);
    }
    if (frontier.isDone) return complete(pass, (state) => ({ state, result: valueOfFields(state.outputs) }));
    if (pass.isSpent) return handOver(pass);
    if (flights.isHeld) await flights.moved(true);
    else if (await park(pass, flights.waits)) return true;
  }
}

function take(pass: Pass, step: PlannedStep, signal: AbortSignal, handle?: Handle): Promise<StepOutcome> {
  const spec = specOf(step);
  return guarded(pass, spec, async () => {
    if (!holds(pass, step)) return skip(pass, spec);
    switch (step.does.kind) {
      case "capability":
        return useCapability(pass, step.does, spec, signal, handle);
      case "signal":
        return receiveSignal(pass, spec, step.does.name, step.does.timeoutMs, ({ payload }) => payload);
      case "sleep": {
        const { forMs } = step.does;
        return sleep(pass, spec, (now) => now + forMs);
      }
      case "run":
        return step.does.take(pass, spec, resolveInput(step.does.input, pass.state));
    }
  });
}

function specOf(step: PlannedStep): StepSpec {
  const { id, does, reads, writes, onFailure } = step;
  return {
    id,
    uses: usesOf(does),
    reads,
    writes,
    onFailure: onFailure === "continue" ? "degrade" : "fail",
    apply: (output, state) => applyOutput(step, output, state),
  };
}

function usesOf(does: StepAction): string {
  switch (does.kind) {
    case "capability":
      return does.capabilityId;
    case "run":
      return does.uses;
    case "signal":
    case "sleep":
      return `run.${does.kind}`;
  }
}

function holds(pass: Pass, { id, when, hidden }: PlannedStep): boolean {
  if (when === undefined) return true;
  if (typeof when !== "function") return isTruthy(when, pass.state);
  // Whether a parallel step's result exists yet depends on timing, and may differ the next time.
  const settled = (root: "vars" | "outputs") => {
    const fields = Object.entries(pass.state[root]).filter(([name]) => !hidden.has(`${root}.${name}`));
    return decodeFields(Object.fromEntries(fields), root);
  };
  const inputs = decodeFields(pass.state.inputs, "inputs");
  const answer: unknown = when({ inputs, vars: settled("vars"), outputs: settled("outputs") });
  if (typeof (answer as { then?: unknown } | null | undefined)?.then !== "function") return Boolean(answer);
  // Its outcome comes too late, and must not end the process.
  Promise.resolve(answer).catch(() => undefined);
  throw invalidRequest("when", `step "${id}": expected a value, not a promise`);
}

function useCapability(
  pass: Pass,
  does: Extract<PlannedStep["does"], { kind: "capability" }>,
  spec: StepSpec,
  signal: AbortSignal,
  handle: Handle = (_, capability) => capability,
): Promise<StepOutcome> {
  const capability = handle(pass, pass.host.capabilities.resolve(does.capability ?? does.capabilityId, "uses"));
  return act(pass, spec, capabilityAction(capability, resolveInput(does.input, pass.state), does), signal);
}
