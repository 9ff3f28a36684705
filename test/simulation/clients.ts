import type { CurrentRun, Runs, Runtime } from "../../src/index.ts";
import { type Accepted, eventTypes, type History, keyOf, type Life } from "./history.ts";
import { type OperationItem, type OperationKind, tenants } from "./plan.ts";
import { type Program, signalNames } from "./program.ts";
import { type Random, random } from "./random.ts";
import type { Subject } from "./subject.ts";
import type { Process, World } from "./world.ts";

/** What a client asked for, and what it was answered. */
interface Asked {
  readonly item: OperationItem;
  readonly kind: OperationKind;
  /** What marks its commits. */
  readonly token: string;
  outcome: "unknown" | "done" | "refused" | "failed";
  note: string;
  runKey: string | undefined;
  /** True where the answer says that an earlier call did it. */
  isRepeat: boolean;
}

/** A runtime that takes requests. */
export interface Door {
  readonly process: Process;
  readonly runtime: Runtime;
}

/** Codes that say for certain that nothing was done. */
const refusals: readonly string[] = [
  "conflict",
  "not_found",
  "invalid_transition",
  "invalid_request",
  "precondition_failed",
  "idempotency_conflict",
  "inbox_full",
  "too_large",
  "quota_exceeded",
  "unsupported",
];

/** Clients do operations at random, and hold the answers against what then is in the history. */
export class Clients {
  readonly asked: Asked[] = [];
  readonly #world: World;
  readonly #subject: Subject;
  readonly #history: History;
  readonly #programs: readonly Program[];
  /** The runs that were born, in order. */
  readonly #onBirth: (tenant: string, runId: string) => void;

  constructor(
    world: World,
    subject: Subject,
    history: History,
    programs: readonly Program[],
    onBirth: (tenant: string, runId: string) => void,
  ) {
    this.#world = world;
    this.#subject = subject;
    this.#history = history;
    this.#programs = programs;
    this.#onBirth = onBirth;
  }

