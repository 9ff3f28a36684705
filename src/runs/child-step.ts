import { anId, expectKind, given, type Kinds } from "../argument.ts";
import { decodeFields, encodeFields, fieldsOfValue } from "../codec/values.ts";
import { beginWait, begun, failed, reuse, type StepSpec, settle, succeeded } from "../engine/kernel.ts";
import { childUses, detachedUses, type Effect, effectClaim, fitsLedger, planEffect } from "../engine/ledger.ts";
import type { Pass, StepOutcome } from "../engine/pass.ts";
import { stepError } from "../engine/thrown.ts";
import { DurableError, type ErrorCode, invalidDefinition, invalidRequest } from "../errors.ts";
import type { RunId, TenantId } from "../ids.ts";
import type { Held } from "../journal/change.ts";
import { getCheckpoint } from "../journal/held.ts";
import { aFlag, at, type Json, type JsonObject, oneOf, present } from "../json.ts";
import { hasOtherInputs, isTerminal, type RunRecord, type Wait, waitOf, withWait } from "../record/run.ts";
import type { Fields } from "../record/state.ts";
import { endOfChild } from "../record/waiting.ts";
import { type StepKind, stepKind } from "../skills/code/step-kind.ts";
import { answer, call as callAction, checkName, handled, take } from "../skills/code/workflow-step.ts";
import type { ParseRun } from "../skills/graph/graph.ts";
import type { RunAction } from "../skills/graph/planned.ts";
import type { InputsOf, Skill } from "../skills/skill.ts";
import { aSkill } from "../skills/skill-kind.ts";
import type { Returned } from "./api.ts";
import { childMocks } from "./child-mocks.ts";
import { childIdOf } from "./children.ts";
import { familyOf, missingChild } from "./family.ts";
import { resultOf } from "./outcome.ts";
import { currentRun } from "./runs.ts";

/** The options of a child run. */
export interface ChildOptions {
  /** False if the step ends once the child is started. Default true: it ends when the child ends, with its result. */
  readonly wait?: boolean;
  /** True if the child goes on when its parent is canceled. Default false: it is canceled too. */
  readonly detached?: boolean;
  /**
   * What a replay, or a resume from an earlier checkpoint, does once the result is recorded: it uses that result, or
   * starts another child. Default `use_recorded_result`.
   */
  readonly replayPolicy?: "use_recorded_result" | "reexecute";
}

/** A child run for which its parent does not wait. */
export interface StartedChild {
  readonly runId: RunId;
}

/** The arguments of `step.run` after the name and the skill; the inputs are optional if none is required. */
export type ChildArguments<Inputs> =
  object extends InputsOf<Inputs>
    ? [inputs?: InputsOf<Inputs>, options?: ChildOptions]
    : [inputs: InputsOf<Inputs>, options?: ChildOptions];

/** The steps of `childRuns`. */
export interface ChildSteps {
  /**
   * Starts a run of another skill as a child of this one, and resolves with its result. The id of the child follows from
   * this run and the step, so a crash never starts two. The skill must be registered where this run is executed.
   *
   * Rejects with `run_failed` or `run_canceled` as `runs.result` does, with the child's id in `details.runId`, and with
   * `not_found` if the child was deleted.
   *
   * @example
   * ```ts
   * import { defineSkill } from "orca-durable";
   * import { childRuns } from "orca-durable/steps";
   * import { letter } from "./skills.ts";
   *
   * export const letters = defineSkill({
   *   id: "letters",
   *   version: "1",
   *   uses: [childRuns],
   *   run: (step, { names }: { names: readonly string[] }) =>
   *     Promise.all(names.map((to) => step.run(`letter to ${to}`, letter, { to }))),
   * });
   * ```
   */
  run<Inputs, Result>(
    name: string,
    skill: Skill<Inputs, Result>,
    inputs: InputsOf<Inputs>,
    options: ChildOptions & { readonly wait: false },
  ): Promise<StartedChild>;
  run<Inputs, Result>(
    name: string,
    skill: Skill<Inputs, Result>,
    ...rest: ChildArguments<Inputs>
  ): Promise<Returned<Result>>;
  run(
    name: string,
    skillId: string,
    inputs: Fields,
    options: ChildOptions & { readonly wait: false },
  ): Promise<StartedChild>;
  run<T = unknown>(name: string, skillId: string, inputs?: Fields, options?: ChildOptions): Promise<T>;
}

