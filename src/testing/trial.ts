import { encodeValue } from "../codec/values.ts";
import { modelStore } from "../conformance/model.ts";
import { emptyTables } from "../conformance/tables.ts";
import { type DurableError, invalidRequest, isDurableError } from "../errors.ts";
import type { Held } from "../journal/change.ts";
import { heldRow } from "../journal/commit.ts";
import { type Json, jsonEqual, read } from "../json.ts";
import { isOver, isTerminal, type Wait } from "../record/run.ts";
import type { Fields } from "../record/state.ts";
import { childOf } from "../record/waiting.ts";
import type { CurrentRun } from "../runs/api.ts";
import type { Runs } from "../runs/runs.ts";
import { createRuntime, type Runtime } from "../runtime.ts";
import type { AnyCapability } from "../skills/capability.ts";
import type { Skill } from "../skills/skill.ts";
import type { Store } from "../store.ts";
import { type ObservedCall, type Observer, observedCapabilities, observedSkill, type UnkeptValue } from "./observed.ts";
import { type VirtualClock, virtualClock } from "./virtual-clock.ts";

const tenant = "check";
const leaseMs = 30_000;
/** More than the default of `virtualClock`: many trials, each with its hashes, share the event loop. */
const quietTurns = 8;

/** The subject of a trial, and how the world answers it. */
export interface Trial {
  readonly skill: Skill;
  /** The skills of its children, and other versions. */
  readonly skills: readonly Skill[];
  readonly capabilities: () => readonly AnyCapability[];
  readonly inputs: Fields;
  readonly approve: boolean;
  readonly signals: Fields;
  /** A run that has waited more often and has not ended counts as endless. */
  readonly mostWaits: number;
}

/** The disturbance of a trial. */
export interface Disturbance {
  /** The end of a sentence: "when it is stopped before commit 3". */
  readonly when: string;
  /** The medium of the first process; those after it have the plain one. */
  readonly medium?: (store: Store) => Store & { readonly crashed?: boolean };
  /** How long the answer of the call with that number is held back, in virtual milliseconds. */
  readonly delayOf?: (call: number) => number;
  /** True if time passes before a signal is sent: timeouts win over signals. */
  readonly isLate?: boolean;
}

/** How a run ended. */
export type Ended =
  | { readonly kind: "ended"; readonly run: CurrentRun; readonly result: Json | undefined }
  /** It waits, and nothing comes; not for a child, which is stuck itself. */
  | { readonly kind: "stuck"; readonly run: CurrentRun; readonly waits: readonly Wait[] }
  /** It goes on forever, or for very long. */
  | { readonly kind: "endless"; readonly run: CurrentRun };

/** How a run ended, and the runs that it started. */
export interface FamilyEnd {
  readonly root: Ended;
  /** The children and theirs, by the steps that lead to them and their skills. */
  readonly children: ReadonlyMap<string, Ended>;
}

/** The capabilities of the skills: the registered ones, and those that steps of graphs bring along. */
function capabilitiesOf({ skill, skills, capabilities }: Trial): readonly AnyCapability[] {
  const registered = capabilities();
  const ids = new Set(registered.map(({ definition }) => definition.id));
  const own = [skill, ...skills].flatMap(({ body }) => (body.kind === "graph" ? body.graph.steps : []));
  const brought = own.flatMap(({ does }) => (does.kind === "capability" && does.capability ? [does.capability] : []));
  const distinct = new Map(brought.map((capability) => [capability.definition.id, capability]));
  return [...registered, ...[...distinct.values()].filter(({ definition }) => !ids.has(definition.id))];
}

/** A medium, a clock, and the processes that use them one after the other. */
export class World {
  readonly calls: ObservedCall[] = [];
  readonly values: UnkeptValue[] = [];
  /** True once a run waited for a signal that could also time out: then the order matters. */
  hasRaced = false;
  readonly #trial: Trial;
  readonly #disturbance: Disturbance;
  readonly #store: Store = modelStore(emptyTables());
  readonly #clock: VirtualClock = virtualClock({ quietTurns });
  /** Every child that a run has started, by its id. */
  readonly #births = new Map<string, Birth>();
  readonly #skillIds = new Map<string, string>();
  #process: Process;
  #replayCount = 0;
  #missing: DurableError | undefined;

  constructor(trial: Trial, disturbance: Disturbance) {
    this.#trial = trial;
    this.#disturbance = disturbance;
    this.#process = this.#begin(disturbance.medium?.(this.#store) ?? this.#store);
  }

