import type { CurrentRun, Runs, Runtime } from "../../src/index.ts";
import { type Bystanders, unreadable } from "./bystanders.ts";
import { type Accepted, eventTypes, type History, keyOf, type Life } from "./history.ts";
import { archive, type OperationItem, type OperationKind, tenants } from "./plan.ts";
import { type Program, signalNames } from "./program.ts";
import { PruneJudge } from "./prune-judge.ts";
import { type Random, random } from "./random.ts";
import { Readers } from "./readers.ts";
import type { Subject } from "./subject.ts";
import type { Transfers } from "./transfers.ts";
import { unversioned } from "./versions.ts";
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
  /** True if the answer says that an earlier call did it. */
  isRepeat: boolean;
  /** True if an earlier call of the same operation may have done it, so that a refusal says nothing of that one. */
  isUncertain: boolean;
  /** The revision of the run that the operation stands on, where it names one. */
  expectedRevision: number | undefined;
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
  "unsupported_version",
];

/** Clients do operations at random, and hold the answers against what then is in the history. */
export class Clients {
  readonly asked: Asked[] = [];
  readonly #world: World;
  readonly #subject: Subject;
  readonly #history: History;
  readonly #programs: readonly Program[];
  readonly #transfers: Transfers;
  readonly #readers: Readers;
  readonly #prunes: PruneJudge;

