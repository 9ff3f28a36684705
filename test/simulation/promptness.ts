import type { Accepted, History, Record_, State } from "./history.ts";
import { type GateReached, isSettled } from "./outside.ts";
import type { World } from "./world.ts";

/** What is held to be in time, where nothing goes wrong and all clocks agree. */
interface Facts {
  /** How long what comes to a run that a pass has may take, in milliseconds. */
  readonly heldMs: number;
  /** The same for a run that rests: it is taken by the process that looks next. */
  readonly sleepMs: number;
  /** After this time, in milliseconds, a pass at the edge begins nothing more, and hands its run over once its steps have settled. */
  readonly passMs: number;
  readonly world: World;
  readonly history: History;
  /** The gates that bodies have come to, and that are not open yet as far as is known. */
  readonly gates: Set<GateReached>;
  /** How long the body of a run's skill may work between two steps. */
  pureMs(runKey: string): number;
  /** The gates that a graph has come to in a state, with their capabilities. */
  gatesAt(runKey: string, state: State): readonly [stepId: string, capability: string][];
  /** True if a body of that run has ended under that epoch: what it left waiting is waited for no more. */
  hasEnded(runKey: string, epoch: number): boolean;
  /** True if a step of a graph has failed: the run fails, and looks at no wait, once its siblings have settled. */
  isFailing(runKey: string): boolean;
  /**
   * True if the failure of that step fails its run: of a graph, without `onFailure: "continue"`. Once its event is late it has
   * failed, and that is recorded when its siblings have settled: "Fail-fast aborts the siblings and records what they return
   * before the run fails."
   */
  failsRun(runKey: string, stepId: string): boolean;
}

/** Something that came for a step: the true time until when the step must have it, and how often its run has changed hands. */
interface Expected {
  readonly until: number;
  readonly holds: number;
}

/** So often a run may change hands before a step has what came for it. */
const mostHolds = 5;

/** A pass never stands still: where nothing goes wrong, what is due is done in time. */
export class Promptness {
  readonly #facts: Facts;
  /** Signals and decisions that a step waits for, by run and step. */
  readonly #expected = new Map<string, Expected>();
  #isResting = false;

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  /** The last look before the world is healed: from then on nothing has to be in time. */
  rest(): void {
    const { history, world, sleepMs } = this.#facts;
    for (const { commits } of history.lives.values()) {
      const last = commits.at(-1);
      if (last?.record === undefined || !isMoving(last.record)) continue;
      for (const wait of last.record.waits) {
        if ((wait.kind !== "sleep" && wait.kind !== "signal") || wait.until === undefined) continue;
        if (world.now > wait.until + sleepMs) this.ended(last, wait.kind, wait.stepId, wait.until);
      }
    }
    for (const gate of this.#facts.gates) this.#judgeGate(gate);
    this.#isResting = true;
  }

  /** A gate is open as soon as its step is reached, whatever else of its run is in flight. */
  #judgeGates(commit: Accepted, to: Record_): void {
    const { gates, world, gatesAt } = this.#facts;
    const { runKey, state } = commit;
    for (const [stepId, capability] of to.lease === undefined || state === undefined ? [] : gatesAt(runKey, state)) {
      const isKnown = [...gates].some(
        (gate) => gate.runKey === runKey && gate.stepId === stepId && gate.epoch === to.epoch,
      );
      if (!isKnown) gates.add({ runKey, stepId, epoch: to.epoch, at: world.now, capability });
    }
    for (const gate of gates) this.#judgeGate(gate);
  }

  #judgeGate(gate: GateReached): void {
    const { history, gates, world, heldMs, pureMs } = this.#facts;
    const { runKey, stepId, epoch, at, capability } = gate;
    const last = history.last(runKey);
    const record = last?.record;
    const isOpen =
      record?.waits.some((wait) => wait.kind === "approval" && wait.stepId === stepId) === true ||
      isSettled(last, stepId) ||
      (capability !== undefined && record?.confirmed.includes(capability) === true);
    const isLeft = record?.lease === undefined || record.epoch !== epoch || !isMoving(record);
    if (isOpen || isLeft || this.#isLeaving(runKey) || this.#isSpent(last)) gates.delete(gate);
    else if (world.now > at + heldMs + pureMs(runKey)) {
      const what = `${runKey} came to its gate "${stepId}" ${Math.round(world.now - at)} ms ago, and it is not open`;
      world.violate("gates-open-at-once", what);
    }
  }

