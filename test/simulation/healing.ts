import { isDeepStrictEqual } from "node:util";
import type { CurrentRun, Runs, Runtime } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { type BacklogPlan, type Bystanders, crowded, isReadable, unreadable } from "./bystanders.ts";
import { inputsOf } from "./clients.ts";
import type { History, Life, State } from "./history.ts";
import type { Outside } from "./outside.ts";
import { tenants } from "./plan.ts";
import { signalNames } from "./program.ts";
import type { ProgramFacts } from "./program-facts.ts";
import type { Random } from "./random.ts";
import type { Readers } from "./readers.ts";
import type { Subject } from "./subject.ts";
import { damage } from "./transfers.ts";
import { unversioned } from "./versions.ts";
import type { Process, World } from "./world.ts";

/** No pass over a generated skill takes so long: it waits for seconds, and is parked beyond them. */
const mostDrainMs = 20 * 60_000;

/** What is healed, and who does it. */
interface Patient {
  readonly core: Subject["core"];
  readonly world: World;
  readonly history: History;
  readonly outside: Outside;
  readonly store: Store;
  readonly bystanders: Bystanders;
  readonly backlog: BacklogPlan | undefined;
  readonly facts: ProgramFacts;
  readonly fate: Process;
  /** The one healthy process, and its runtime. */
  readonly process: Process;
  readonly runtime: Runtime;
  readonly random: Random;
  /** Present if the lists of runs are followed to the end. */
  readonly readers: Readers | undefined;
  /** A runtime of that process over another medium, which is empty. */
  elsewhere(): Runtime;
}

/** How often lists are read that are followed to the end, which may be hours away. Changes are announced besides. */
const rareMs = 10 * 60_000;

/** How many runs go on from an older checkpoint, so that a world ends in time. */
const mostBack = 3;

/** One healthy runtime takes what is due, people decide, signals come: every run must end, be readable and be replayed. */
export class Healing {
  readonly #patient: Patient;

  constructor(patient: Patient) {
    this.#patient = patient;
  }

  async heal(): Promise<void> {
    const { world } = this.#patient;
    const work = [
      () => this.#takeInTurn(),
      () => this.#followed(() => this.#finishAll()),
      () => this.#unstopped(() => this.#lookPastDamage()),
      () => this.#readAll(),
      () => this.#replayAll(),
      () => this.#goBack(),
      () => this.#payAll(),
      () => this.#transferAll(),
    ];
    for (const part of work) if (world.violation === undefined) await part();
  }

