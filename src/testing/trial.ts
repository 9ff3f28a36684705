import { encodeValue } from "../codec/values.ts";
import { modelStore } from "../conformance/model.ts";
import { emptyTables } from "../conformance/tables.ts";
import { isDurableError } from "../errors.ts";
import { heldRow } from "../journal/commit.ts";
import { type Json, jsonEqual, read } from "../json.ts";
import { isOver, isTerminal, type Wait } from "../record/run.ts";
import type { Fields } from "../record/state.ts";
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
  /** It waits, and nothing comes. */
  | { readonly kind: "stuck"; readonly run: CurrentRun; readonly waits: readonly Wait[] }
  /** It goes on forever, or for very long. */
  | { readonly kind: "endless"; readonly run: CurrentRun };

/** The capabilities of the skill: the registered ones, and those that its graph steps bring along. */
function capabilitiesOf({ skill, capabilities }: Trial): readonly AnyCapability[] {
  const registered = capabilities();
  const ids = new Set(registered.map(({ definition }) => definition.id));
  const own = skill.body.kind === "graph" ? skill.body.graph.steps : [];
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
  #process: Process;
  #replayCount = 0;

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

  /** Takes the run to its end: answers gates and signals, lets time pass, and starts another process after a crash. */
  async finish(runId: string, begin?: () => Promise<unknown>): Promise<Ended> {
    for (let waitCount = 0; waitCount <= this.#trial.mostWaits; waitCount++) {
      await this.#process.runtime.idle();
      if (this.#process.store.crashed === true) await this.#replaceProcess();
      const row = await this.#store.getRun(tenant, runId);
      const held = row && heldRow(row);
      if (held === undefined) {
        await this.#attempt(begin ?? (() => this.runs.get(runId)));
        continue;
      }
      const { record } = held;
      if (isTerminal(record.run.status)) return this.#ended(runId);
      const now = this.#clock.now();
      const waits = record.waits.filter((wait) => !isOver(record, wait, now));
      const answered = record.lease === undefined ? this.#answerTo(runId, waits) : undefined;
      const dueAt = row?.dueAt;
      if (answered !== undefined) await this.#attempt(answered);
      else if (dueAt === undefined) return { kind: "stuck", run: await this.runs.get(runId), waits };
      else {
        if (dueAt > now) await this.#clock.advance(dueAt - now);
        await this.#attempt(() => this.#process.runtime.drain({ tenant }));
      }
    }
    return { kind: "endless", run: await this.runs.get(runId) };
  }

  async #ended(runId: string): Promise<Ended> {
    const run = await this.runs.get(runId);
    return { kind: "ended", run, result: run.status === "completed" ? encodeValue(run.result, "result") : undefined };
  }

  /** The world's answer to a run with these waits. */
  #answerTo(runId: string, waits: readonly Wait[]): (() => Promise<unknown>) | undefined {
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
    };
    const runtime = createRuntime({
      serves: false,
      store,
      clock: this.#clock,
      leaseMs,
      // So that each wait is seen from outside, and answered or waited for as the trial prescribes.
      holdMs: 0,
      skills: [read("skill", () => observedSkill(this.#trial.skill, observer))],
      capabilities: read("capabilities", () => observedCapabilities(capabilitiesOf(this.#trial), observer)),
      onError: (error, context) => {
        if (!isDurableError(error, "invalid_output")) return;
        const { cause, message } = error;
        const path = (isDurableError(cause) ? cause.path : undefined) ?? "output";
        this.values.push({ stepId: context?.stepId, path, message });
      },
    });
    return { runtime, store };
  }
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
