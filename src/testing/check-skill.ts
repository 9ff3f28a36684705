import { anArray, anything, aRecord, expectKind, given, type Kinds } from "../argument.ts";
import { crashingStore, intercepted, lostAnswerStore } from "../conformance/faults.ts";
import { hasEffect } from "../engine/kernel.ts";
import { isDurableError } from "../errors.ts";
import { aCount, aFlag, at, present, read, sha256 } from "../json.ts";
import type { Fields } from "../record/state.ts";
import { importRun } from "../runs/import.ts";
import type { AnyCapability } from "../skills/capability.ts";
import type { InputsOf, Skill } from "../skills/skill.ts";
import { aSkill } from "../skills/skill-kind.ts";
import type { ObservedCall } from "./observed.ts";
import { problemKinds, reportText, type SkillProblem, type SkillReport, type StepReport } from "./skill-report.ts";
import { type Disturbance, type Ended, type FamilyEnd, isSameEnd, type Trial, World } from "./trial.ts";

/** The lines of a run, as `exportRun` makes them. */
export type ExportedRun = Iterable<string> | AsyncIterable<string>;

/** The options of `checkSkill`. */
export interface SkillCheck<Inputs = Fields> {
  readonly inputs: Inputs;
  /**
   * The capabilities of the skill; use mocks for those that act on the world, since each handler is called very often.
   * A function creates fresh ones for each run, for mocks that count.
   */
  readonly capabilities?: readonly AnyCapability[] | (() => readonly AnyCapability[]);
  /**
   * The skills whose runs the skill starts as children, and theirs. They are disturbed and observed as it is. Also earlier
   * versions of the skill, for `histories`.
   */
  readonly skills?: readonly Skill[];
  /** Exported runs of earlier code, which the skill must be able to replay. */
  readonly histories?: readonly ExportedRun[];
  /** True (the default) if a person opens each gate; false if each is denied, which cancels the run. */
  readonly approve?: boolean;
  /** The payloads of the signals that arrive, by name: each arrives as often as the run waits for it. */
  readonly signals?: Fields;
  /** A run that waits more often counts as endless. Default 200. */
  readonly mostWaits?: number;
  /** The most commits of a run that are disturbed, spread evenly; at least 1. Default 100. */
  readonly mostCommits?: number;
}

const kinds: Kinds<SkillCheck> = {
  inputs: anything,
  capabilities: anything,
  skills: anArray,
  histories: anArray,
  approve: aFlag,
  signals: aRecord,
  mostWaits: aCount(1),
  mostCommits: aCount(1),
};

/** Failures that are the fault of the body itself. */
const bodyFaults: readonly string[] = ["nondeterminism", "await_outside_step", "nested_step"];
/** The number of runs that are executed concurrently. */
const concurrency = 16;
/** Further orders in which parallel steps return. */
const orders = 3;
/** The longest time for which an answer is held back, in virtual milliseconds. */
const longestDelayMs = 50;

/**
 * Executes a skill under many faults, and reports its problems. On a virtual clock and an in-memory medium, it stops
 * the process before and after each commit and lets another one go on, loses the answers of commits, lets parallel
 * steps return in other orders and timeouts come before signals, and replays the run from its head and from each
 * checkpoint. Exported runs are replayed against the skill as well. Its child runs are disturbed and observed too.
 *
 * It does not cover paths that these inputs do not take. It sees only that a handler reads its idempotency key, not
 * whether the receiver honors it.
 *
 * @throws `invalid_request` if the run starts a child whose skill is not among `skills`;
 * the errors of `start` for the inputs, of an import for a history, and of `createRuntime` for the skill.
 * @example
 * ```ts
 * import { checkSkill } from "orca-durable/testing";
 * import { capabilities, letter } from "./skills.ts";
 *
 * const report = await checkSkill(letter, { inputs: { to: "Alice" }, capabilities });
 * console.log(report.problems);
 * ```
 */
