import { encodeFields, encodeValue } from "../codec/values.ts";
import type { Action } from "../engine/kernel.ts";
import { DurableError } from "../errors.ts";
import { getOwn, read } from "../json.ts";
import type { Fields } from "../record/state.ts";
import { childMocks } from "../runs/child-mocks.ts";
import type { Capability } from "../skills/capability.ts";
import { capabilityAction } from "../skills/capability-action.ts";
import { codeBody } from "../skills/code/skill.ts";
import type { StepConfig, WorkflowBody, WorkflowStep, WorkflowStepContext } from "../skills/code/workflow.ts";
import type { BodyRun } from "../skills/code/workflow-step.ts";
import { call, codeRuns, handled } from "../skills/code/workflow-step.ts";
import type { Skill } from "../skills/skill.ts";
import { answerOf, attemptTimeout, checkMocks, invalidMock, type Mock, type MockContext } from "./mock.ts";
import { mocked } from "./mock-capabilities.ts";

/**
 * Mocks by the name of a step; the mock of a repeated name answers for each of its steps. A function's input is that of
 * `step.use` or `step.run`, and `undefined` for the others.
 */
export type StepMocks = Readonly<Record<string, Mock<MockContext>>>;

/**
 * The same code-first skill, with mocks for some of its `do`, `use`, `waitForEvent` and `run` steps. Their results go through
 * the real step kernel: they are retried, recorded, checkpointed, and entered in the ledger, like real ones. The mock
 * of a `waitForEvent` returns the payload, at once; if it times out, no event arrived in time. The mock of a `run`
 * returns the result of the child, which is not started, so its skill need not be registered.
 *
 * If a body ends without calling a mocked step, its run fails with `invalid_definition`, since a mock with a misspelt
 * name would let the real step happen. The same holds for a body that calls it as a kind of step that cannot be mocked.
 * The steps of a body are not known earlier.
 *
 * @throws `invalid_definition` for a graph skill; mock its capabilities instead.
 * @example
 * ```ts
 * import { createTestRuntime, mockSteps } from "orca-durable/testing";
 * import { letter } from "./skills.ts";
 *
 * const mocked = mockSteps(letter, { draft: { returns: "Dear Alice, …" } });
 * export const { runs, settle } = createTestRuntime({ skills: [mocked] });
 * ```
 */
export function mockSteps<Inputs, Result>(skill: Skill<Inputs, Result>, mocks: StepMocks): Skill<Inputs, Result> {
  return read("mocks", () => withMocks(skill, mocks), code);
}

const code = "invalid_definition";

function withMocks<Inputs, Result>(skill: Skill<Inputs, Result>, mocks: StepMocks): Skill<Inputs, Result> {
  checkMocks(mocks);
  const { body } = skill;
  if (body.kind === "graph") {
    throw new DurableError("invalid_definition", `skill "${skill.id}" is a graph, and its steps are capabilities`, {
      hint: "use mockCapabilities",
    });
  }
  return Object.freeze({ ...skill, body: { ...body, ...codeBody(mockedBody(body.run, mocks)) } });
}

function mockedBody(body: WorkflowBody, mocks: StepMocks): WorkflowBody {
  return async (step, inputs, context) => {
    const run = codeRuns.get(step);
    if (run === undefined) throw new DurableError("internal_error", "a mocked body runs only in a runtime");
    const asked = new Set<string>();
    const steps = mockedStep(run, step, mocks, asked);
    codeRuns.set(steps, run);
    // The skill may be mocked already; the mock that was added last answers.
    const added = childMocks.get(run);
    childMocks.set(run, (name, inputs) => {
      asked.add(name);
      const mock = getOwn(mocks, name);
      return added?.(name, inputs) ?? (mock && childAction(name, mock, inputs));
    });
    let ended: () => unknown;
    try {
      const result: unknown = await body(steps, inputs, context);
      ended = () => result;
    } catch (error) {
      ended = () => {
        throw error;
      };
    }
    const missed = Object.keys(mocks).find((name) => !asked.has(name));
    if (missed !== undefined) return endWithMock(run, missed, "the body ended without calling a step of that name");
    return ended();
  };
}