  /** Signals and decisions arrive in time. */
  judge(commit: Accepted, to: Record_): void {
    const { world, history, heldMs, sleepMs, hasEnded, failsRun, pureMs } = this.#facts;
    if (this.#isResting) return;
    this.#judgeGates(commit, to);
    const { runKey } = commit;
    const patience = to.lease === undefined ? sleepMs : heldMs;
    // "`fail` (the default) fails the run and aborts the steps in flight" (docs/graphs.md): a wait that is over fails it before
    // that is recorded, and then no step takes a signal any more.
    const isFailing = to.waits.some(
      ({ stepId, ...wait }) =>
        wait.kind === "signal" && wait.until !== undefined && wait.until <= world.now && failsRun(runKey, stepId),
    );
    for (const [key, { until, holds }] of this.#expected) {
      const [run, stepId] = JSON.parse(key) as [string, string];
      const isHere = run === runKey;
      const isWaiting = to.waits.some((wait) => wait.stepId === stepId && (wait.kind === "signal" || isDecided(wait)));
      const isOver =
        !isWaiting || isFailing || !isMoving(to) || hasEnded(runKey, to.epoch) || this.#isSpent(history.last(run));
      if (isHere && isOver) this.#expected.delete(key);
      else if (isHere && to.lease?.executor !== commit.before?.record?.lease?.executor && holds < mostHolds) {
        this.#expected.set(key, { until: world.now + patience, holds: holds + 1 });
      } else if (this.#isLeaving(run)) {
        this.#expected.delete(key);
      } else if (world.now > until || holds === mostHolds) {
        this.#violate(commit, `comes, and "${stepId}" of ${run} still has not what came for it`);
      }
    }
    for (const wait of to.waits) {
      const key = JSON.stringify([runKey, wait.stepId]);
      if (!isMoving(to) || this.#expected.has(key) || isFailing) continue;
      if (isDecided(wait)) this.#expected.set(key, { until: world.now + patience + pureMs(runKey), holds: 0 });
      if (wait.kind !== "signal") continue;
      const isThere = to.inbox.some(({ name }) => name === wait.name);
      const isOnly = to.waits.filter((other) => other.kind === "signal" && other.name === wait.name).length === 1;
      if (isThere && isOnly) this.#expected.set(key, { until: world.now + patience, holds: 0 });
    }
  }

  /** Sleeps and timeouts end in time. All clocks agree, so `until` is by any of them. */
  ended(commit: Accepted, kind: "sleep" | "signal", stepId: string, end: number): void {
    const { world, history, heldMs, sleepMs, failsRun } = this.#facts;
    if (this.#isResting || this.#isLeaving(commit.runKey)) return;
    if (kind === "signal" && failsRun(commit.runKey, stepId)) return;
    const commits = history.lives.get(commit.runKey)?.commits ?? [];
    // What was over before its run was imported is over since then.
    const until = Math.max(end, commits[0]?.at ?? end);
    const atEnd = commits.findLastIndex(({ at }) => at <= until);
    const isHeld = commits.slice(Math.max(atEnd, 0)).every(({ record }) => record?.lease !== undefined);
    // Under a lease its pass wakes by itself; else a drain does it, which looks once in a while.
    if (world.now <= until + (isHeld ? heldMs : sleepMs)) return;
    const first = commits.findIndex(({ record }) => record?.waits.some((wait) => wait.stepId === stepId));
    const isHeldUp = commits
      .slice(Math.max(first, 0))
      .some(({ record, entry }) => !isMoving(record) || entry?.events.some(({ type }) => type === "run.resumed"));
    if (isHeldUp || commits.slice(Math.max(atEnd, 0)).some((one) => this.#isSpent(one))) return;
    this.#violate(commit, `has the wait at "${stepId}" ${world.now - until} ms late`);
  }

  /** True if a run is held by an invocation that has few queries or no time left: what becomes due then is left due. */
  #isSpent(commit: Accepted | undefined): boolean {
    const { world, history, passMs } = this.#facts;
    const { lease, epoch } = commit?.record ?? {};
    if (commit === undefined || lease === undefined) return false;
    const holder = [...history.executors].find(([, executor]) => executor === lease.executor)?.[0];
    if (holder === undefined || !holder.name.startsWith("edge")) return false;
    const since = history.lives.get(commit.runKey)?.commits.find(({ record }) => record?.epoch === epoch)?.at ?? 0;
    return holder.isSpent || since + passMs <= world.now;
  }

  #isLeaving(runKey: string): boolean {
    const epoch = this.#facts.history.last(runKey)?.record?.epoch ?? 0;
    return this.#facts.hasEnded(runKey, epoch) || this.#facts.isFailing(runKey);
  }

  #violate({ runKey, revision, process }: Accepted, what: string): void {
    const where = `revision ${revision} of ${runKey}, by ${process.name},`;
    this.#facts.world.violate("a-pass-never-stands-still", `${where} ${what}`);
  }
}

/** True for a gate of a step of its own that a person has opened: no action follows that takes its time. */
function isDecided(wait: Record_["waits"][number]): boolean {
  return wait.kind === "approval" && wait.reason === "approval" && wait.decision !== undefined;
}

/** True if the run goes on by itself: what waits for a person waits as long as that takes. */
function isMoving(record: Record_ | undefined): boolean {
  return ["running", "waiting_for_signal"].includes(record?.run.status ?? "");
}
