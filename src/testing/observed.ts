import { encodeValue } from "../codec/values.ts";
import type { ChildBirth, FamilyOf } from "../engine/host.ts";
import { isDurableError } from "../errors.ts";
import { stepId } from "../ids.ts";
import {
  type AnyCapability,
  type Capability,
  isCapability,
  type SideEffects,
  type StepContext,
} from "../skills/capability.ts";
import { codeBody } from "../skills/code/skill.ts";
import type { StepConfig, WorkflowBody, WorkflowStep, WorkflowStepContext } from "../skills/code/workflow.ts";
import { codeRuns } from "../skills/code/workflow-step.ts";
import type { Skill } from "../skills/skill.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/**
 * The real time that a handler may take, in milliseconds, before virtual time goes on, so that its timeout can come.
 */
const patienceMs = 1_000;

/** One call of a step's handler or callback. */
export interface ObservedCall {
  readonly runId: string;
  readonly stepId: string;
  /** The capability; `step.do` for a callback. */
  readonly uses: string;
  /** Absent if the author declared none. */
  readonly sideEffects: SideEffects | undefined;
  readonly isIdempotent: boolean;
  readonly key: string;
  /** True once the idempotency key was read. */
  usesKey: boolean;
  /** True once it returned, in a process that was still alive: its action on the world is done. */
  hasReturned: boolean;
}

/** A value that cannot be stored. */
export interface UnkeptValue {
  readonly runId: string | undefined;
  readonly stepId: string | undefined;
  readonly path: string;
  readonly message: string;
}

/** Observes a process that executes a skill, and disturbs it. */
export interface Observer {
  readonly clock: VirtualClock;
  readonly calls: ObservedCall[];
  readonly values: UnkeptValue[];
  /** True once the process of these handlers has been stopped: then none of them is called or returns. */
  isDead(): boolean;
  /** How long the answer of the call with that number is held back, in virtual milliseconds. */
  delayOf(call: number): number;
  /** Called before a run starts that child, or looks at it again. */
  onChild(parentRunId: string, child: ChildBirth): void;
}

/** The capabilities, each of whose calls is observed. */
export function observedCapabilities(
  capabilities: readonly AnyCapability[],
  observer: Observer,
): readonly AnyCapability[] {
  return capabilities.map((capability) => observedCapability(capability, observer));
}

function observedCapability(capability: AnyCapability, observer: Observer): Capability {
  const { definition, handler } = capability as unknown as Capability;
  const { id, sideEffects, isIdempotent = true } = definition;
  return Object.freeze({
    definition,
    handler: (input: unknown, context: StepContext) => {
      const { runId, stepId } = context;
      const declared = { runId, stepId, uses: id, sideEffects, isIdempotent };
      return observed(observer, declared, context, (watched) => handler(input, watched));
    },
  });
}

/** The skill, with each of its callbacks and children observed. A graph's steps are observed by their capabilities. */
export function observedSkill(skill: Skill, observer: Observer): Skill {
  const { family } = skill.body;
  const body = family === undefined ? skill.body : { ...skill.body, family: observedFamily(family, observer) };
  if (body.kind === "graph") return Object.freeze({ ...skill, body });
  const { run } = body;
  const watched: WorkflowBody = (step, inputs, context) => {
    const steps = observedSteps(step, context.runId, observer);
    const codeRun = codeRuns.get(step);
    // Mocked steps find the run by their `step` object.
    if (codeRun !== undefined) codeRuns.set(steps, codeRun);
    return run(steps, inputs, context);
  };
  return Object.freeze({ ...skill, body: { ...body, ...codeBody(watched) } });
}

function observedFamily(familyOf: FamilyOf, observer: Observer): FamilyOf {
  return (place) => {
    const family = familyOf(place);
    return {
      ...family,
      child(parent, birth) {
        observer.onChild(parent.run.runId, birth);
        return family.child(parent, birth);
      },
    };
  };
}

function observedSteps(step: WorkflowStep, runId: string, observer: Observer): WorkflowStep {
  return {
    ...step,
    do<T>(name: string, ...rest: readonly unknown[]): Promise<T> {
      const [config, callback, ...more] = (typeof rest[0] === "function" ? [{}, ...rest] : rest) as [
        StepConfig,
        (context: WorkflowStepContext) => Promise<T>,
        undefined,
      ];
      if (typeof callback !== "function") return step.do(name, config, callback, ...more);
      const watched = (context: WorkflowStepContext) => {
        const { sideEffects, isIdempotent = true } = config;
        const id = stepId(name, context.step.count);
        const declared = { runId, stepId: id, uses: "step.do", sideEffects, isIdempotent };
        return observed(observer, declared, context, callback) as Promise<T>;
      };
      return step.do(name, config, watched, ...more);
    },
    use<T>(name: string, asked: string | Capability, input?: unknown): Promise<T> {
      try {
        encodeValue(input, "input");
      } catch (error) {
        // The body receives it as well, and may catch it.
        if (isDurableError(error)) {
          observer.values.push({ runId, stepId: name, path: error.path ?? "input", message: error.message });
        }
      }
      return step.use<T>(name, (isCapability(asked) ? observedCapability(asked, observer) : asked) as string, input);
    },
  };
}

async function observed<Context extends { readonly idempotencyKey: string }>(
  { clock, calls, isDead, delayOf }: Observer,
  declared: Omit<ObservedCall, "key" | "usesKey" | "hasReturned">,
  context: Context,
  call: (context: Context) => unknown,
): Promise<unknown> {
  if (isDead()) throw new Error("the process was stopped");
  const key = context.idempotencyKey;
  const seen: ObservedCall = { ...declared, key, usesKey: false, hasReturned: false };
  const delayMs = delayOf(calls.push(seen));
  const watched = Object.defineProperty({ ...context }, "idempotencyKey", {
    enumerable: true,
    get() {
      seen.usesKey = true;
      return key;
    },
  });
  const work = (async () => call(watched))();
  await clock.during(untilPatienceEnds(work));
  const returned = await work;
  if (delayMs > 0) await clock.sleep(delayMs);
  if (isDead()) throw new Error("the process was stopped");
  seen.hasReturned = true;
  return returned;
}

/** Resolves once the work has settled, or takes so long that its own timeout may come. */
function untilPatienceEnds(work: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, patienceMs);
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    work.then(end, end);
  });
}
