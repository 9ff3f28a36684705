import { aLength, given, type Kinds } from "../../argument.ts";
import { stepId } from "../../ids.ts";
import { aCount } from "../../json.ts";
import { type StepKind, stepKind } from "../code/step-kind.ts";
import type { StepConfig, WorkflowStepContext } from "../code/workflow.ts";
import { type OutputContext, type OutputOptions, withOutputOf } from "../step-output.ts";

/** The context of a step whose skill uses {@link outputs}. */
export type OutputStepContext = WorkflowStepContext & OutputContext;

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
  return stepKind<OutputSteps>("outputs", ({ pass }, step) => {
    const shown = (work: Callback) => (context: WorkflowStepContext) => {
      const { name, count } = context.step;
      const { attempt, signal } = context;
      return withOutputOf(pass, { stepId: stepId(name, count), attempt, signal }, options, (output) =>
        work(withMembers(context, output)),
      );
    };
    const call = (name: string, ...rest: readonly unknown[]) => {
      const place = rest.findIndex((given) => typeof given === "function");
      const given = rest.map((one, at) => (at === place ? shown(one as Callback) : one));
      return (step.do as Do)(name, ...given);
    };
    return { do: call as OutputSteps["do"] };
  });
}

type Do = (name: string, ...rest: readonly unknown[]) => Promise<never>;

/** The same context with more members. Its getters stay: `checkSkill` sees whether they are read. */
function withMembers(context: WorkflowStepContext, more: OutputContext): OutputStepContext {
  const all = { ...Object.getOwnPropertyDescriptors(context), ...Object.getOwnPropertyDescriptors(more) };
  return Object.defineProperties({}, all) as OutputStepContext;
}