  constructor(
    world: World,
    subject: Subject,
    history: History,
    programs: readonly Program[],
    transfers: Transfers,
    bystanders: Bystanders,
  ) {
    this.#world = world;
    this.#subject = subject;
    this.#history = history;
    this.#programs = programs;
    this.#transfers = transfers;
    this.#readers = new Readers(world, subject, history, bystanders);
    this.#prunes = new PruneJudge(world, history);
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
      isUncertain: false,
      expectedRevision: undefined,
    };
    this.asked.push(asked);
    try {
      asked.note = await this.#do(asked, door, draw);
      asked.outcome = "done";
    } catch (error) {
      const { code } = error as { code?: unknown };
      const isTyped = this.#subject.core.isDurableError(error);
      asked.outcome = isTyped && refusals.includes(String(code)) && !asked.isUncertain ? "refused" : "failed";
      asked.note = isTyped ? String(code) : String(error);
      // No operation is about a damaged run, so that none has to meet one. A damaged file of an export is another matter.
      if (unreadable.some((code) => code === asked.note) && item.kind !== "import") {
        this.#world.violate("damage-stays-alone", `${item.kind} ${item.id} was answered ${String(error)}`);
      }
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
    if (kind === "start" || kind === "start twice" || kind === "start later" || kind === "create") {
      const tenant = draw.chance(0.8) ? tenants[0] : tenants[1];
      const program = draw.pick(this.#programs);
      const runId = `run${item.id}`;
      asked.runKey = keyOf({ tenant, runId });
      const request = {
        skillId: program.id,
        runId,
        inputs: inputsOf(item.id),
        ...(draw.chance(0.3) || kind === "start twice" ? { idempotencyKey: token } : {}),
      };
      const runs = runtime.for(tenant);
      if (kind === "create") return born(asked, await runs.create(request));
      if (kind === "start later") {
        const forMs = draw.pick([1, 900, 4_000, 20_000]);
        const delayed = await runs.start({ ...request, delay: forMs });
        const birth = this.#history.lives.get(asked.runKey)?.commits.find(({ record }) => record !== undefined);
        if ((birth?.record?.wakeAt ?? 0) - (birth?.row.createdAt ?? 0) !== forMs) {
          this.#world.violate("delayed-runs-start-in-time", `${asked.runKey} was to begin ${forMs} ms after its birth`);
        }
        return born(asked, delayed);
      }
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
      for (const tenant of tenants) await this.#readers.list(runtime.for(tenant), tenant, draw);
      return "";
    }
    if (kind === "follow") {
      const tenant = draw.pick(tenants);
      return this.#readers.followForAWhile(runtime.for(tenant), tenant, process, draw);
    }
    if (kind === "count") {
      const tenant = draw.pick([...tenants, archive]);
      return this.#readers.count(runtime.for(tenant), tenant);
    }
    if (kind === "prune") {
      const tenant = draw.pick([...tenants, archive]);
      return this.#prunes.prune(item.id, {
        core: this.#subject.core,
        runs: runtime.for(tenant),
        tenant,
        process,
        draw,
      });
    }
    if (kind === "import") {
      const kept = draw.chance(0.7) ? draw.pick(this.#transfers.files) : undefined;
      const found = this.#target(kind, draw);
      if (found === undefined) return "nothing to do";
      const file =
        kept ?? (await this.#transfers.exported(runtime.for(found.tenant), found, process, draw.fork("export")));
      const { tenant: home, runId } = file.source;
      const tenant = draw.chance(0.2) ? home : draw.pick([...tenants, archive].filter((other) => other !== home));
      asked.runKey = keyOf({ tenant, runId });
      if (draw.fork("loss").chance(0.5)) this.#transfers.loseAnswer(process);
      await this.#transfers.imported(item.id, runtime.for(tenant), file, process, draw);
      return "";
    }
    if (kind === "fill") return this.#fill(asked, runtime.for(tenants[0]), draw);
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
    // From a source of its own, so that a seed draws the same otherwise.
    const more = draw.fork("more");
    const key = more.chance(0.3) ? { idempotencyKey: token } : {};
    const once = <T>(call: () => Promise<T>) => this.#once(asked, key.idempotencyKey, more, call);
    if (precise.has(kind) && more.chance(0.2)) asked.expectedRevision = (await runs.get(runId)).revision;
    const expected = asked.expectedRevision === undefined ? {} : { expectedRevision: asked.expectedRevision };
    switch (kind) {
      case "resume":
        return (await once(() => runs.resume(runId, { ...key, ...expected }))).run.status;
      case "resume older": {
        const checkpointId = draw.pick(checkpointsOf(life));
        if (checkpointId === undefined) return "";
        return (await once(() => runs.resume(runId, { checkpointId, ...key, ...expected }))).run.status;
      }
      case "replay": {
        const older = draw.chance(0.3) ? draw.pick(checkpointsOf(life)) : undefined;
        const newRunId = `replay${item.id}`;
        const descent = { newRunId, ...key, ...(older === undefined ? {} : { checkpointId: older }) };
        return (await once(() => runs.replay(runId, descent))).run.runId;
      }
      case "fork":
      case "fork edited": {
        const older = draw.chance(0.5) ? draw.pick(checkpointsOf(life)) : undefined;
        const newRunId = `fork${item.id}`;
        const descent = {
          newRunId,
          ...key,
          ...(older === undefined ? {} : { checkpointId: older }),
          ...(kind === "fork" ? {} : { edit: { vars: { edited: token } } }),
        };
        return (await once(() => runs.fork(runId, descent))).run.runId;
      }
      case "approve": {
        const gates = life.commits.at(-1)?.gates ?? [];
        const stepId = draw.chance(0.7) ? draw.pick([...gates, undefined]) : undefined;
        const answer = answerOf(life, stepId, token, draw.fork("answer"));
        const { isRight, ...data } = answer;
        const decision = { approver: token, ...key, ...expected, ...data, ...(stepId === undefined ? {} : { stepId }) };
        const { status } = (await once(() => runs.approve(runId, decision))).run;
        if (!isRight && this.#hasOpened(life, token)) {
          this.#world.violate("answers-are-checked", `approve ${item.id} opened a gate of ${runId} by a wrong answer`);
        }
        // What was decided is still to be taken, or is being recorded.
        if (draw.fork("again").chance(0.25)) void this.#resumeAgain(runs, runId);
        return status;
      }
      case "deny":
        return (await once(() => runs.deny(runId, { approver: token, ...key, ...expected }))).status;
      case "signal": {
        const name = draw.pick(signalNames);
        const isTwo = draw.chance(0.4);
        const first = await once(() => runs.signal(runId, { name, payload: token, ...key, ...expected }));
        // The operation was done, whatever becomes of another signal behind it.
        if (isTwo) void runs.signal(runId, { name, payload: `${token}b` }).catch(() => {});
        return first.status;
      }
      case "cancel":
        // Drawn beside the others, so that seeds without rollbacks stay as they are.
        return (
          await runs.cancel(runId, { ...expected, rollback: this.#hasRollbacks && draw.fork("undo").chance(0.7) })
        ).status;
      case "delete":
        await runs.delete(runId, expected);
        return "";
      case "save":
      case "save unnamed": {
        const head = life.commits.at(-1)?.record?.run.checkpointHead;
        if (head === undefined) return "nothing to do";
        const loaded = (await runs.loadCheckpoint(runId, head)).state;
        const { skillVersion: _, ...unnamed } = loaded;
        // A state from outside need not say its version: it has that of its run.
        const isUnnamed = more.chance(0.3) || kind === "save unnamed";
        if (isUnnamed) this.#history.unnamed.set(item.id, loaded.skillVersion);
        const state = isUnnamed ? unnamed : loaded;
        const saved = {
          checkpointId: token,
          kind: "noted",
          state: { ...state, vars: { ...state.vars, noted: token } },
        };
        await this.#subject.core.saveCheckpoint(runs, runId, saved);
        if (draw.chance(0.5)) await this.#subject.core.saveCheckpoint(runs, runId, saved);
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
      case "export":
        return `${(await this.#transfers.exported(runs, life, process, more)).lines.length} lines`;
      case "events":
        return this.#readers.events(runs, life, draw);
      case "watch":
        return this.#readers.watch(runs, life, process, draw);
      case "settle":
        return this.#readers.settle(runs, life, process, draw);
      case "compare":
        return this.#readers.compare(runs, life, draw);
      case "lineage":
        return this.#readers.lineage(runs, life);
      case "trespass": {
        // An import may have taken the run there too.
        const other = tenants.find((name) => !this.#history.lives.has(keyOf({ tenant: name, runId })));
        if (other === undefined) return "nothing to do";
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

  /** True if that approval opened a gate that takes data. */
  #hasOpened({ commits }: Life, token: string): boolean {
    return commits.some(({ entry, before }) =>
      entry?.events.some(
        ({ type, payload }) =>
          type === "run.approved" &&
          payload.approver === token &&
          before?.record?.waits.some((wait) => wait.stepId === payload.step_id && isAsking(wait)),
      ),
    );
  }

  /** A call that may have a key: it is repeated where it failed, and sometimes where it did not, and is done once. */
  async #once<T>(asked: Asked, key: string | undefined, draw: Random, call: () => Promise<T>): Promise<T> {
    if (key === undefined) return call();
    let first: T;
    try {
      first = await call();
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (!this.#subject.core.isDurableError(error) || refusals.includes(String(code))) throw error;
      asked.isUncertain = true;
      return call();
    }
    if (draw.chance(0.5)) {
      // Its run may be gone by now, and its medium away: what was done was done.
      const again = await call().catch(() => undefined);
      if (again !== undefined && (again as { isRepeat?: boolean }).isRepeat !== true) {
        this.#world.violate("acknowledged-once", `${asked.kind} ${asked.item.id} was done again under its key`);
      }
    }
    return first;
  }

  /** A run with a long history, which an import does not bring in one commit. */
  async #fill(asked: Asked, runs: Runs, draw: Random): Promise<string> {
    const { item, token } = asked;
    const runId = `run${item.id}`;
    asked.runKey = keyOf({ tenant: tenants[0], runId });
    const program = draw.pick(this.#programs);
    const born_ = await runs.create({ skillId: program.id, runId, inputs: inputsOf(item.id) });
    const { checkpointHead = "" } = born_.run;
    const { state } = await runs.loadCheckpoint(runId, checkpointHead);
    for (let number = draw.between(100, 220); number > 0; number--) {
      const vars = { ...state.vars, filled: number };
      // It is long enough without the ones that fail, or come too late.
      await this.#subject.core
        .saveCheckpoint(runs, runId, {
          checkpointId: `${token}.${number}`,
          kind: "noted",
          state: { ...state, vars },
        })
        .catch(() => {});
    }
    return born(asked, born_);
  }

  async #signalSoon(runs: Runs, runId: string, payload: string, process: Process, draw: Random): Promise<void> {
    await this.#world.delay(process, draw.fraction() * draw.pick([30, 300, 3_000]), "a client waits");
    // Its run may be over by then, and its process may not reach the medium.
    await runs.signal(runId, { name: draw.pick(signalNames), payload }).catch(() => {});
  }

  /** Stops a run and lets it go on at once. */
  async #resumeAgain(runs: Runs, runId: string): Promise<void> {
    // It may be over by then, or another executor's, and its process may not reach the medium.
    await runs.cancel(runId).then(
      () => runs.resume(runId).catch(() => {}),
      () => {},
    );
  }

  /** A run for which the operation may make sense, mostly. */
  #target(kind: OperationKind, draw: Random): Life | undefined {
    const lives = [...this.#history.lives.values()].filter(({ commits }) => commits.at(-1)?.record !== undefined);
    const wanted = lives.filter(({ commits }) => fits(kind, commits.at(-1) as Accepted));
    const from = wanted.length > 0 && draw.chance(0.9) ? wanted : lives;
    return from.length === 0 ? undefined : draw.pick(from);
  }

  get #hasRollbacks(): boolean {
    return this.#programs.some((program) => program.form === "code" && program.hasRollbacks === true);
  }

  /** Each operation that was acknowledged is in the history once, and each that was refused is not. */
  judge(): void {
    for (const asked of this.asked) {
      const count = this.#commitsOf(asked);
      if (count === undefined) continue;
      const { outcome, kind, runKey, item, note, isRepeat } = asked;
      const isThere = isRepeat || (kind === "import" && this.#isThere(asked));
      const least = outcome === "done" && !isThere && !readings.has(kind) ? 1 : 0;
      // What was imported and deleted before a lost answer could be read again looks like what was there before.
      const isErased = kind === "import" && this.#history.last(runKey ?? "")?.record === undefined;
      const most = (outcome === "refused" && !isErased) || readings.has(kind) ? 0 : 1;
      if (count >= least && count <= most) continue;
      this.#world.violate(
        "acknowledged-once",
        `${kind} ${item.id} of ${runKey} was ${outcome} (${note}), and is in the history ${count} times`,
      );
    }
  }

  #commitsOf(asked: Asked): number | undefined {
    const { kind, token, item, note, runKey } = asked;
    if (note === "nothing to do") return undefined;
    const commits = [...this.#history.lives.values()].flatMap((life) => life.commits);
    // What an operation does to one run may start, cancel or wake others of its family.
    const isOfFamily = ({ runKey: key, record }: Accepted) => {
      const isBorn = `${tenantOf(key)}/${String(record?.run.metadata.source_run_id)}` === runKey;
      return runKey !== undefined && key !== runKey && !isBorn;
    };
    const own = commits.filter((commit) => commit.operation === item.id && (kind === "import" || !isOfFamily(commit)));
    this.#judgeExpected(asked, own);
    const withEvent = (type: string) => own.filter((commit) => eventTypes(commit).includes(type)).length;
    // What an import brings of another tenant's run is not done again.
    const ofRun = commits.filter((commit) => commit.runKey === runKey);
    switch (kind) {
      case "start":
      case "start twice":
      case "start later":
      case "create":
      case "fill":
      case "replay":
      case "fork":
      case "fork edited":
        return own.filter(({ revision }) => revision === 1).length;
      case "resume":
      case "resume older":
        return withEvent("run.resumed") - withEvent("run.approved");
      case "approve":
        return ofRun.filter(({ entry }) =>
          entry?.events.some(({ type, payload }) => type === "run.approved" && payload.approver === token),
        ).length;
      case "deny":
        return withEvent("run.denied");
      case "cancel":
        // Where the run already undoes its steps, a cancel with rollback changes nothing.
        return own.filter(
          (commit) => eventTypes(commit).includes("run.canceled") || commit.record?.isRollbackBegun !== undefined,
        ).length;
      case "signal":
        return ofRun.filter(({ record, before }) => has(record?.inbox, token) && !has(before?.record?.inbox, token))
          .length;
      case "delete":
        return own.filter(({ record }) => record === undefined).length;
      case "save":
      case "save unnamed":
        return ofRun.filter(({ entry }) => entry?.checkpoint?.checkpointId === token).length;
      case "import":
        this.#judgeRefusedImport(asked, own);
        return own.filter(({ isArrival }) => isArrival).length;
      case "export":
      case "count":
      case "events":
      case "watch":
      case "follow":
      case "settle":
      case "compare":
      case "lineage":
        return own.length;
      case "prune":
        this.#prunes.judge(item.id, own);
        return undefined;
      case "get":
      case "list":
      case "read checkpoint":
      case "trespass":
      case "drain":
        return undefined;
    }
  }

  /** What stands on a revision of its run is written over that one. */
  #judgeExpected({ kind, item, expectedRevision }: Asked, own: readonly Accepted[]): void {
    if (expectedRevision === undefined) return;
    const first = own.find(({ entry, record }) => entry !== undefined || record === undefined);
    const over = first?.before?.record?.entryRevision;
    if (over === undefined || over === expectedRevision) return;
    this.#world.violate(
      "acknowledged-once",
      `${kind} ${item.id} stands on ${expectedRevision}, and was done at ${over}`,
    );
  }

  /** "If an import of up to 4 MiB is rejected, it has written nothing at all", and it says what was wrong with the file. */
  #judgeRefusedImport({ item, outcome, note, runKey }: Asked, own: readonly Accepted[]): void {
    const isOfFile = note === "invalid_request" || note === "unsupported_version";
    if (outcome === "refused" && isOfFile && own.length > 0) {
      this.#world.violate(
        "transfers-are-whole",
        `import ${item.id} of ${runKey} was refused, and wrote ${own.length} rows`,
      );
    }
    const isOfMedium = ["store_failed", "store_blocked"].includes(note);
    if (this.#transfers.isDamaged(item.id) && outcome === "failed" && !isOfMedium) {
      this.#world.violate("refusals-are-typed", `import ${item.id}, of a damaged file, was answered ${note}`);
    }
  }