const optionKinds: Kinds<ChildOptions> = {
  wait: aFlag,
  detached: aFlag,
  replayPolicy: oneOf(["use_recorded_result", "reexecute"]),
};

/** What a step asks for. */
interface Asked {
  readonly skillId: string;
  readonly skillVersion?: string;
  readonly inputs: JsonObject;
  /** What identifies the action in the ledger, beside the step. */
  readonly input: Json;
  readonly options: ChildOptions;
}

/**
 * Child runs: `step.run(name, skill, inputs)` starts a run of another skill, waits as data until it ends, and returns its
 * result. A skill that calls it names this in `uses`.
 *
 * @example
 * ```ts
 * import { defineSkill } from "orca-durable";
 * import { childRuns } from "orca-durable/steps";
 * import { letter } from "./skills.ts";
 *
 * export const reminder = defineSkill({
 *   id: "reminder",
 *   version: "1",
 *   uses: [childRuns],
 *   async run(step, { to }: { to: string }) {
 *     const { accepted } = await step.run("first letter", letter, { to });
 *     if (!accepted) await step.run("second letter", letter, { to }, { wait: false });
 *     return { accepted };
 *   },
 * });
 * ```
 */
export const childRuns: StepKind<ChildSteps> = /* @__PURE__ */ ofGraphs(
  /* @__PURE__ */ stepKind<ChildSteps>(
    "childRuns",
    (run) => {
      const call = (name: string, skill: Skill | string, inputs: unknown = {}, options: ChildOptions = {}) =>
        handled(async () => {
          checkName(name);
          const { pass } = run;
          const asks = parseSkill(skill, `${name}.skill`);
          const encoded = encodeFields(inputs as Fields, `${name}.inputs`, pass.host);
          const mock = childMocks.get(run)?.(name, inputs);
          if (mock !== undefined) return callAction(run, name, childUses, () => mock, encoded);
          const asked = asksFor(asks, encoded, given(options, optionKinds, name, name));
          const result = await take(run, name, childUses, (spec) => takeChild(pass, spec, asked), asked.input);
          return answer(run, result);
        });
      return { run: call as ChildSteps["run"] };
    },
    { family: familyOf },
  ),
);

/** The same steps, also for graphs. */
function ofGraphs(kind: StepKind<ChildSteps>): StepKind<ChildSteps> {
  return Object.freeze({ ...kind, parseRun });
}

function parseRun(step: Parameters<ParseRun>[0], place: string): RunAction {
  const asks = parseSkill(step.run, `${place}.run`, code);
  const options = given<ChildOptions>(step, optionKinds, place, place, code);
  const other = (["retries", "timeout"] as const).find((name) => name in step);
  if (other !== undefined) throw invalidDefinition(at(place, other), "only a step with uses has it");
  return {
    uses: childUses,
    async take(pass, spec, input) {
      const inputs = fieldsOfValue(input);
      if (inputs === undefined) throw invalidRequest("input", "expected an object: the inputs of the child run");
      return takeChild(pass, spec, asksFor(asks, inputs, options));
    },
  };
}

const code = "invalid_definition";

function parseSkill(skill: Skill | string, path: string, code?: ErrorCode): Pick<Asked, "skillId" | "skillVersion"> {
  if (typeof skill === "string") return { skillId: expectKind(skill, anId, path, code) };
  const { id, version } = expectKind(skill, aSkill, path, code);
  return { skillId: id, skillVersion: version };
}

