import { aFunction, aLength, expectKind, given, type Kinds } from "../../argument.ts";
import { encodeValue } from "../../codec/values.ts";
import type { Pass } from "../../engine/pass.ts";
import { invalidRequest } from "../../errors.ts";
import { stepId } from "../../ids.ts";
import { aCount } from "../../json.ts";
import type { Capability, Handler, StepContext } from "../capability.ts";
import { capabilityAction } from "../capability-action.ts";
import { type StepKind, stepKind } from "../code/step-kind.ts";
import type { StepConfig, WorkflowStepContext } from "../code/workflow.ts";
import { call, checkName, handled } from "../code/workflow-step.ts";
import { type OutputContext, type OutputOptions, withOutputOf } from "../step-output.ts";

/** The context of a step whose skill uses {@link outputs}. */
export type OutputStepContext = WorkflowStepContext & OutputContext;

/** The context of a handler that is made by {@link withOutput}. */
export type OutputHandlerContext = StepContext & OutputContext;

/**
 * A handler of a capability that shows what it does while it works, in skills that use {@link outputs}: it has `publish` and
 * `output` in its context.
 *
 * In a skill that does not use `outputs`, its step fails with `invalid_request`.
 *
 * @throws `invalid_request` if it is no function.
 * @example
 * ```ts
 * import { defineCapability, defineGraphSkill } from "orca-durable";
 * import { outputs, withOutput } from "orca-durable/steps";
 *
 * const tell = defineCapability(
 *   { id: "tell", version: "1" },
 *   withOutput(async ({ words }: { words: readonly string[] }, { output }) => {
 *     for (const word of words) await output.write(word);
 *     return { text: words.join(" ") };
 *   }),
 * );
 *
 * export const story = defineGraphSkill({
 *   id: "story",
 *   version: "1",
 *   uses: [outputs],
 *   steps: [{ id: "tell", uses: tell, input: { words: "inputs.words" }, output: { text: "outputs.text" } }],
 * });
 * ```
 */
export function withOutput<Input, Output>(
  handler: (input: Input, context: OutputHandlerContext) => Output | Promise<Output>,
): Handler<Input, Output> {
  expectKind(handler, aFunction, "handler");
  return (input, context) => {
    if ("output" in context) return handler(input, context as OutputHandlerContext);
    throw invalidRequest("output", `step "${context.stepId}" shows output, so its skill needs uses: [outputs]`);
  };
}

/** The steps of {@link outputs}. */
export interface OutputSteps {
  /**
   * Calls `callback` as every step does, with `publish` and `output` in its context. What it has written is flushed when it
   * ends, before the result of the step is recorded.
   *
   * @example
   * ```ts
   * import { defineSkill } from "orca-durable";
   * import { outputs } from "orca-durable/steps";
   *
   * export const countdown = defineSkill({
   *   id: "countdown",
   *   version: "1",
   *   uses: [outputs],
   *   run: (step) =>
   *     step.do("count", async ({ output, publish }) => {
   *       for (let left = 10; left > 0; left--) {
   *         publish({ left });
   *         await output.write(`${left}… `);
   *       }
   *     }),
   * });
   * ```
   */
  do<T>(name: string, callback: (context: OutputStepContext) => Promise<T>): Promise<T>;
  do<T>(name: string, config: StepConfig, callback: (context: OutputStepContext) => Promise<T>): Promise<T>;
}

/**
 * Lets the steps of a body show what they do while they work: `context.publish` reaches those who watch now, and
 * `context.output` is a stream that is stored with the run, for `readOutput`.
 *
 * @example
 * ```ts
 * import { defineSkill } from "orca-durable";
 * import { outputs } from "orca-durable/steps";
 *
 * export const story = defineSkill({
 *   id: "story",
 *   version: "1",
 *   uses: [outputs],
 *   run: (step, { words }: { words: readonly string[] }) =>
 *     step.do("tell", async ({ output }) => {
 *       for (const word of words) await output.write(word);
 *       return words.join(" ");
 *     }),
 * });
 * ```
 */
export const outputs: StepKind<OutputSteps> = /* @__PURE__ */ outputsOf({});

/**
 * {@link outputs} with other options.
 *
 * @throws `invalid_request` that names the option.
 * @example
 * ```ts
 * import { defineSkill } from "orca-durable";
 * import { outputsWith } from "orca-durable/steps";
 *
 * export const ticker = defineSkill({
 *   id: "ticker",
 *   version: "1",
 *   uses: [outputsWith({ flushMs: 100 })],
 *   run: (step) => step.do("tick", ({ output }) => output.write("tick")),
 * });
 * ```
 */
export function outputsWith(options: OutputOptions): StepKind<OutputSteps> {
  return outputsOf(given(options, outputKinds));
}

const outputKinds: Kinds<OutputOptions> = {
  flushMs: aLength,
  flushBytes: /* @__PURE__ */ aCount(1),
  maxBytes: /* @__PURE__ */ aCount(1),
};

type Callback = (context: WorkflowStepContext) => unknown;

function outputsOf(options: OutputOptions): StepKind<OutputSteps> {
  /** The same capability, whose handler has the output of its step. */
  const showing = (pass: Pass, { definition, handler }: Capability): Capability => ({
    definition,
    handler: (input, context) =>
      withOutputOf(pass, context, options, (output) => handler(input, withMembers(context, output))),
  });
  const kind = stepKind<OutputSteps>("outputs", (run, step) => {
    const { pass } = run;
    const shown = (work: Callback) => (context: WorkflowStepContext) => {
      const { name, count } = context.step;
      const { attempt, signal } = context;
      return withOutputOf(pass, { stepId: stepId(name, count), attempt, signal }, options, (output) =>
        work(withMembers(context, output)),
      );
    };
    const steps = {
      do(name: string, ...rest: readonly unknown[]) {
        const place = rest.findIndex((given) => typeof given === "function");
        const given = rest.map((one, at) => (at === place ? shown(one as Callback) : one));
        return (step.do as Do)(name, ...given);
      },
      use: (name: string, asked: string | Capability, input: unknown = {}) =>
        handled(async () => {
          checkName(name);
          const capability = showing(pass, pass.host.capabilities.resolve(asked, `${name}.capability`));
          const action = capabilityAction(capability, encodeValue(input, "input", pass.host));
          return call(run, name, capability.definition.id, () => action, action.input);
        }),
    };
    return steps as OutputSteps;
  });
  return Object.freeze({ ...kind, handle: showing });
}

type Do = (name: string, ...rest: readonly unknown[]) => Promise<never>;

/** The same context with more members. Its getters stay: `checkSkill` sees whether they are read. */
function withMembers<Context extends object>(context: Context, more: OutputContext): Context & OutputContext {
  const all = { ...Object.getOwnPropertyDescriptors(context), ...Object.getOwnPropertyDescriptors(more) };
  return Object.defineProperties({}, all) as Context & OutputContext;
}