  /** True if a run is there that the operation did not bring. */
  #isThere({ item, runKey }: Asked): boolean {
    const commits = this.#history.lives.get(runKey ?? "")?.commits ?? [];
    return commits.some(({ operation, record }) => record !== undefined && operation !== item.id);
  }
}

/** Operations that may stand on a revision of their run. */
const precise: ReadonlySet<OperationKind> = new Set([
  "resume",
  "resume older",
  "approve",
  "deny",
  "signal",
  "cancel",
  "delete",
]);

/** Operations that write nothing. */
const readings: ReadonlySet<OperationKind> = new Set([
  "export",
  "count",
  "events",
  "watch",
  "follow",
  "settle",
  "compare",
  "lineage",
]);

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

function tenantOf(runKey: string): string {
  return runKey.slice(0, runKey.indexOf("/"));
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

function fits(kind: OperationKind, { record, row, state }: Accepted): boolean {
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
    case "save unnamed":
      // Where steps are recorded, their names say under which version.
      return !isOver && record?.lease === undefined && Object.keys(state?.stepResults ?? {}).length > 0;
    case "delete":
      return isOver;
    default:
      return row.status !== undefined;
  }
}

function isAsking(wait: { readonly kind: string; readonly show?: unknown }): boolean {
  return wait.kind === "approval" && wait.show !== undefined;
}

/** What an approval carries: if the gate takes data, mostly what it asks for, and sometimes something else or nothing. */
function answerOf({ commits }: Life, stepId: string | undefined, by: string, draw: Random) {
  const gates = commits.at(-1)?.record?.waits.filter((wait) => wait.kind === "approval" && wait.decision === undefined);
  const gate = gates?.find((wait) => stepId === undefined || wait.stepId === unversioned(stepId));
  const asks = gate !== undefined && isAsking(gate);
  const kind = draw.weighted<"right" | "wrong" | "none">([
    [7, asks ? "right" : "none"],
    [2, asks ? "wrong" : "none"],
    [1, "none"],
  ]);
  if (kind === "none") return { isRight: false };
  return { isRight: kind === "right", data: { by: kind === "right" ? by : 7 } };
}
