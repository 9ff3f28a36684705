import type { Accepted, History } from "./history.ts";
import type { Medium } from "./medium.ts";
import type { StepPlan } from "./program.ts";
import type { Random } from "./random.ts";
import type { Process, World } from "./world.ts";

/** One pass over a body, from the lease that it runs under. */
export interface PassSeen {
  readonly process: Process;
  readonly runKey: string;
  readonly epoch: number;
  readonly line: number;
  seen: number;
  /** How many answers the passes before it have seen on its line. */
  readonly before: number;
  hasEnded: boolean;
}

/** A step that needs a person, as soon as a body or a graph has come to it. */
export interface GateReached {
  readonly runKey: string;
  readonly stepId: string;
  readonly epoch: number;
  /** The time since which it needs one. */
  readonly at: number;
  /** The capability that a person must allow; absent if the step itself asks. */
  readonly capability: string | undefined;
}

/** One call of a callback or of a handler. */
export interface Call {
  readonly runKey: string;
  readonly stepId: string;
  readonly attempt: number;
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
  readonly plan: StepPlan;
  /** Of a code-first body; a handler does not know its pass. */
  readonly pass: PassSeen | undefined;
  /** The capability, where a person must have allowed it in the run. */
  readonly confirmed?: string;
  nest?(): Promise<unknown>;
}

/** Something that really happened outside: a mail that was sent, a card that was charged. */
export interface Act {
  readonly runKey: string;
  readonly stepId: string;
  readonly key: string;
  readonly at: number;
}

/**
 * The world that skills act on. It knows what really happened, and holds against it what the engine does: each call of a
 * callback is judged here.
 */
export class Outside {
  readonly acts: Act[] = [];
  /** Gates that bodies have come to. Each is removed when it has been judged. */
  readonly gates = new Set<GateReached>();
  calls = 0;
  readonly #world: World;
  readonly #random: Random;
  readonly #history: History;
  readonly #medium: Medium;
  readonly #isSane: boolean;
  readonly #called = new Map<string, number>();
  /** What the passes of one line of a run have seen, the longest of them. */
  readonly #seen = new Map<string, string[]>();
  /** When each sleep of a line was asked for first. */
  readonly #slept = new Map<string, number>();
  readonly #failing = new Set<string>();
  readonly #passes: PassSeen[] = [];
  /** Calls whose work is under way. */
  readonly #working = new Map<Call, string>();
  #token = 0;
  #chunks = 0;

  constructor(world: World, random: Random, history: History, medium: Medium, isSane: boolean) {
    this.#world = world;
    this.#random = random;
    this.#history = history;
    this.#medium = medium;
    this.#isSane = isSane;
  }