export async function checkSkill<Inputs>(
  skill: Skill<Inputs>,
  check: SkillCheck<InputsOf<Inputs>>,
): Promise<SkillReport> {
  expectKind(skill, aSkill, "skill");
  const {
    capabilities = [],
    skills = [],
    inputs,
    approve = true,
    signals = {},
    histories = [],
    mostCommits = 100,
    mostWaits = 200,
  } = given<SkillCheck<InputsOf<Inputs>>>(check, kinds, "check");
  const others = read("skills", () => [...skills]).map((one, index) => expectKind(one, aSkill, at("skills", index)));
  const trial: Trial = {
    skill,
    skills: others,
    capabilities: typeof capabilities === "function" ? capabilities : () => capabilities,
    inputs: inputs as Fields,
    approve,
    signals,
    mostWaits,
  };
  const findings = new Findings(skill);
  // The first hash of a process takes long, in which the clock would jump.
  await sha256("");
  const plain = await checkAsIs(trial, { when: "undisturbed" }, mostCommits, findings);
  const scenarios = [plain];
  if (plain.hasRaced)
    scenarios.push(await checkAsIs(trial, { when: "no signal arrived in time", isLate: true }, mostCommits, findings));
  for (const scenario of scenarios) {
    if (!isWorthDisturbing(scenario.ended)) continue;
    const disturbances = disturbancesOf(scenario, mostCommits);
    const found = await each(disturbances, async (disturbance) => {
      const own = new Findings(trial.skill);
      await checkDisturbed(trial, scenario, disturbance, own);
      return own;
    });
    // In this order, whichever was done first: the same check has the same report.
    for (const own of found) findings.take(own);
  }
  for (const [index, history] of histories.entries()) await checkHistory(trial, history, index + 1, findings);
  return findings.report(plain.ended.root.run);
}

/**
 * Checks a skill as {@link checkSkill} does.
 *
 * @throws an `Error` whose message is the report, if there is any problem.
 * @example
 * ```ts
 * import { assertSkill } from "orca-durable/testing";
 * import { test } from "vitest";
 * import { capabilities, letter } from "./skills.ts";
 *
 * test("the letter survives every crash", () => assertSkill(letter, { inputs: { to: "Alice" }, capabilities }));
 * ```
 */
export async function assertSkill<Inputs>(
  skill: Skill<Inputs>,
  check: SkillCheck<InputsOf<Inputs>>,
): Promise<SkillReport> {
  const report = await checkSkill(skill, check);
  if (report.problems.length > 0) throw new Error(report.text);
  return report;
}

/** A run that nothing disturbed: disturbed runs are compared with it. */
interface Scenario {
  readonly disturbance: Disturbance;
  readonly ended: FamilyEnd;
  readonly commitCount: number;
  readonly hasRaced: boolean;
}

async function checkAsIs(
  trial: Trial,
  disturbance: Disturbance,
  mostCommits: number,
  findings: Findings,
): Promise<Scenario> {
  let commitCount = 0;
  const counted: Disturbance = {
    ...disturbance,
    medium: (store) =>
      intercepted(store, (call, proceed) => {
        if (call.method === "commit") commitCount = call.nth;
        return proceed();
      }),
  };
  const world = new World(trial, counted);
  const ended = await started(world, trial);
  findings.ended(ended, disturbance.when);
  const { hasRaced } = world;
  await world.restart();
  const scenario: Scenario = { disturbance, ended, commitCount, hasRaced };
  if (isWorthDisturbing(ended)) await checkReplays(world, scenario, mostCommits, findings);
  findings.observed(world, disturbance.when);
  await world.stop();
  return scenario;
}

async function checkDisturbed(
  trial: Trial,
  scenario: Scenario,
  disturbance: Disturbance,
  findings: Findings,
): Promise<void> {
  const world = new World(trial, disturbance);
  const ended = await started(world, trial);
  findings.ended(ended, disturbance.when);
  findings.compare(scenario.ended, ended, disturbance.when);
  await world.restart();
  await checkReplay(world, ended.root, `${disturbance.when}, then replayed from its head`, findings);
  findings.observed(world, disturbance.when);
  await world.stop();
}

function started(world: World, { skill, inputs }: Trial): Promise<FamilyEnd> {
  const { id: skillId, version: skillVersion } = skill;
  return world.finish("run", () => world.runs.start({ skillId, skillVersion, runId: "run", inputs }));
}

/** False if the run itself has shown that no other run can end. */
function isWorthDisturbing({ root, children }: FamilyEnd): boolean {
  return [root, ...children.values()].every(
    ({ kind, run }) => kind !== "endless" && !bodyFaults.includes(run.error?.code ?? ""),
  );
}