  get runs(): Runs {
    return this.#process.runtime.for(tenant);
  }

  /** A name for another run in this world. */
  nextRunId(): string {
    return `replay-${++this.#replayCount}`;
  }

  /** Stops the process cleanly, so that another one goes on over the plain medium. */
  async restart(): Promise<void> {
    await this.#process.runtime.stop();
    this.#process = this.#begin(this.#store);
  }

  async stop(): Promise<void> {
    await this.#process.runtime.stop();
  }

  /** The skill of a run in this world. */
  skillOf(runId: string | undefined): string | undefined {
    return runId === undefined ? undefined : this.#skillIds.get(runId);
  }

  /**
   * Takes the run and its children to their end: answers gates and signals, lets time pass, and starts another process after
   * a crash.
   */
  async finish(runId: string, begin?: () => Promise<unknown>): Promise<FamilyEnd> {
    const waitCounts = new Map<string, number>();
    const count = (id: string) => waitCounts.set(id, (waitCounts.get(id) ?? 0) + 1);
    const isEndless = (id: string) => (waitCounts.get(id) ?? 0) > this.#trial.mostWaits;
    for (;;) {
      await this.#process.runtime.idle();
      if (this.#process.store.crashed === true) await this.#replaceProcess();
      if (this.#missing !== undefined) throw this.#missing;
      const family = await this.#familyOf(runId);
      if (!family.has(runId) && !isEndless(runId)) {
        count(runId);
        await this.#attempt(begin ?? (() => this.runs.get(runId)));
        continue;
      }
      const now = this.#clock.now();
      const answered = this.#answerTo(family, now);
      const dueAts = [...family.values()].flatMap(({ row }) => row.dueAt ?? []);
      const dueAt = Math.max(Math.min(...dueAts), now);
      const acted =
        answered === undefined
          ? [...family].flatMap(([id, { row }]) => (row.dueAt !== undefined && row.dueAt <= dueAt ? [id] : []))
          : [answered.runId];
      if (acted.length === 0 || acted.some(isEndless)) return this.#endOf(runId, family, isEndless);
      acted.forEach(count);
      if (answered !== undefined) await this.#attempt(answered.answer);
      else {
        if (dueAt > now) await this.#clock.advance(dueAt - now);
        await this.#attempt(() => this.#process.runtime.drain({ tenant }));
      }
    }
  }

  /** The run and the runs below it that are there. */
  async #familyOf(runId: string): Promise<ReadonlyMap<string, Held>> {
    const family = new Map<string, Held>();
    const ids = [runId];
    for (const id of ids) {
      const row = await this.#store.getRun(tenant, id);
      const held = row && heldRow(row);
      if (held !== undefined) {
        family.set(id, held);
        this.#skillIds.set(id, held.record.run.skillId);
      }
      for (const [childId, { parentRunId }] of this.#births) if (parentRunId === id) ids.push(childId);
    }
    return family;
  }

  async #endOf(
    runId: string,
    family: ReadonlyMap<string, Held>,
    isEndless: (runId: string) => boolean,
  ): Promise<FamilyEnd> {
    const isCut = [...family.keys()].some(isEndless);
    const endOf = async (id: string): Promise<Ended> => {
      const run = await this.runs.get(id);
      const held = family.get(id);
      if (isTerminal(run.status)) {
        return {
          kind: "ended",
          run,
          result: run.status === "completed" ? encodeValue(run.result, "result") : undefined,
        };
      }
      if (isEndless(id)) return { kind: "endless", run };
      // Of a family that was cut off it is not known what would have come.
      const waits = isCut || held === undefined ? [] : openWaits(held, this.#clock.now());
      return {
        kind: "stuck",
        run,
        waits: waits.filter((wait) => wait.kind !== "signal" || childOf(wait.name) === undefined),
      };
    };
    const children = new Map<string, Ended>();
    for (const id of family.keys()) if (id !== runId) children.set(this.#pathOf(id, runId), await endOf(id));
    return { root: await endOf(runId), children };
  }

  /** The steps and skills that lead from that run to its child. */
  #pathOf(runId: string, root: string): string {
    const path: string[] = [];
    for (let id = runId; id !== root; ) {
      const birth = this.#births.get(id);
      if (birth === undefined) break;
      path.unshift(birth.stepId, birth.skillId);
      id = birth.parentRunId;
    }
    return JSON.stringify(path);
  }

  /** The world's answer to one of these runs. */
  #answerTo(family: ReadonlyMap<string, Held>, now: number): Answer | undefined {
    for (const [runId, held] of family) {
      const { run, lease } = held.record;
      if (isTerminal(run.status) || lease !== undefined) continue;
      const answer = this.#answerToRun(runId, openWaits(held, now));
      if (answer !== undefined) return { runId, answer };
    }
    return undefined;
  }

  /** The world's answer to a run with these waits. */
  #answerToRun(runId: string, waits: readonly Wait[]): (() => Promise<unknown>) | undefined {
    const { approve, signals } = this.#trial;
    const gate = waits.find((wait) => wait.kind === "approval");
    if (gate !== undefined) {
      const { stepId } = gate;
      return () => (approve ? this.runs.approve(runId, { stepId }) : this.runs.deny(runId, { stepId }));
    }
    const awaited = waits.find((wait) => wait.kind === "signal" && Object.hasOwn(signals, wait.name));
    if (awaited?.kind !== "signal") return undefined;
    const isRacing = waits.some((wait) => "until" in wait && wait.until !== undefined);
    this.hasRaced ||= isRacing;
    if (isRacing && this.#disturbance.isLate === true) return undefined;
    const { name } = awaited;
    return () => this.runs.signal(runId, { name, payload: signals[name] });
  }

  /** Does something that the disturbance may make fail; the outcome is examined afterwards. */
  async #attempt(operation: () => Promise<unknown>): Promise<void> {
    try {
      await operation();
    } catch (error) {
      const isDisturbed = this.#disturbance.medium !== undefined && isDurableError(error, "store_failed");
      if (!isDisturbed) throw error;
    }
  }