  /** Begins an operation at a door. Resolves when it was answered; never where the process dies before. */
  async perform(item: OperationItem, door: Door): Promise<void> {
    const draw = random(item.seed);
    const asked: Asked = {
      item,
      kind: item.kind,
      token: `token${item.id}`,
      outcome: "unknown",
      note: "",
      runKey: undefined,
      isRepeat: false,
    };
    this.asked.push(asked);
    try {
      asked.note = await this.#do(asked, door, draw);
      asked.outcome = "done";
    } catch (error) {
      const { code } = error as { code?: unknown };
      const isTyped = this.#subject.core.isDurableError(error);
      asked.outcome = isTyped && refusals.includes(String(code)) ? "refused" : "failed";
      asked.note = isTyped ? String(code) : String(error);
      if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) {
        this.#world.violate("refusals-are-typed", `${item.kind} ${item.id} was answered ${error.stack}`);
      }
    }
    this.#world.log(
      `client ${item.id}: ${item.kind} ${asked.runKey ?? ""} at ${door.process.name}: ${asked.outcome} ${asked.note}`,
    );
  }

  async #do(asked: Asked, { runtime, process }: Door, draw: Random): Promise<string> {
    const { kind, token, item } = asked;
    if (kind === "start" || kind === "start twice" || kind === "create") {
      const tenant = draw.chance(0.8) ? tenants[0] : tenants[1];
      const program = draw.pick(this.#programs);
      const runId = `run${item.id}`;
      this.#onBirth(tenant, runId);
      asked.runKey = keyOf({ tenant, runId });
      const request = {
        skillId: program.id,
        runId,
        inputs: inputsOf(item.id),
        ...(draw.chance(0.3) || kind === "start twice" ? { idempotencyKey: token } : {}),
      };
      const runs = runtime.for(tenant);
      if (kind === "create") return born(asked, await runs.create(request));
      const first = await runs.start(request);
      // A signal that comes while the run is on its way to wait for it.
      if (draw.chance(0.4)) void this.#signalSoon(runs, runId, `${token}s`, process, draw);
      if (kind === "start") return born(asked, first);
      const again = await runs.start(request);
      if (again.run.runId !== first.run.runId) {
        this.#world.violate("acknowledged-once", `one idempotency key made ${first.run.runId} and ${again.run.runId}`);
      }
      return born(asked, first);
    }
    if (kind === "list") {
      for (const tenant of tenants) {
        const { items: runs } = await runtime.for(tenant).list();
        const strange = runs.find((run) => !this.#history.lives.has(keyOf({ tenant, runId: run.runId })));
        if (strange) this.#world.violate("tenants-do-not-meet", `the list of ${tenant} has ${strange.runId}`);
      }
      return "";
    }
    if (kind === "drain") {
      await runtime.drain().catch((error: unknown) => {
        if (!this.#subject.core.isDurableError(error, "unsupported")) throw error;
      });
      return "";
    }
    const life = this.#target(kind, draw);
    if (life === undefined) return "nothing to do";
    const { tenant, runId } = life;
    asked.runKey = life.key;
    const runs = runtime.for(tenant);
    switch (kind) {
      case "resume":
        return (await runs.resume(runId)).run.status;
      case "resume older": {
        const checkpointId = draw.pick(checkpointsOf(life));
        return checkpointId === undefined ? "" : (await runs.resume(runId, { checkpointId })).run.status;
      }
      case "replay": {
        const older = draw.chance(0.3) ? draw.pick(checkpointsOf(life)) : undefined;
        const newRunId = `replay${item.id}`;
        this.#onBirth(tenant, newRunId);
        const { run } = await runs.replay(runId, { newRunId, ...(older === undefined ? {} : { checkpointId: older }) });
        return run.runId;
      }
      case "fork":
      case "fork edited": {
        const older = draw.chance(0.5) ? draw.pick(checkpointsOf(life)) : undefined;
        const newRunId = `fork${item.id}`;
        this.#onBirth(tenant, newRunId);
        const { run } = await runs.fork(runId, {
          newRunId,
          ...(older === undefined ? {} : { checkpointId: older }),
          ...(kind === "fork" ? {} : { edit: { vars: { edited: token } } }),
        });
        return run.runId;
      }
      case "approve": {
        const gates = life.commits.at(-1)?.gates ?? [];
        const stepId = draw.chance(0.7) ? draw.pick([...gates, undefined]) : undefined;
        return (await runs.approve(runId, { approver: token, ...(stepId === undefined ? {} : { stepId }) })).run.status;
      }
      case "deny":
        return (await runs.deny(runId, { approver: token })).status;
      case "signal": {
        const name = draw.pick(signalNames);
        const isTwo = draw.chance(0.4);
        const first = await runs.signal(runId, { name, payload: token });
        // The operation was done, whatever becomes of another signal behind it.
        if (isTwo) void runs.signal(runId, { name, payload: `${token}b` }).catch(() => {});
        return first.status;
      }
      case "cancel":
        return (await runs.cancel(runId)).status;
      case "delete":
        await runs.delete(runId);
        return "";
      case "save": {
        const head = life.commits.at(-1)?.record?.run.checkpointHead;
        if (head === undefined) return "nothing to do";
        const { state } = await runs.loadCheckpoint(runId, head);
        const saved = {
          checkpointId: token,
          kind: "noted",
          state: { ...state, vars: { ...state.vars, noted: token } },
        };
        await runs.saveCheckpoint(runId, saved);
        if (draw.chance(0.5)) await runs.saveCheckpoint(runId, saved);
        return "";
      }
      case "get": {
        const before = life.commits.at(-1);
        const run: CurrentRun = await runs.get(runId);
        if (run.revision < (before?.record?.entryRevision ?? 0)) {
          this.#world.violate("reads-are-fresh", `get ${runId} gave ${run.revision}, after ${before?.revision}`);
        }
        return run.status;
      }
      case "read checkpoint": {
        const checkpointId = draw.pick(checkpointsOf(life));
        if (checkpointId === undefined) return "";
        await runs.loadCheckpoint(runId, checkpointId);
        (await runs.history(runId)).items;
        return "";
      }
      case "trespass": {
        const other = tenants.find((name) => name !== tenant) ?? tenant;
        const found = await runtime
          .for(other)
          .get(runId)
          .catch((error: unknown) => {
            if (this.#subject.core.isDurableError(error, "not_found")) return undefined;
            throw error;
          });
        if (found) this.#world.violate("tenants-do-not-meet", `${other} reads ${runId} of ${tenant}`);
        return "";
      }
    }
  }

  async #signalSoon(runs: Runs, runId: string, payload: string, process: Process, draw: Random): Promise<void> {
    await this.#world.delay(process, draw.fraction() * draw.pick([30, 300, 3_000]), "a client waits");
    // Its run may be over by then, and its process may not reach the medium.
    await runs.signal(runId, { name: draw.pick(signalNames), payload }).catch(() => {});
  }

  /** A run for which the operation may make sense, mostly. */
  #target(kind: OperationKind, draw: Random): Life | undefined {
    const lives = [...this.#history.lives.values()].filter(({ commits }) => commits.at(-1)?.record !== undefined);
    const wanted = lives.filter(({ commits }) => fits(kind, commits.at(-1) as Accepted));
    const from = wanted.length > 0 && draw.chance(0.9) ? wanted : lives;
    return from.length === 0 ? undefined : draw.pick(from);
  }

  /** Each operation that was acknowledged is in the history once, and each that was refused is not. */
  judge(): void {
    for (const asked of this.asked) {
      const count = this.#commitsOf(asked);
      if (count === undefined) continue;
      const { outcome, kind, runKey, item, note, isRepeat } = asked;
      const least = outcome === "done" && !isRepeat ? 1 : 0;
      const most = outcome === "refused" ? 0 : 1;
      if (count >= least && count <= most) continue;
      this.#world.violate(
        "acknowledged-once",
        `${kind} ${item.id} of ${runKey} was ${outcome} (${note}), and is in the history ${count} times`,
      );
    }
  }

  #commitsOf({ kind, token, item, note, runKey }: Asked): number | undefined {
    if (note === "nothing to do") return undefined;
    const commits = [...this.#history.lives.values()].flatMap((life) => life.commits);
    const own = commits.filter(({ operation }) => operation === item.id);
    const withEvent = (type: string) => own.filter((commit) => eventTypes(commit).includes(type)).length;
    switch (kind) {
      case "start":
      case "start twice":
      case "create":
      case "replay":
      case "fork":
      case "fork edited":
        return own.filter(({ revision }) => revision === 1).length;
      case "resume":
      case "resume older":
        return withEvent("run.resumed") - withEvent("run.approved");
      case "approve":
        return commits.filter(({ entry }) =>
          entry?.events.some(({ type, payload }) => type === "run.approved" && payload.approver === token),
        ).length;
      case "deny":
        return withEvent("run.denied");
      case "cancel":
        return withEvent("run.canceled");
      case "signal":
        return commits.filter(({ record, before }) => has(record?.inbox, token) && !has(before?.record?.inbox, token))
          .length;
      case "delete":
        return own.filter(({ record }) => record === undefined).length;
      case "save":
        return commits.filter((commit) => commit.runKey === runKey && commit.entry?.checkpoint?.checkpointId === token)
          .length;
      case "get":
      case "list":
      case "read checkpoint":
      case "trespass":
      case "drain":
        return undefined;
    }
  }
}