function mockedStep(run: BodyRun, step: WorkflowStep, mocks: StepMocks, asked: Set<string>): WorkflowStep {
  const mockOf = (name: string): Mock | undefined => {
    asked.add(name);
    return getOwn(mocks, name);
  };
  /** Only for a step that nothing else can answer. */
  const unmocked =
    <Args extends readonly unknown[], T>(kind: string, take: (name: string, ...args: Args) => Promise<T>) =>
    (name: string, ...args: Args): Promise<T> =>
      mockOf(name) === undefined ? take(name, ...args) : endWithMock(run, name, `a ${kind} cannot be mocked`);

  return {
    do<T>(name: string, ...rest: readonly unknown[]): Promise<T> {
      const mock = mockOf(name);
      const [config, callback, ...more] = (typeof rest[0] === "function" ? [{}, ...rest] : rest) as [
        StepConfig,
        (context: WorkflowStepContext) => Promise<T>,
        undefined,
      ];
      if (mock === undefined || typeof callback !== "function") return step.do(name, config, callback, ...more);
      const answer = (context: WorkflowStepContext) =>
        answerOf(mock, undefined, context, { real: () => callback(context), timeout: attemptTimeout });
      return step.do(name, config, answer as typeof callback, ...more);
    },
    use<T>(name: string, asked: string | Capability, input: unknown = {}): Promise<T> {
      const mock = mockOf(name);
      if (mock === undefined) return step.use(name, asked as string, input);
      return handled(async () => {
        const capability = run.pass.host.capabilities.resolve(asked, `${name}.capability`);
        const capabilityId = capability.definition.id;
        const action = capabilityAction(mocked(capability, mock), encodeValue(input, "input"));
        return call<T>(run, name, capabilityId, () => action, action.input);
      });
    },
    waitForEvent<T>(name: string, options: Parameters<WorkflowStep["waitForEvent"]>[1]) {
      const mock = mockOf(name);
      if (mock === undefined) return step.waitForEvent<T>(name, options);
      return handled(() => call(run, name, "step.waitForEvent", (id) => eventAction(run, id, options.type, mock)));
    },
    sleep: unmocked("sleep", step.sleep),
    sleepUntil: unmocked("sleep", step.sleepUntil),
    waitForApproval: unmocked("gate", step.waitForApproval),
  };
}

/** Returns an event as if it had arrived. */
function eventAction({ pass }: BodyRun, id: string, type: string, mock: Mock): Action {
  const otherwise = {
    real: () => Promise.reject(invalidMock(id, "an event is awaited only once, so `times` is not allowed")),
    timeout: () => new Error(`signal "${type}" did not arrive in time`),
  };
  return {
    policy: {},
    input: null,
    call: async (_, context) => ({
      payload: await answerOf(mock, undefined, context, otherwise),
      timestamp: new Date(pass.host.clock.now()),
      type,
    }),
    retryDelay: () => undefined,
  };
}

/** Ends as if the child had ended. */
function childAction(name: string, mock: Mock, inputs: unknown): Action {
  const otherwise = {
    real: () => Promise.reject(invalidMock(name, "a child run is started only once, so `times` is not allowed")),
    timeout: () => new Error(`the child run of step "${name}" timed out`),
  };
  return {
    policy: {},
    // As the step of a real child has it: a replay compares it.
    input: encodeFields(inputs as Fields, `${name}.inputs`),
    call: (_, context) => answerOf(mock, inputs, context, otherwise),
    retryDelay: () => undefined,
  };
}

/** Fails the run, whatever its body makes of it. */
function endWithMock<T>(run: BodyRun, name: string, problem: string): Promise<T> {
  run.endWith(invalidMock(name, problem).message, name, "invalid_definition");
  return new Promise(() => {});
}
