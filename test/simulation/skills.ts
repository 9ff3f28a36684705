import type {
  AnyCapability,
  GraphStep,
  Skill,
  StepConfig,
  WorkflowStep,
  WorkflowStepContext,
} from "../../src/index.ts";
import type {
  ApprovalSteps,
  ChildSteps,
  MapSteps,
  OutputContext,
  RollbackContext,
  RollbackSteps,
} from "../../src/steps.ts";
import { keyOf } from "./history.ts";
import type { Outside } from "./outside.ts";
import { type GraphStepPlan, hasPure, type Piece, type Program, partsOf, type StepPlan } from "./program.ts";
import { answerSchema, questionsIn } from "./question-bodies.ts";
import type { Subject } from "./subject.ts";
import { migrationsOf, nameIn, timeNameOf, unversioned, type Version } from "./versions.ts";
import type { Process } from "./world.ts";

/** What a runtime of one process executes: the generated programs as skills, and what they use. */
export function bind(
  subject: Subject,
  outside: Outside,
  process: Process,
  programs: readonly Program[],
  version: Version = "1",
): { readonly skills: readonly Skill[]; readonly capabilities: readonly AnyCapability[] } {
  const { defineSkill, defineGraphSkill } = subject.core;
  const capabilities = new Map<string, AnyCapability>();
  const capability = (plan: StepPlan): string => {
    const id = capabilityId(plan);
    if (!capabilities.has(id)) capabilities.set(id, defined(subject, outside, process, id, plan));
    return id;
  };
  const skills = programs.map((program) => {
    const definition = { id: program.id, version, migrations: migrationsOf(subject, program, version) };
    if (program.form === "graph") {
      return defineGraphSkill({
        ...definition,
        steps: program.steps.map((step) => graphStep(subject, step, version, capability)),
      });
    }
    usedIn(program.body, capability);
    const { hasRollbacks = false } = program;
    return defineSkill({
      ...definition,
      uses: kindsOf(subject, program, version),
      run: (step: Steps, inputs: Readonly<Record<string, unknown>>, { runId }) => {
        const tenant = subject.codeRuns.get(step)?.pass.record.run.tenantId ?? "?";
        return new Body(outside, process, keyOf({ tenant, runId }), step, version, hasRollbacks).run(
          program.body,
          inputs,
        );
      },
    });
  });
  return { skills, capabilities: [...capabilities.values()] };
}

type Kinds = readonly [Subject["maps"], Subject["rollbacks"], Subject["childRuns"], ReturnType<Subject["approvals"]>];

// A body without rollbacks, children or questions calls no step with them. The output is in the context of its callbacks.
function kindsOf(subject: Subject, program: Extract<Program, { form: "code" }>, version: Version): Kinds {
  const { maps, rollbacks, childRuns, approvals, outputsWith } = subject;
  const { body, hasRollbacks, hasOutput } = program;
  const names = questionsIn(body).map((name) => nameIn(version, name));
  return [
    maps,
    ...(hasRollbacks ? [rollbacks] : []),
    ...(hasRuns(body) ? [childRuns] : []),
    ...(names.length === 0 ? [] : [approvals(Object.fromEntries(names.map((name) => [name, answerSchema])))]),
    ...(hasOutput ? [outputsWith({ flushMs: 1_000 })] : []),
  ] as unknown as Kinds;
}

function hasRuns(piece: Piece): boolean {
  return piece.kind === "run" || partsOf(piece).some(hasRuns);
}

export function capabilityId({ effect, policy, isIdempotent, needsConfirmation }: StepPlan): string {
  const parts = [effect, policy, isIdempotent ? "idempotent" : "once", needsConfirmation ? "asks" : "free"];
  return `sim.${parts.join(".")}`;
}

function defined(subject: Subject, outside: Outside, process: Process, id: string, plan: StepPlan): AnyCapability {
  const { effect, policy, isIdempotent, needsConfirmation } = plan;
  return subject.core.defineCapability<{ readonly plan: StepPlan }, unknown>(
    {
      id,
      version: "1",
      sideEffects: effect,
      replayPolicy: policy,
      isIdempotent,
      requiresConfirmation: needsConfirmation,
    },
    (input, { runId, stepId, attempt, idempotencyKey, signal }) =>
      outside.call(process, {
        runKey: keyOf({ tenant: tenantOf(idempotencyKey), runId }),
        stepId: unversioned(stepId),
        attempt,
        idempotencyKey: unversioned(idempotencyKey),
        signal,
        plan: input.plan,
        pass: undefined,
        ...(needsConfirmation ? { confirmed: id } : {}),
      }),
  );
}