  async #replaceProcess(): Promise<void> {
    await this.#process.runtime.stop();
    // Real time as well, so that a body that reads the platform's clock sees another time.
    await new Promise((resolve) => setTimeout(resolve, 2));
    this.#process = this.#begin(this.#store);
  }

  #begin(store: Store & { readonly crashed?: boolean }): Process {
    const observer: Observer = {
      clock: this.#clock,
      calls: this.calls,
      values: this.values,
      isDead: () => store.crashed === true,
      delayOf: (call) => this.#disturbance.delayOf?.(call) ?? 0,
      onChild: (parentRunId, { runId, parentStepId: stepId, skillId, skillVersion }) => {
        this.#births.set(runId, { parentRunId, stepId, skillId });
        if (this.#has(skillId, skillVersion)) return;
        const version = skillVersion === undefined ? "" : ` version ${skillVersion}`;
        this.#missing ??= invalidRequest(
          "skills",
          `step "${stepId}" runs skill "${skillId}"${version}, which is not among them`,
          { hint: "add the skill, or mock the step with mockSteps" },
        );
      },
    };
    const skills = [...this.#trial.skills, this.#trial.skill];
    const runtime = createRuntime({
      serves: false,
      store,
      clock: this.#clock,
      leaseMs,
      // So that each wait is seen from outside, and answered or waited for as the trial prescribes.
      holdMs: 0,
      skills: read("skills", () => skills.map((skill) => observedSkill(skill, observer))),
      capabilities: read("capabilities", () => observedCapabilities(capabilitiesOf(this.#trial), observer)),
      onError: (error, context) => {
        if (!isDurableError(error, "invalid_output")) return;
        const { cause, message } = error;
        const path = (isDurableError(cause) ? cause.path : undefined) ?? "output";
        this.values.push({ runId: context?.runId, stepId: context?.stepId, path, message });
      },
    });
    return { runtime, store };
  }

  #has(skillId: string, version: string | undefined): boolean {
    const { skill, skills } = this.#trial;
    return [skill, ...skills].some((one) => one.id === skillId && (version ?? one.version) === one.version);
  }
}

/** The start of a child, as its parent asked for it. */
interface Birth {
  readonly parentRunId: string;
  readonly stepId: string;
  readonly skillId: string;
}

/** What the world answers to a run. */
interface Answer {
  readonly runId: string;
  readonly answer: () => Promise<unknown>;
}

function openWaits({ record }: Held, now: number): readonly Wait[] {
  return record.waits.filter((wait) => !isOver(record, wait, now));
}

interface Process {
  readonly runtime: Runtime;
  readonly store: Store & { readonly crashed?: boolean };
}

/** True if two runs ended in the same way. */
export function isSameEnd(one: Ended, other: Ended): boolean {
  if (one.kind !== "ended" || other.kind !== "ended") return one.kind === other.kind;
  if (one.run.status !== other.run.status) return false;
  return one.result === undefined || other.result === undefined || jsonEqual(one.result, other.result);
}