/** Replays the run from its head and from its checkpoints, and its children from their heads. */
async function checkReplays(
  world: World,
  { ended, disturbance: { when } }: Scenario,
  mostCheckpoints: number,
  findings: Findings,
): Promise<void> {
  const { root, children } = ended;
  await checkReplay(world, root, `${when}, then replayed from its head`, findings);
  const ends = [...children.values()];
  // A replay of the parent uses the recorded results of its children.
  for (const place of spread(ends.length, mostCheckpoints)) {
    const child = ends[place - 1];
    if (child !== undefined)
      await checkReplay(world, child, `${when}, then the child was replayed from its head`, findings);
  }
  const { items: checkpoints } = await world.runs.listCheckpoints(root.run.runId);
  for (const place of spread(checkpoints.length, mostCheckpoints)) {
    const seen = `${when}, then replayed from checkpoint ${place} of ${checkpoints.length}`;
    await checkReplay(world, root, seen, findings, checkpoints[place - 1]?.checkpointId);
  }
}

/** Replays the run from that checkpoint, or from its head, which must end in the same way. */
async function checkReplay(
  world: World,
  source: Ended,
  seen: string,
  findings: Findings,
  checkpointId?: string,
): Promise<void> {
  const { run } = source;
  if (run.checkpointHead === undefined || run.status === "canceled") return;
  const newRunId = world.nextRunId();
  await world.runs.replay(run.runId, { newRunId, ...present({ checkpointId }) });
  const ended = await world.finish(newRunId);
  findings.ended(ended, seen);
  findings.compare({ root: source, children: new Map() }, ended, seen);
  if (checkpointId === undefined) findings.compareResults(source, ended.root, seen);
}

async function checkHistory(trial: Trial, history: ExportedRun, number: number, findings: Findings): Promise<void> {
  const when = `history ${number}`;
  const world = new World(trial, { when });
  const run = await importRun(world.runs, history);
  const isSameVersion = run.skillVersion === trial.skill.version;
  const { items: checkpoints } =
    run.checkpointHead === undefined ? { items: [] } : await world.runs.listCheckpoints(run.runId);
  for (const { checkpointId } of checkpoints) {
    const seen = `${when} (run ${run.runId}) was replayed from checkpoint ${checkpointId}`;
    const newRunId = world.nextRunId();
    try {
      await world.runs.replay(run.runId, { newRunId, checkpointId });
    } catch (error) {
      if (!isDurableError(error)) throw error;
      const message = `This skill cannot take the run up: ${error.message}. Register its version as well, or add a migration.`;
      findings.add({ kind: "end", message, when: seen });
      continue;
    }
    const ended = await world.finish(newRunId);
    findings.ended(ended, seen);
    if (run.status !== "completed") continue;
    const source: Ended = { kind: "ended", run, result: undefined };
    findings.compare({ root: source, children: new Map() }, ended, seen);
    const isHead = checkpointId === run.checkpointHead;
    if (isHead && isSameVersion) findings.compareResults((await world.finish(run.runId)).root, ended.root, seen);
  }
  findings.observed(world, when);
  await world.stop();
}

/** All disturbances of a run of that many commits. */
function disturbancesOf({ commitCount, disturbance }: Scenario, mostCommits: number): readonly Disturbance[] {
  const { isLate = false, when } = disturbance;
  const base = isLate ? `${when}, ` : "";
  const places = spread(commitCount, mostCommits);
  const crashes = places.flatMap((atCommit) =>
    (["before", "after"] as const).map((moment): Disturbance => {
      const medium: Disturbance["medium"] = (store) => crashingStore(store, { atCommit, moment, calls: "reject" });
      return { when: `${base}stopped ${moment} commit ${atCommit}`, medium, isLate };
    }),
  );
  const lost = places.map((atCommit): Disturbance => {
    const medium: Disturbance["medium"] = (store) =>
      lostAnswerStore(store, ({ method, nth }) => method === "commit" && nth === atCommit);
    return { when: `${base}the answer of commit ${atCommit} was lost`, medium, isLate };
  });
  const reordered = Array.from({ length: orders + 1 }, (_, order): Disturbance => {
    const delayOf = order === 0 ? reversed : (call: number) => shuffled(order, call);
    return { when: `${base}parallel steps returned in ${order === 0 ? "reverse" : `order ${order}`}`, delayOf, isLate };
  });
  return [...crashes, ...lost, ...reordered];
}

/** The numbers from 1 to `count`, or this many of them, evenly. */
function spread(count: number, most: number): readonly number[] {
  const size = Math.min(count, Math.max(1, Math.floor(most)));
  return Array.from({ length: size }, (_, index) => 1 + Math.floor((index * count) / size));
}

/** The later a step is called, the sooner it returns. */
function reversed(call: number): number {
  return Math.max(longestDelayMs - call, 0);
}