/** A handler does not know the tenant of its run. The key under which it acts begins with it. */
function tenantOf(idempotencyKey: string): string {
  return decodeURIComponent(idempotencyKey.split("/")[0] ?? "");
}

function graphStep(
  subject: Subject,
  step: GraphStepPlan,
  version: Version,
  capability: (plan: StepPlan) => string,
): GraphStep {
  const { id, dependsOn, when, onFailure, does } = step;
  const base = {
    id: nameIn(version, id),
    onFailure,
    ...(dependsOn === undefined ? {} : { dependsOn: dependsOn.map((other) => nameIn(version, other)) }),
    ...(when === undefined
      ? {}
      : { when: ({ vars }: { vars: Readonly<Record<string, unknown>> }) => isOdd(vars[when.of]) === when.isOdd }),
  };
  switch (does.kind) {
    case "sleep":
      return { ...base, sleep: does.ms };
    case "signal":
      return {
        ...base,
        output: `outputs.${id}`,
        waitFor: { signal: does.type, ...(does.timeoutMs === undefined ? {} : { timeout: does.timeoutMs }) },
      };
    case "use": {
      const { plan, reads } = does;
      return {
        ...base,
        uses: capability(plan),
        input: {
          plan: subject.core.literal(plan),
          ...Object.fromEntries(reads.map((read) => [read, `vars.${read}`])),
        },
        output: `vars.${id}`,
        retries: { limit: plan.retries, delay: plan.retryMs },
        ...(plan.timeoutMs === undefined ? {} : { timeout: plan.timeoutMs }),
      };
    }
  }
}

export function isOdd(value: unknown): boolean {
  return typeof value === "number" && value % 2 === 1;
}

function usedIn(piece: Piece, capability: (plan: StepPlan) => string): void {
  if (piece.kind === "use") capability(piece.plan);
  for (const part of partsOf(piece)) usedIn(part, capability);
}

/** One pass over a generated body, and what it saw. */
class Body {
  readonly #outside: Outside;
  readonly #process: Process;
  readonly #runKey: string;
  readonly #step: Steps;
  readonly #hasRollbacks: boolean;
  /** Of a body with rollbacks: the steps that it called, in order. */
  readonly #started: { readonly name: string; readonly id: string }[] = [];
  readonly #pass: ReturnType<Outside["begin"]>;
  readonly #seen: string[] = [];
  #inputs: Readonly<Record<string, unknown>> = {};
  readonly #asked = new Map<string, number>();

  constructor(
    outside: Outside,
    process: Process,
    runKey: string,
    step: Steps,
    version: Version,
    hasRollbacks: boolean,
  ) {
    this.#outside = outside;
    this.#process = process;
    this.#runKey = runKey;
    this.#hasRollbacks = hasRollbacks;
    this.#step = versioned(step, version, (name) => this.#asked.set(name, (this.#asked.get(name) ?? 0) + 1));
    this.#pass = outside.begin(process, runKey);
  }