/** What the run of an operation begins with. */
export function inputsOf(operation: number) {
  return {
    token: `token${operation}`,
    when: new Date(operation),
    big: 2n ** 70n,
    nothing: undefined,
    map: new Map([[1, -0]]),
  };
}

function has(inbox: readonly { readonly payload: unknown }[] | undefined, token: string): boolean {
  return inbox?.some(({ payload }) => payload === token) ?? false;
}

function born(asked: Asked, { run, isRepeat }: { run: CurrentRun; isRepeat: boolean }): string {
  asked.isRepeat = isRepeat;
  return run.status;
}

function checkpointsOf({ commits }: Life): readonly (string | undefined)[] {
  const ids = commits.flatMap(({ entry }) => entry?.checkpoint?.checkpointId ?? []);
  return ids.length === 0 ? [undefined] : ids;
}

function fits(kind: OperationKind, { record, row }: Accepted): boolean {
  const status = record?.run.status ?? "";
  const isOver = ["completed", "failed", "canceled"].includes(status);
  switch (kind) {
    case "resume":
    case "resume older":
      return status !== "completed";
    case "approve":
    case "deny":
      return record?.waits.some(({ kind }) => kind === "approval") === true;
    case "signal":
    case "cancel":
    case "save":
      return !isOver;
    case "delete":
      return isOver;
    default:
      return row.status !== undefined;
  }
}