  /**
   * However many runs of one tenant are due, and whether or not they can be taken: a drain that may take as many runs as there are
   * tenants takes one of each. A tenant's own damaged runs may come before the first that can be taken.
   */
  async #takeInTurn(): Promise<void> {
    const { world, fate, store, bystanders, backlog, outside, process } = this.#patient;
    if (backlog === undefined) return;
    await world.context.run({ process: fate }, () => bystanders.crowd(fate, backlog));
    const rows = await store.dueRuns({ now: outside.timeOf(process), limit: 10_000 });
    const due = Map.groupBy(
      rows.filter((row) => !bystanders.has(row)),
      ({ tenant }) => tenant,
    );
    const most = Math.max(...[...due.keys()].map((tenant) => bystanders.of(tenant).length));
    const { order } = this.#patient.history;
    if (due.size > 0) await this.#drainPastDamage((due.size + 1) * (most + 1));
    for (const [tenant, waiting] of due) {
      const isTaken = this.#lives().some((life) => life.tenant === tenant && (life.commits.at(-1)?.order ?? 0) > order);
      if (isTaken) continue;
      const what = `none of the ${waiting.length} due runs of ${tenant} is taken, beside the backlog of ${crowded}`;
      world.violate("no-backlog-delays-others", `${what}: ${waiting[0]?.runId} is not`);
    }
    await bystanders.disperse();
  }

  /** What is damaged is shown as that, counted and deleted. */
  async #lookPastDamage(): Promise<void> {
    const { bystanders, runtime, core, world } = this.#patient;
    for (const damaged of [...bystanders.damaged]) {
      const { tenant, runId, key, damage } = damaged;
      const runs = runtime.for(tenant);
      const before = await this.#listed(runs, tenant);
      bystanders.judgeListed(damaged, before);
      const code = await runs.get(runId).then(
        () => "none",
        (error: unknown) => (core.isDurableError(error) ? error.code : String(error)),
      );
      if (code !== (isReadable(damaged) ? "none" : damage === "newer" ? "unsupported_version" : "corrupt_data")) {
        world.violate("damage-stays-alone", `get ${key} (${damage}) was answered ${code}`);
      }
      bystanders.mayDelete(damaged);
      await runs.delete(runId);
      const after = await this.#listed(runs, tenant);
      if (after.length !== before.length - 1 || after.some((run) => run.runId === runId)) {
        world.violate("damage-stays-alone", `${key} (${damage}) is still listed after its deletion`);
      }
    }
  }

  /** All runs of a tenant. As many are counted. */
  async #listed(runs: Runs, tenant: string): Promise<readonly CurrentRun[]> {
    const { items } = await runs.list({ limit: 500 });
    const counted = await runs.count();
    if (counted !== items.length) {
      this.#patient.world.violate("reads-are-fresh", `${tenant} has ${counted} runs, and ${items.length} are listed`);
    }
    return items;
  }

  /** Who follows the lists meanwhile sees in the end what is there. */
  async #followed(work: () => Promise<void>): Promise<void> {
    const { readers, runtime, world, process, bystanders } = this.#patient;
    if (readers === undefined) return work();
    const enough = new AbortController();
    const following = tenants.map((tenant) => readers.follow(runtime.for(tenant), tenant, enough.signal, rareMs));
    await work();
    await world.delay(process, 5_000, "who follows looks again");
    enough.abort();
    const lists = await Promise.all(following);
    for (const [index, tenant] of tenants.entries()) {
      // That a damaged run is put off is not announced.
      const own = (runs: readonly CurrentRun[] = []) => runs.filter(({ runId }) => !bystanders.has({ tenant, runId }));
      const { items } = await runtime.for(tenant).list({ limit: 500 });
      const seen = lists[index]?.at(-1);
      if (seen?.error === undefined && isDeepStrictEqual(own(seen?.items), own(items))) continue;
      world.violate("lists-follow", `who follows ${tenant} has not seen its last list: ${shown(seen?.error)}`);
    }
  }

  async #finishAll(): Promise<void> {
    const { world, process, outside } = this.#patient;
    for (let round = 0; round < 300; round++) {
      await this.#drain();
      if (world.violation !== undefined) return;
      const open = this.#open();
      if (open.length === 0) return;
      if (await this.#decide(open, round)) continue;
      const first = await this.#due();
      if (first === undefined) {
        const stuck = open.filter((life) => !isWaiting(statusOf(life)));
        if (stuck.length === 0) continue;
        const [life] = stuck as [Life];
        world.violate("every-run-ends", `${life.key} is ${statusOf(life)}, and never due`);
        return;
      }
      await world.delay(process, Math.max(first - outside.timeOf(process), 1), "until something is due");
    }
    const states = this.#open().map((life) => `${life.key} is ${statusOf(life)}`);
    if (states.length > 0) world.violate("every-run-ends", states.join(", "));
  }

  async #drain(): Promise<void> {
    const { world, fate } = this.#patient;
    const awaken = world.schedule(fate, mostDrainMs, "a drain that never ends", () => {
      const held = this.#lives().filter(({ commits }) => commits.at(-1)?.record?.lease !== undefined);
      const keys = held.map(({ key }) => key).join(", ");
      world.violate("every-run-ends", `a healthy runtime executes ${keys} for ever`);
    });
    await this.#drainPastDamage();
    awaken();
  }

  async #drainPastDamage(limit = 100): Promise<void> {
    const { runtime } = this.#patient;
    await this.#unstopped(() => runtime.drain({ limit }));
    await runtime.idle();
  }

  /** Nothing that is done to others is stopped by what is damaged. */
  async #unstopped(work: () => Promise<unknown>): Promise<void> {
    const { world, core } = this.#patient;
    await work().catch((error: unknown) => {
      if (!core.isDurableError(error, ...unreadable)) throw error;
      world.violate("damage-stays-alone", `a healthy runtime met ${error.stack}`);
    });
  }

  /** Opens gates and sends signals to runs that wait for nothing else. False if none does. */
  async #decide(open: readonly Life[], round: number): Promise<boolean> {
    const { runtime } = this.#patient;
    let acted = false;
    for (const life of open) {
      const { tenant, runId, commits } = life;
      const last = commits.at(-1);
      const gate = last?.gates[0];
      if (gate !== undefined && statusOf(life) === "waiting_for_human") {
        const by = `healer${round}`;
        const asks = last?.record?.waits.some(
          (wait) => wait.kind === "approval" && wait.stepId === unversioned(gate) && wait.show !== undefined,
        );
        await runtime.for(tenant).approve(runId, { approver: by, stepId: gate, ...(asks ? { data: { by } } : {}) });
        acted = true;
      } else if (this.#isCutOff(life)) {
        await runtime.for(tenant).resume(runId);
        acted = true;
      } else if (statusOf(life) === "waiting_for_signal") {
        const name = signalNames[round % signalNames.length] as string;
        const waits = last?.record?.waits.some((wait) => wait.kind === "signal" && wait.name === name);
        if (waits !== true) continue;
        await runtime.for(tenant).signal(runId, { name, payload: `heal${round}` });
        acted = true;
      }
    }
    return acted;
  }

  /** "Import a family from its children up": one that was imported alone waits for a child that is not there, or ended elsewhere. */
  #isCutOff({ commits, tenant }: Life): boolean {
    const { history } = this.#patient;
    const { record } = commits.at(-1) ?? {};
    if (record?.run.status !== "waiting_for_signal" || !commits.some(({ isArrival }) => isArrival)) return false;
    return record.waits.some((wait) => {
      if (wait.kind !== "signal" || wait.until !== undefined || !wait.name.startsWith("→ ")) return false;
      const child = history.lives.get(`${tenant}/${wait.name.slice(2)}`)?.commits.at(-1);
      return child === undefined || (child.row.dueAt === undefined && !isOpen(child.record?.run.status));
    });
  }

  /** When the first run is due. */
  async #due(): Promise<number | undefined> {
    const { store, bystanders } = this.#patient;
    const rows = await store.dueRuns({ now: Number.MAX_SAFE_INTEGER, limit: 100 });
    return rows.find((row) => !bystanders.has(row))?.dueAt;
  }

  /** What is stored can be read, by every door, and values come back as they went in. */
  async #readAll(): Promise<void> {
    const { world, runtime } = this.#patient;
    for (const { commits, tenant, runId } of this.#lives()) {
      if (commits.at(-1)?.record === undefined) continue;
      const runs = runtime.for(tenant);
      const run = await runs.get(runId);
      const { inputs } = (run.result ?? {}) as { readonly inputs?: unknown };
      const { token } = (inputs ?? {}) as { readonly token?: string };
      if (inputs !== undefined && !isDeepStrictEqual(inputs, inputsOf(Number(token?.slice(5))))) {
        world.violate("values-come-back", `the inputs of ${runId} came back as ${shown(inputs)}`);
      }
      const history = (await runs.history(runId)).items;
      const { items: checkpoints } = await runs.listCheckpoints(runId);
      const written = commits.flatMap(({ entry }) => entry?.checkpoint?.checkpointId ?? []);
      const listed = checkpoints.map(({ checkpointId }) => checkpointId);
      if (!isDeepStrictEqual(listed, written)) {
        world.violate("stored-is-readable", `the checkpoints of ${runId} are not listed as they were written`);
      }
      if (history.length !== commits.filter(({ entry }) => entry !== undefined).length) {
        world.violate("stored-is-readable", `the history of ${runId} has ${history.length} entries`);
      }
      for (const { checkpointId } of checkpoints) await runs.loadCheckpoint(runId, checkpointId);
    }
  }

  /** A replay of the head of a run that completed ends as that run did, and does nothing again. */
  async #replayAll(): Promise<void> {
    const { world, runtime, facts } = this.#patient;
    for (const { commits, tenant, runId } of this.#lives()) {
      const last = commits.at(-1);
      if (last?.record?.run.status !== "completed") continue;
      const runs = runtime.for(tenant);
      const source = await runs.get(runId);
      const newRunId = `again_${runId}`;
      const calls = world.lines.length;
      await runs.replay(runId, { newRunId });
      await runtime.idle();
      // What its source had left behind when it ended may have to be tried once more.
      await this.#finishAll();
      const replay = await runs.get(newRunId);
      const what = `the replay of the head of ${runId}`;
      if (replay.status !== "completed") {
        const { error } = replay;
        world.violate("a-replay-ends-as-its-source", `${what} is ${replay.status} (${error?.code}: ${error?.message})`);
      } else if (!isDeepStrictEqual(facts.told(source), facts.told(replay))) {
        const [was, is] = [source.result, replay.result].map((result) => shown(result));
        world.violate("a-replay-ends-as-its-source", `${what} ends with ${is}, and the source with ${was}`);
      }
      // A step of a failed run that is resumed is not recorded until it has settled again: "A failed step that is resumed starts
      // with fresh attempts."
      const results = Object.values(last.state?.stepResults ?? {});
      const recorded = results.flatMap(({ stepId, status }) => (settledStatuses.has(status) ? [stepId] : []));
      const again = world.lines
        .slice(calls)
        .find((line) => recorded.some((stepId) => line.includes(` calls ${tenant}/${newRunId} ${stepId}, attempt`)));
      if (again !== undefined) world.violate("recorded-is-not-executed", `${what}: ${again}`);
      if (world.violation !== undefined) return;
    }
  }

  /**
   * Some runs go on from an older checkpoint, as replays and, where they failed or were canceled, themselves: they end, and for
   * reasons of their own. First come those whose checkpoint is of another version of their skill.
   */
  async #goBack(): Promise<void> {
    const { world, runtime, random } = this.#patient;
    // A fork whose edit was never saved is not continued.
    const lives = this.#lives().filter(({ commits }) => {
      const record = commits.at(-1)?.record;
      return record !== undefined && record.isEditPending !== true;
    });
    const chosen = lives.flatMap((life) => {
      const version = life.commits.at(-1)?.state?.skillVersion;
      const older = life.commits.filter(({ entry }) => entry?.checkpoint !== undefined).slice(0, -1);
      const former = older.filter(({ state }) => state?.skillVersion !== version);
      // Best from one whose version only the run itself knows, with steps whose names show it.
      const unnamed = former.filter(({ state }) => state?.skillVersion === undefined && hasSteps(state));
      const best = [unnamed, former, older].find(({ length }) => length > 0) ?? [];
      const from = random.pick(best)?.entry?.checkpoint?.checkpointId;
      const place = random.fraction();
      const isFork = unnamed.length > 0 || place < 0.5;
      return from === undefined ? [] : [{ life, from, isFork, isFormer: former.length > 0, place }];
    });
    chosen.sort((a, b) => Number(b.isFormer) - Number(a.isFormer) || a.place - b.place);
    for (const { life, from, isFork } of chosen.slice(0, mostBack)) {
      const { tenant, runId } = life;
      const runs = runtime.for(tenant);
      const back = { checkpointId: from, newRunId: `back_${runId}` };
      // A replay begins with the state that is read for it here; a fork reads its own again.
      if (isFork) {
        await runs.fork(runId, back);
        await runs.resume(back.newRunId);
      } else await runs.replay(runId, back);
      if (["failed", "canceled"].includes(statusOf(life) ?? "")) await runs.resume(runId, { checkpointId: from });
      await this.#finishAll();
      if (world.violation !== undefined) return;
    }
  }

  /** What runs owe to their families since they have ended is done once nothing stands in the way. */
  async #payAll(): Promise<void> {
    const { world } = this.#patient;
    for (let round = 0; round < 20 && (await this.#due()) !== undefined; round++) await this.#finishAll();
    const due = await this.#due();
    if (due === undefined || world.violation !== undefined) return;
    const { store, bystanders } = this.#patient;
    const rows = await store.dueRuns({ now: Number.MAX_SAFE_INTEGER, limit: 100 });
    const owing = rows.filter((row) => !bystanders.has(row)).map(({ runId }) => runId);
    world.violate("every-run-ends", `every run has ended, and ${owing.join(", ")} is still due`);
  }

  /**
   * Each run comes to another medium and out of it again as the same text, and is there what it was. A damaged text of it is
   * rejected before, and leaves nothing behind that is in the way.
   */
  async #transferAll(): Promise<void> {
    const { world, runtime, core, random, elsewhere } = this.#patient;
    const there = elsewhere();
    for (const { commits, tenant, runId, key } of this.#lives()) {
      if (commits.at(-1)?.record === undefined) continue;
      const text = await textOf(this.#patient, runtime.for(tenant), runId);
      const damaged = damage(text.match(/.+\n/g) ?? [], random);
      if (damaged !== undefined) {
        const refusal = await core.importRun(there.for(tenant), damaged.lines).then(
          () => "nothing",
          (error: unknown) => (core.isDurableError(error) ? error.code : String(error)),
        );
        if (!["invalid_request", "unsupported_version"].includes(refusal)) {
          world.violate("transfers-are-whole", `a damaged export of ${key} (${damaged.damage}) met ${refusal}`);
          return;
        }
      }
      await core.importRun(there.for(tenant), [text]);
      if ((await textOf(this.#patient, there.for(tenant), runId)) !== text) {
        world.violate("transfers-are-whole", `${key} is exported as another text from where it was imported`);
      }
      const [run, copy] = [await runtime.for(tenant).get(runId), await there.for(tenant).get(runId)];
      if (!isDeepStrictEqual(run, copy))
        world.violate("transfers-are-whole", `${key} is another run where it was imported`);
    }
  }

  #lives(): readonly Life[] {
    return [...this.#patient.history.lives.values()];
  }

  #open(): readonly Life[] {
    return this.#lives().filter((life) => isOpen(statusOf(life)) || isDelayed(life));
  }
}

/** Of steps that are recorded. */
const settledStatuses: ReadonlySet<string> = new Set(["completed", "degraded", "skipped"]);

async function textOf({ core }: Patient, runs: Runs, runId: string): Promise<string> {
  let text = "";
  for await (const line of core.exportRun(runs, runId)) text += line;
  return text;
}

function statusOf({ commits }: Life): string | undefined {
  return commits.at(-1)?.record?.run.status;
}

function shown(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? `${part}n` : part)) ?? "undefined";
}

function hasSteps(state: State | undefined): boolean {
  return Object.keys(state?.stepResults ?? {}).length > 0;
}

/** A run whose start was put off begins by itself; one that was only created does not. */
function isDelayed({ commits }: Life): boolean {
  const last = commits.at(-1);
  return last?.record?.run.status === "pending" && last.row.dueAt !== undefined;
}

function isOpen(status: string | undefined): boolean {
  return status !== undefined && !["completed", "failed", "canceled", "pending"].includes(status);
}

function isWaiting(status: string | undefined): boolean {
  return status === "waiting_for_human" || status === "waiting_for_signal";
}