/** A number that looks random, and is the same in each check. */
function shuffled(order: number, call: number): number {
  const mixed = Math.imul(call + 1, 0x9e37_79b1) ^ Math.imul(order, 0x85eb_ca6b);
  return (Math.imul(mixed ^ (mixed >>> 15), 0x2c1b_3c6d) >>> 16) % longestDelayMs;
}

/** The outcomes of concurrent work, in the order of the items. */
async function each<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const outcomes: R[] = [];
  const left = items.entries();
  const worker = async () => {
    for (const [index, item] of left) outcomes[index] = await work(item);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return outcomes;
}

/** What has been found so far. */
class Findings {
  readonly #problems = new Map<string, SkillProblem>();
  readonly #steps = new Map<string, StepReport>();
  readonly #skill: Skill;
  #runCount = 0;

  constructor(skill: Skill) {
    this.#skill = skill;
  }

  /** Adds the findings of others, after those that are known already. */
  take(others: Findings): void {
    for (const problem of others.#problems.values()) this.add(problem);
    for (const step of others.#steps.values()) this.#addStep(step);
    this.#runCount += others.#runCount;
  }

  /** Adds a problem, unless it is already known. */
  add(problem: SkillProblem): void {
    const { kind, skillId, stepId, path, message } = problem;
    const isOfStep = kind === "nondeterminism" && stepId !== undefined;
    const key = JSON.stringify([kind, skillId, stepId, path, isOfStep ? "" : message]);
    if (!this.#problems.has(key)) this.#problems.set(key, problem);
  }

  /** Examines the end of a run and of its children. */
  ended({ root, children }: FamilyEnd, when: string): void {
    this.#runCount++;
    for (const ended of [root, ...children.values()]) this.#ended(ended, when);
  }

  #ended(ended: Ended, when: string): void {
    const of = this.#placeOf(ended.run.skillId);
    switch (ended.kind) {
      case "stuck":
        for (const wait of ended.waits) {
          const what = wait.kind === "signal" ? `the signal "${wait.name}"` : "something";
          const hint = "Set a timeout, or add the signal to `signals` if it is sent in production.";
          const message = `The run waits for ${what}, which is never sent, and the wait has no timeout. ${hint}`;
          this.add({ kind: "wait", ...of, stepId: wait.stepId, message, when });
        }
        return;
      case "endless": {
        const stepId = ended.run.currentStepId;
        const message =
          "The run waited more than `mostWaits` times without ending. Make sure that its loop ends, or raise `mostWaits`.";
        this.add({ kind: "wait", ...of, ...present({ stepId }), message, when });
        return;
      }
      case "ended":
        this.#failed(ended.run, when);
    }
  }

  /** Names a skill that is not the one that is checked. */
  #placeOf(skillId: string | undefined): Pick<SkillProblem, "skillId"> {
    return present({ skillId: skillId === this.#skill.id ? undefined : skillId });
  }

  #failed({ error, skillId }: SkillReport["run"], when: string): void {
    if (error === undefined) return;
    const { code, message, stepId } = error;
    const of = this.#placeOf(skillId);
    if (bodyFaults.includes(code)) {
      const hint =
        "Read the time, random values and everything external inside a step, so that the result is recorded.";
      this.add({
        kind: "nondeterminism",
        ...of,
        ...present({ stepId }),
        message: `${sentence(message)} ${hint}`,
        when,
      });
    }
    // For a step it is already known, with its path.
    if (code === "invalid_output" && stepId === undefined) {
      this.#unkept({ ...of, path: message.split(": ")[0] ?? "result", message, when });
    }
  }

  #unkept(value: Omit<SkillProblem, "kind">): void {
    const hint = "Return plain data, or an id with which the value can be loaded again.";
    this.add({ ...value, kind: "value", message: `${sentence(value.message)} ${hint}` });
  }

  /** Compares the end of a disturbed run, and those of its children, with that of an undisturbed one. */
  compare(source: FamilyEnd, ended: FamilyEnd, when: string): void {
    let isChildsFault = false;
    for (const [path, child] of ended.children) {
      const before = source.children.get(path);
      // A parent cancels them at different moments.
      if (before === undefined || [before, child].some(({ run }) => run.status === "canceled")) continue;
      if (this.#compareOne(before, child, when)) isChildsFault = true;
    }
    // That of the child says why.
    if (isChildsFault && ended.root.run.error?.code === "run_failed") return;
    this.#compareOne(source.root, ended.root, when);
  }

  /** True if they ended differently. */
  #compareOne(source: Ended, ended: Ended, when: string): boolean {
    const { status, skillId } = ended.run;
    if (source.run.status === status || source.kind !== "ended" || ended.kind !== "ended") return false;
    const { code, message, stepId } = ended.run.error ?? {};
    if (!bodyFaults.includes(code ?? "")) {
      const why = message === undefined ? "" : `: ${message}`;
      const text = sentence(`The run is ${status} instead of ${source.run.status}${why}`);
      this.add({ kind: "end", ...this.#placeOf(skillId), ...present({ stepId }), message: text, when });
    }
    return true;
  }

  /** Compares results that must be the same, since all steps answered the same. */
  compareResults(source: Ended, ended: Ended, when: string): void {
    if (source.run.status !== ended.run.status || isSameEnd(source, ended)) return;
    const message =
      "Every step returned its recorded result, but the body returned a different result. It uses something that is not a " +
      "step's result, such as the time, a random number, or a variable that a step's callback sets.";
    this.add({ kind: "nondeterminism", ...this.#placeOf(ended.run.skillId), message, when });
  }

  /** Examines what a world has seen of its runs. */
  observed(world: World, when: string): void {
    for (const { runId, stepId, path, message } of world.values) {
      this.#unkept({ ...this.#placeOf(world.skillOf(runId)), ...present({ stepId }), path, message, when });
    }
    const byStep = new Map<string, ObservedCall[]>();
    for (const call of world.calls) {
      const key = JSON.stringify([call.runId, call.stepId]);
      byStep.set(key, [...(byStep.get(key) ?? []), call]);
    }
    for (const calls of byStep.values()) this.#step(world, calls, when);
  }

  #step(world: World, calls: readonly ObservedCall[], when: string): void {
    const [first] = calls;
    if (first === undefined) return;
    const of = this.#placeOf(world.skillOf(first.runId));
    const { stepId, uses, sideEffects, isIdempotent, key } = first;
    const returned = calls.filter((call) => call.hasReturned);
    const mostKeys = new Set(returned.map((call) => call.key)).size;
    const usesKey = returned.every((call) => call.usesKey);
    this.#addStep({
      ...of,
      ...{ stepId, uses, key, usesKey, mostKeys },
      ...present({ sideEffects }),
      mostCalls: returned.length,
    });
    const isHarmless = sideEffects === "none" || sideEffects === "read";
    // Called again only after a person has allowed it.
    const isAsked = hasEffect(present({ sideEffects })) && !isIdempotent;
    if (returned.length < 2 || isHarmless || isAsked) return;
    const message = doubled(first, mostKeys, usesKey);
    if (message !== undefined) this.add({ kind: "effect", ...of, stepId, message, when });
  }

  #addStep(step: StepReport): void {
    const key = JSON.stringify([step.skillId, step.stepId]);
    const before = this.#steps.get(key) ?? step;
    this.#steps.set(key, {
      ...before,
      mostCalls: Math.max(before.mostCalls, step.mostCalls),
      mostKeys: Math.max(before.mostKeys, step.mostKeys),
      usesKey: before.usesKey && step.usesKey,
    });
  }

  report(run: SkillReport["run"]): SkillReport {
    const report = {
      problems: [...this.#problems.values()].sort(
        (a, b) => problemKinds.indexOf(a.kind) - problemKinds.indexOf(b.kind),
      ),
      steps: [...this.#steps.values()],
      run,
      runCount: this.#runCount,
    };
    return { ...report, text: reportText(this.#skill.id, report) };
  }
}

/** What is wrong with a step that was called again after it had returned; `undefined` if its receiver recognizes it. */
function doubled({ sideEffects }: ObservedCall, keyCount: number, usesKey: boolean): string | undefined {
  const again = "It was called again after it had returned, because its result was not recorded yet";
  if (sideEffects === undefined && !usesKey) {
    return (
      `${again}. It declares no \`sideEffects\` and does not read its idempotency key. Declare ` +
      '"none" or "read" if it may be called twice; otherwise pass its idempotency key on.'
    );
  }
  if (!usesKey) {
    return (
      `${again}, and it does not read its idempotency key, so the action happens twice. Pass \`idempotencyKey\` to ` +
      "the service that performs the action, or declare `isIdempotent: false`, so that a person is asked."
    );
  }
  if (keyCount === 1) return undefined;
  return (
    `${again}. Each call had a different idempotency key, because its input was different, so the action happens ` +
    "twice. Read values that change between two calls of the body, such as the time, in an earlier step."
  );
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