function asksFor(asks: Pick<Asked, "skillId" | "skillVersion">, inputs: JsonObject, options: ChildOptions): Asked {
  return { ...asks, inputs, input: { skill_id: asks.skillId, inputs }, options };
}

/**
 * Takes the step as far as possible now. One commit notes the child in the ledger, with the wait for its end; only then it
 * is started. The parent waits first and looks at the child after that, and the child ends first and looks at the parent
 * after that, so that one of them sees the other.
 */
async function takeChild(pass: Pass, spec: StepSpec, asked: Asked): Promise<StepOutcome> {
  const { host, record } = pass;
  const { family } = host;
  if (family === undefined) throw new DurableError("internal_error", "this runtime has no child runs");
  const { input, options } = asked;
  const { wait = true, detached, replayPolicy } = options;
  const started = { ...begun(pass, spec), input };
  const plan = await planEffect(host, record, present({ sideEffects: "write" as const, replayPolicy }), {
    name: detached ? detachedUses : childUses,
    stepId: spec.id,
    input,
    decided: undefined,
    earlier: undefined,
  });
  if (plan.kind === "reuse") return reuse(pass, { ...started, attempts: 0 }, plan.effect);
  const runId = childIdOf(await effectClaim(record.run.runId, plan.effect));
  const effect: Effect = { ...plan.effect, childRunId: runId };
  const waiting: Wait = { kind: "signal", stepId: spec.id, name: endOfChild(runId) };
  const before = waitOf(record, spec.id, "signal");
  if (before !== undefined && before.name !== waiting.name && !hasOtherInputs(record)) {
    throw new DurableError("nondeterminism", `step "${spec.id}" has started a child run with a different input`);
  }
  const claims = [await effectClaim(record.run.runId, effect)];
  if (!wait) await pass.commit((record) => ({ record: withFamily(record), events: [], claims }));
  else if (before?.name !== waiting.name) {
    const outcome = await beginWait(pass, spec, waiting, (record) => ({
      record: withWait(withFamily(record), waiting),
      events: [],
      claims,
    }));
    if (outcome.kind !== "waiting") return outcome;
  }
  for (;;) {
    const { skillId, skillVersion, inputs } = asked;
    const birth = { runId, parentStepId: spec.id, skillId, ...present({ skillVersion }) };
    const child = await family.child(pass.record, { ...birth, inputs: decodeFields(inputs, "inputs") });
    if (child === undefined) return failed(pass, started, stepError(missingChild(runId)));
    if (!wait) return succeeded(pass, started, { runId }, effect);
    if (isTerminal(child.record.run.status)) return ended(pass, started, child, effect);
    if (waitOf(pass.record, spec.id, "signal")?.until === undefined) return { kind: "waiting", wait: waiting };
    // The child has ended and was resumed: it ends once more.
    await pass.commit((record) => ({ record: withWait(record, waiting), events: [] }));
  }
}

function withFamily(record: RunRecord<Json>): RunRecord<Json> {
  return { ...record, toldEpoch: record.toldEpoch ?? 0 };
}

/** Records the end of the child as the end of the step. */
async function ended(
  pass: Pass,
  started: Parameters<typeof settle>[1],
  child: Held,
  effect: Effect,
): Promise<StepOutcome> {
  const { run, isResultInHead } = child.record;
  try {
    resultOf(currentRun(child), undefined);
  } catch (error) {
    return failed(pass, started, stepError(error));
  }
  let { result } = run;
  if (isResultInHead && run.checkpointHead !== undefined) {
    const scope = { host: pass.host, tenant: run.tenantId as TenantId };
    result = (await getCheckpoint(scope, run.runId, run.checkpointHead)).state.output.result;
  }
  // A result that is too large for the ledger is in the child alone, and a replay starts another child.
  const claim = await effectClaim(run.runId, { ...effect, output: result });
  return fitsLedger(claim) ? succeeded(pass, started, result, effect) : settle(pass, started, "completed", result);
}