  async run(piece: Piece, inputs: Readonly<Record<string, unknown>>): Promise<unknown> {
    this.#inputs = inputs;
    try {
      const value = await this.#do(piece);
      return { value, seen: [...this.#seen], inputs };
    } finally {
      this.#pass.hasEnded = true;
    }
  }

  async #do(piece: Piece): Promise<unknown> {
    const step = this.#step;
    switch (piece.kind) {
      case "do":
        return this.#see(piece.name, this.#call(piece));
      case "use":
        if (piece.plan.needsConfirmation) {
          this.#outside.reaches(this.#pass, this.#idOf(piece.name), capabilityId(piece.plan));
        }
        return this.#see(piece.name, step.use(piece.name, capabilityId(piece.plan), { plan: piece.plan }));
      case "sleep": {
        const { name, ms, isUntil } = piece;
        if (!isUntil) {
          const answered = this.#outside.sleeping(this.#pass, this.#idOf(name), ms);
          await this.#see(name, step.sleep(name, ms));
          answered();
          return;
        }
        const at = await this.#see(
          timeNameOf(name),
          step.do(timeNameOf(name), async () => this.#outside.timeOf(this.#process) + ms),
        );
        return this.#see(name, step.sleepUntil(name, at));
      }
      case "event": {
        const { name, type, timeoutMs } = piece;
        const options = { type, ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }) };
        const event = await this.#see(name, step.waitForEvent<string>(name, options));
        return event.payload;
      }
      case "approval":
        this.#outside.reaches(this.#pass, this.#idOf(piece.name));
        return piece.asks === true
          ? this.#ask(piece.name)
          : (await this.#see(piece.name, step.waitForApproval(piece.name))).approver;
      case "map":
        return this.#see(piece.name, this.#map(piece));
      case "run": {
        const { name, skill, waits, isDetached, isRepeated } = piece;
        const policy = isRepeated ? "reexecute" : "use_recorded_result";
        const options = { wait: waits, detached: isDetached, replayPolicy: policy } as const;
        return this.#see(name, step.run(name, skill, this.#inputs, options));
      }
      case "pure": {
        for (let digest = 0; digest < piece.digests; digest++) {
          await globalThis.crypto.subtle.digest("SHA-256", Uint8Array.of(digest));
        }
        for (let turn = 0; turn < piece.turns; turn++) await undefined;
        if (piece.waitMs > 0) await this.#outside.pureWork(this.#process, piece.waitMs);
        return "pure";
      }
      case "sequence": {
        const values: unknown[] = [];
        for (const part of piece.of) values.push(await this.#do(part));
        return values;
      }
      case "all":
        return Promise.all(piece.of.map((part) => this.#do(part)));
      case "race":
        return Promise.race(piece.of.map((part) => this.#do(part)));
      case "any":
        return Promise.any(piece.of.map((part) => this.#do(part)));
      case "allSettled":
        return (await Promise.allSettled(piece.of.map((part) => this.#do(part)))).map(({ status }) => status);
      case "float": {
        // A step that is awaited late, or never: its failure belongs to the branch that asks for it, and to no other.
        const { of, meanwhile, isAwaited } = piece;
        if (of.kind === "do") {
          const floating = this.#call(of);
          const before = await this.#do(meanwhile);
          // Seen once the work beside it is done: where that is none of steps, its place is no way that the body takes.
          return isAwaited ? [before, await this.#see(of.name, floating, !hasPure(meanwhile))] : before;
        }
        const floating = this.#do(of);
        floating.catch(() => {});
        const before = await this.#do(meanwhile);
        return isAwaited ? [before, await floating] : before;
      }
      case "catch":
        try {
          return await this.#do(piece.of);
        } catch {
          return this.#do(piece.otherwise);
        }
      case "repeat": {
        const values: unknown[] = [];
        for (let time = 0; time < piece.times; time++) values.push(await this.#do(piece.of));
        return values;
      }
      case "choice":
        return isOdd(await this.#do(piece.on)) ? this.#do(piece.odd) : this.#do(piece.even);
      case "throw":
        throw new Error("the body throws");
    }
  }

  async #ask(name: string): Promise<unknown> {
    const { approver, data } = await this.#see(name, this.#step.waitForApproval(name, { show: { name } }));
    const { by } = (data ?? {}) as { readonly by?: unknown };
    if (by !== approver) this.#outside.answersAnother(this.#pass, name, `${approver} by ${shown(data)}`);
    return by;
  }

  #call({ name, plan }: Extract<Piece, { kind: "do" }>): Promise<unknown> {
    const act = async (context: WorkflowStepContext & Partial<OutputContext>) => {
      const id = stepId(name, context.step.count);
      const { output } = context;
      if (output === undefined) return this.#act(name, plan, context);
      const first = this.#outside.newChunk();
      await output.write(first);
      await output.flush();
      this.#outside.flushed(this.#pass, id, first);
      const second = this.#outside.newChunk();
      await output.write(second);
      const result = await this.#act(name, plan, context);
      await output.write(this.#outside.newChunk());
      await output.flush();
      this.#outside.flushed(this.#pass, id, second);
      return result;
    };
    if (!this.#hasRollbacks) return this.#step.do(name, configOf(plan), act);
    const id = this.#idOf(name);
    const place = this.#started.push({ name, id }) - 1;
    return this.#step.do(name, configOf(plan), act, {
      rollback: (undone) => this.#undo(place, plan, undone),
      rollbackConfig: configOf(plan),
    });
  }

  /** Undoes a step, once those that were called after it are undone. */
  async #undo(place: number, plan: StepPlan, { idempotencyKey, signal }: RollbackContext): Promise<void> {
    const begun = this.#started.map(({ name, id }) => ({ name, isBegun: this.#outside.isRecorded(this.#runKey, id) }));
    const rollbackOf = (at: number) => {
      const { name } = begun[at] as (typeof begun)[number];
      const count = begun.slice(at).filter((other) => other.isBegun && other.name === name).length;
      return stepId(`rollback: ${name}`, count);
    };
    const skipped = begun.findIndex(
      ({ isBegun }, at) => at > place && isBegun && !this.#outside.isRecorded(this.#runKey, rollbackOf(at)),
    );
    const stepIdOfUndo = rollbackOf(place);
    if (skipped >= 0) this.#outside.undoesEarly(this.#pass, stepIdOfUndo, rollbackOf(skipped));
    await this.#outside.call(this.#process, {
      runKey: this.#runKey,
      stepId: stepIdOfUndo,
      attempt: 1,
      idempotencyKey: unversioned(idempotencyKey),
      signal,
      plan: { ...plan, failures: Math.min(plan.failures, 1), failure: "throws" },
      pass: this.#pass,
    });
  }

  async #map({ name, concurrency, onFailure, plan, failures }: Extract<Piece, { kind: "map" }>): Promise<unknown> {
    const begun = new Set<AbortSignal>();
    const options = { concurrency, onFailure: onFailure as "collect", ...configOf(plan) };
    const outcomes = await this.#step.map(name, failures, options, async (failures, context, index) => {
      // An attempt that timed out may go on by its own fault.
      const inFlight = [...begun.add(context.signal)].filter(({ aborted }) => !aborted).length;
      if (inFlight > concurrency) this.#outside.overfills(this.#pass, name, inFlight, concurrency);
      try {
        return await this.#act(`${name}[${index}]`, { ...plan, failures }, context);
      } finally {
        begun.delete(context.signal);
      }
    });
    // With "fail" they are the values.
    return outcomes.map((outcome) => (outcome.status === "failed" ? (outcome.error as Error).message : outcome));
  }

  #act(name: string, plan: StepPlan, { step: { count }, ...context }: WorkflowStepContext): Promise<unknown> {
    return this.#outside.call(this.#process, {
      ...context,
      idempotencyKey: unversioned(context.idempotencyKey),
      runKey: this.#runKey,
      stepId: stepId(name, count),
      plan,
      pass: this.#pass,
      nest: () => this.#step.do("nested", async () => 1),
    });
  }

  /** The id that the step asked for next by that name has. */
  #idOf(name: string): string {
    const count = (this.#asked.get(name) ?? 0) + 1;
    return stepId(name, count);
  }

  /** Notes an answer in the very turn in which the body gets it. */
  async #see<T>(name: string, answer: Promise<T>, isInOrder = true): Promise<T> {
    try {
      const value = await answer;
      this.#note(`${name} = ${shown(value)}`, isInOrder);
      return value;
    } catch (error) {
      this.#note(`${name} threw ${(error as Error).message}`, isInOrder);
      throw error;
    }
  }

  #note(told: string, isInOrder: boolean): void {
    const text = unversioned(told);
    this.#seen.push(text);
    if (isInOrder) this.#outside.saw(this.#pass, text);
  }
}

/** The step of a body, which says of each step that it asks for it, and asks under the name that it has in that version. */
/** The steps of a body; it has rollbacks, children and questions only if its skill names them. */
type Steps = WorkflowStep & MapSteps & RollbackSteps & ChildSteps & ApprovalSteps;

function versioned<S extends WorkflowStep>(step: S, version: Version, asked: (name: string) => void): S {
  return new Proxy(step, {
    get(target, key) {
      const method = Reflect.get(target, key) as (name: string, ...rest: unknown[]) => unknown;
      return (name: string, ...rest: unknown[]) => {
        // The steps of a map have names of their own.
        if (key !== "map") asked(name);
        return method.call(target, nameIn(version, name), ...rest);
      };
    },
  });
}

function stepId(name: string, count: number): string {
  return count > 1 || /#\d+$/.test(name) ? `${name}#${count}` : name;
}

function shown(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? `${part}n` : part)) ?? "undefined";
}

function configOf(plan: StepPlan): StepConfig {
  const { retries, retryMs, backoff, timeoutMs, effect, policy, isIdempotent } = plan;
  return {
    retries: { limit: retries, delay: retryMs, backoff },
    ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
    sideEffects: effect,
    replayPolicy: policy,
    isIdempotent,
  };
}