  timeOf(process: Process): number {
    return Math.floor(this.#world.now + process.skewMs);
  }

  pureWork(process: Process, ms: number): Promise<void> {
    return this.#world.delay(process, ms, "pure work");
  }

  /** A body begins: under the newest lease that its process knows of. */
  begin(process: Process, runKey: string): PassSeen {
    const commit = this.#newestHold(process, runKey);
    const epoch = commit?.record?.epoch ?? 0;
    const first = this.#history.lives.get(runKey)?.commits.find(({ record }) => record?.epoch === epoch);
    if (commit === undefined) {
      this.#world.violate("callback-under-lease", `${process.name} executes ${runKey} without a lease`);
    }
    this.#world.log(`${process.name} begins a pass over ${runKey} under epoch ${epoch}`);
    // A body may be called again in one pass, and then take another way.
    for (const gate of this.gates) if (gate.runKey === runKey) this.gates.delete(gate);
    const line = first?.line ?? 0;
    // A pass that begins late under an old epoch knows nothing of those after it.
    const earlier = this.#passes.filter((pass) => pass.runKey === runKey && pass.line === line && pass.epoch <= epoch);
    const before = Math.max(0, ...earlier.map(({ seen }) => seen));
    const pass: PassSeen = { process, runKey, epoch, line, seen: 0, before, hasEnded: false };
    this.#passes.push(pass);
    return pass;
  }

  /** True if a callback of that run has failed, so that the run may only be waiting for what is in flight to fail too. */
  isFailing(runKey: string): boolean {
    return this.#failing.has(runKey);
  }

  hasEnded(runKey: string, epoch: number): boolean {
    return this.#passes.some((pass) => pass.hasEnded && pass.runKey === runKey && pass.epoch === epoch);
  }

  /** A body comes to a step that needs a person. */
  reaches({ runKey, epoch }: PassSeen, stepId: string, capability?: string): void {
    this.gates.add({ runKey, stepId, epoch, at: this.#world.now, capability });
  }

  /** A body gets an answer. Each pass over one line of a run sees what the one before saw, and then more. */
  saw(pass: PassSeen, text: string): void {
    const { runKey, line, process } = pass;
    const key = `${runKey}/${line}`;
    const seen = this.#seen.get(key) ?? [];
    this.#seen.set(key, seen);
    const place = pass.seen++;
    this.#world.log(`${process.name} ${runKey} sees ${text}`);
    const before = seen[place];
    if (before === undefined) seen.push(text);
    else if (before !== text) {
      this.#world.violate(
        "answers-keep-their-order",
        `${process.name} sees "${text}" as answer ${place} of ${runKey}, where a pass before saw "${before}"`,
      );
    }
  }

  /** What no other chunk is. */
  newChunk(): string {
    return `chunk ${++this.#chunks}`;
  }

  /** A flush has resolved after that chunk was written. */
  flushed({ process, runKey }: PassSeen, stepId: string, chunk: string): void {
    const commits = this.#history.lives.get(runKey)?.commits ?? [];
    const isStored = commits.some(({ entry }) =>
      entry?.events.some(
        ({ type, payload }) => type === "step.output" && (payload.chunks as unknown[]).includes(chunk),
      ),
    );
    if (isStored) return;
    this.#world.violate(
      "flushed-is-stored",
      `${process.name} flushed "${chunk}" of "${stepId}" of ${runKey}, which is not stored`,
    );
  }

  /** True if the run has a result of that step as it was committed last. */
  isRecorded(runKey: string, stepId: string): boolean {
    return isSettled(this.#history.last(runKey), stepId);
  }

  /** A rollback is called before that of a later step has ended. */
  undoesEarly({ process, runKey }: PassSeen, stepId: string, later: string): void {
    this.#world.violate("rollbacks-are-in-reverse", `${process.name} calls "${stepId}" of ${runKey} before "${later}"`);
  }

  /** A map has more callbacks under way in one pass than it may. */
  overfills({ process, runKey }: PassSeen, name: string, inFlight: number, concurrency: number): void {
    const what = `${process.name} has ${inFlight} items of map "${name}" of ${runKey} in flight, of at most ${concurrency}`;
    this.#world.violate("maps-are-bounded", what);
  }

  /** A body receives another answer than the one of the person who opened the gate, or one that its schema rejects. */
  answersAnother({ runKey }: PassSeen, name: string, what: string): void {
    this.#world.violate("answers-are-checked", `the gate "${name}" of ${runKey} was opened by ${what}`);
  }

  /** What the passes of a line have seen so far. */
  seenOn(runKey: string, line: number): readonly string[] {
    return [...(this.#seen.get(`${runKey}/${line}`) ?? [])];
  }

  /** A run was imported: its passes see what those of its source had seen when it was exported, and then more. */
  arrived(runKey: string, seen: readonly string[]): void {
    this.#seen.set(`${runKey}/1`, [...seen]);
  }

  /** A body asks for a sleep. What comes back says that it was answered; by then its time must be over. */
  sleeping(pass: PassSeen, stepId: string, ms: number): () => void {
    const key = `${pass.runKey}/${pass.line}/${stepId}`;
    const since = this.#slept.get(key) ?? this.#world.now;
    this.#slept.set(key, since);
    // A replay has slept already, in its source, and a run that is resumed from its head before.
    const last = this.#history.last(pass.runKey);
    const isKept = last?.record?.waits.some((wait) => wait.kind === "sleep" && wait.stepId === stepId);
    if (isKept || isSettled(last, stepId)) return () => {};
    return () => {
      const sleptMs = this.#world.now - since;
      // Clocks show whole milliseconds.
      if (!this.#isSane || sleptMs >= ms - 2) return;
      this.#world.violate("waits-end-when-they-said", `"${stepId}" of ${pass.runKey} sleeps ${sleptMs} ms of ${ms}`);
    };
  }

  /** A callback is called: it does its work, and acts where it is an effect. */
  async call(process: Process, call: Call): Promise<unknown> {
    const { runKey, stepId, plan, attempt, signal } = call;
    this.calls++;
    this.#world.log(`${process.name} calls ${runKey} ${stepId}, attempt ${attempt}, ${call.idempotencyKey}`);
    this.#judge(process, runKey, call);
    this.#working.set(call, `${process.name}/${runKey}/${stepId}`);
    const place = `${runKey}/${stepId}`;
    const calls = (this.#called.get(place) ?? 0) + 1;
    this.#called.set(place, calls);
    const fails = calls <= plan.failures;
    const delayMs = plan.workMs * (0.5 + this.#random.fraction());
    if (delayMs > 0) await this.#world.delay(process, delayMs, `work of ${stepId}`);
    this.#working.delete(call);
    if (plan.isAbortable) signal.throwIfAborted();
    const act = () => {
      if (plan.effect === "write" || plan.effect === "external_action") {
        this.#world.log(`${process.name} acts for ${runKey} ${stepId}`);
        this.acts.push({ runKey, stepId, key: call.idempotencyKey, at: this.#world.now });
        this.#judgeAct(runKey, call);
      }
    };
    if (fails) {
      this.#failing.add(runKey);
      switch (plan.failure) {
        case "throws":
          throw new Error(`${stepId} fails`);
        case "acts_and_throws":
          act();
          throw new Error(`${stepId} fails afterwards`);
        case "is_final": {
          const error = new Error(`${stepId} fails for good`);
          error.name = "NonRetryableError";
          throw error;
        }
        case "cannot_be_kept":
          act();
          return () => {};
        case "hangs":
          act();
          await this.#world.delay(process, 100_000, `${stepId} hangs`);
          return ++this.#token;
        case "nests":
          await call.nest?.();
          throw new Error("a step inside a step");
      }
    }
    act();
    const halfMs = this.#random.chance(0.3) ? this.#random.fraction() * 50 : 0;
    if (halfMs > 0) await this.#world.delay(process, halfMs, `rest of ${stepId}`);
    return ++this.#token;
  }

  #judge(process: Process, runKey: string, call: Call): void {
    const { stepId, attempt, plan, pass } = call;
    const violate = (invariant: string, what: string) =>
      this.#world.violate(invariant, `${process.name} calls step "${stepId}" of ${runKey} ${what}`);
    if (process.isStopped) violate("stop-means-stopped", "after its stop() resolved");
    if (attempt > plan.retries + 1) violate("attempts-are-bounded", `for the ${attempt}th time of ${plan.retries + 1}`);
    for (const [other, place] of this.#working) {
      if (place !== `${process.name}/${runKey}/${stepId}` || other.signal.aborted) continue;
      violate("one-attempt-at-a-time", "while another attempt is under way here");
    }
    const hold = pass === undefined ? this.#newestHold(process, runKey) : this.#hold(process, runKey, pass.epoch);
    const lease = hold?.record?.lease;
    const now = process.skewMs + this.#world.now;
    if (hold === undefined || lease === undefined || lease.executor !== this.#history.executors.get(process)) {
      violate("callback-under-lease", `under epoch ${pass?.epoch ?? "?"}, whose lease it has let go`);
    } else if (lease.endsAt <= Math.floor(now)) {
      violate("callback-under-lease", `${Math.floor(now) - lease.endsAt} ms after its lease lapsed by its own clock`);
    }
    if (
      call.confirmed !== undefined &&
      this.#history.last(runKey)?.record?.confirmed.includes(call.confirmed) !== true
    ) {
      violate("confirmed-before-it-acts", `before anyone allowed ${call.confirmed}`);
    }
    const ended = [...(this.#medium.known.get(process)?.get(runKey) ?? [])].find(
      ([epoch, commit]) => epoch > (hold?.record?.epoch ?? 0) && endsOthersHolds(commit),
    );
    if (ended !== undefined) {
      violate(
        "callback-under-lease",
        `under epoch ${hold?.record?.epoch}, which this very process has ended by ${ended[0]}`,
      );
    }
    if (pass !== undefined && pass.seen < pass.before) {
      violate("nothing-new-before-the-record", `after ${pass.seen} of the ${pass.before} answers of the passes before`);
    }
    const settled = (commit: Accepted | undefined) => isSettled(commit, stepId);
    if (settled(hold)) violate("recorded-is-not-executed", "whose result it has recorded itself");
    const last = this.#history.last(runKey);
    if (!this.#isSane || last === undefined || hold === undefined) return;
    const isCanceledSince = (this.#history.lives.get(runKey)?.commits ?? []).some(
      ({ revision, record }) => revision > hold.revision && record?.run.status === "canceled",
    );
    if (isCanceledSince) return;
    if (settled(last)) violate("recorded-is-not-executed", `whose result is recorded at revision ${last.revision}`);
    if (plan.effect === "write" || plan.effect === "external_action") this.#judgeEffect(runKey, call);
    if (last.record?.epoch !== hold.record?.epoch) {
      violate("callback-under-lease", `under epoch ${hold.record?.epoch}, and ${last.record?.epoch} has begun`);
    }
  }

  #judgeAct(runKey: string, { stepId, idempotencyKey, plan }: Call): void {
    const same = this.acts.filter((act) => act.runKey === runKey && act.key === idempotencyKey);
    if (!plan.isIdempotent) {
      const approvals = (this.#history.lives.get(runKey)?.commits ?? []).flatMap(({ entry }) =>
        (entry?.events ?? []).filter(({ type, payload }) => type === "run.approved" && payload.step_id === stepId),
      ).length;
      if (same.length > 1 + approvals) {
        this.#world.violate(
          "not-idempotent-asks-first",
          `step "${stepId}" of ${runKey} acts ${same.length} times under ${idempotencyKey}, with ${approvals} approvals`,
        );
      }
    }
  }

  /** A handler that goes on after its attempt timed out acts late by its own fault; one that is called late does not. */
  #judgeEffect(runKey: string, { stepId, idempotencyKey, plan }: Call): void {
    const [, , , hash = "", ordinal = "1"] = idempotencyKey.split("/");
    const recorded = [...this.#history.effects].filter(
      ([key, effect]) =>
        key.startsWith(`${runKey}/`) &&
        effect.stepId === stepId &&
        effect.requestHash.startsWith(hash) &&
        effect.status === "recorded",
    );
    if (recorded.some(([, effect]) => effect.ordinal === Number(ordinal))) {
      this.#world.violate(
        "no-effect-after-its-result",
        `step "${stepId}" of ${runKey} is called under ${idempotencyKey}, whose result is in the ledger`,
      );
    } else if (recorded.length > 0 && plan.policy === "use_recorded_result") {
      this.#world.violate(
        "no-effect-after-its-result",
        `step "${stepId}" of ${runKey} is called again, though its recorded result is to be used`,
      );
    }
  }

  #hold(process: Process, runKey: string, epoch: number): Accepted | undefined {
    return this.#medium.known.get(process)?.get(runKey)?.get(epoch);
  }

  /** The newest row under a lease of this process that it knows of. */
  #newestHold(process: Process, runKey: string): Accepted | undefined {
    const epochs = [...(this.#medium.known.get(process)?.get(runKey) ?? [])];
    const executor = this.#history.executors.get(process);
    const own = epochs.filter(([, { record }]) => record?.lease?.executor === executor);
    return own.sort(([a], [b]) => b - a).at(0)?.[1];
  }
}

/** True if a commit takes the run away from its executor. */
function endsOthersHolds({ record, executor, entry }: Accepted): boolean {
  if (record?.lease?.executor === executor) return true;
  return (entry?.events ?? []).some(({ type }) => ["run.canceled", "run.denied", "run.resumed"].includes(type));
}

export function isSettled(commit: Accepted | undefined, stepId: string): boolean {
  const results = commit?.state?.stepResults;
  if (results === undefined || !Object.hasOwn(results, stepId)) return false;
  return ["completed", "degraded", "skipped"].includes(results[stepId]?.status ?? "");
}
