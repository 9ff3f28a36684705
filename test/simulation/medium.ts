import { isDeepStrictEqual } from "node:util";
import type { Commit, CommitOutcome, RunRow, Store } from "../../src/store.ts";
import type { Bystanders } from "./bystanders.ts";
import { type Accepted, type History, keyOf, ledgerEntry, type Sender } from "./history.ts";
import type { Random } from "./random.ts";
import { Process, type World } from "./world.ts";

/** What goes wrong between a process and the medium for a while. */
export interface Trouble {
  /** Of one process by its name, or of all. */
  readonly process?: string;
  readonly until: number;
  /**
   * `refuse`: calls are not made. `lose`: commits are made and their answer is a failure. `late`: commits fail and are made
   * afterwards. `unread`: reads fail. `slow`: calls take long.
   */
  readonly mode: "refuse" | "lose" | "late" | "unread" | "slow";
  /** How likely it is for each call. */
  readonly rate: number;
  /** How long `slow` and `late` take at most, in milliseconds. */
  readonly ms: number;
}

/** Loses the answer of the next commit of a process, and fails the reads after it. */
export interface Loss {
  readonly process: string;
  /** How many reads fail after the loss; they are what would find the commit again. */
  reads: number;
  isArmed: boolean;
}

/** How many queries one process may make, and has made. */
export interface Budget {
  queries: number;
  readonly most: number;
}

export interface Watcher {
  accepted(commit: Accepted): void;
}

/** The medium: every call goes through the world, so that it completes in whatever order the seed says, or fails. */
export class Medium {
  readonly process = new Process("medium");
  readonly troubles: Trouble[] = [];
  readonly losses: Loss[] = [];
  /** How often each fault was met. */
  readonly met = new Map<string, number>();
  /** The newest row under each epoch that a process has committed, or has read under its lease, by process, run and epoch. */
  readonly known = new Map<Process, Map<string, Map<number, Accepted>>>();
  /** Ledger entries that a process has read or written, by process and by key. */
  readonly knownEffects = new Map<Process, Map<string, string>>();
  readonly #world: World;
  readonly #random: Random;
  readonly #store: Store;
  readonly #history: History;
  readonly #watcher: Watcher;
  readonly #bystanders: Bystanders;

  constructor(world: World, random: Random, store: Store, history: History, bystanders: Bystanders, watcher: Watcher) {
    this.#bystanders = bystanders;
    this.#world = world;
    this.#random = random;
    this.#store = store;
    this.#history = history;
    this.#watcher = watcher;
  }

  /** The medium as one process reaches it. */
  handle(process: Process, budget?: Budget): Store {
    const read = <T>(name: string, work: () => Promise<T>, check?: (answer: T) => void): Promise<T> =>
      this.#call(process, budget, name, "read", work, check);
    const store = this.#store;
    const learn = (row: RunRow | undefined) => {
      if (row !== undefined) this.#learn(process, keyOf(row), row.revision);
    };
    return {
      getRun: (tenant, runId) =>
        read(
          `getRun ${runId}`,
          () => store.getRun(tenant, runId).then((row) => this.#sameRow(tenant, runId, row)),
          learn,
        ),
      listRuns: (tenant, query) => read("listRuns", () => store.listRuns(tenant, query)),
      countRuns: (tenant, filter) => read("countRuns", () => store.countRuns(tenant, filter)),
      usage: (tenant) => read("usage", () => store.usage(tenant)),
      dueRuns: (query) => read("dueRuns", () => store.dueRuns(query)),
      getEntry: (tenant, runId, id) => read(`getEntry ${runId}`, () => store.getEntry(tenant, runId, id)),
      listEntries: (tenant, runId, query) =>
        read(`listEntries ${runId}`, () => store.listEntries(tenant, runId, query)),
      getSnapshots: (tenant, runId, from, to) =>
        read(`getSnapshots ${runId}`, () => store.getSnapshots(tenant, runId, from, to)),
      getClaim: (tenant, kind, key) =>
        read(
          "getClaim",
          () => store.getClaim(tenant, kind, key),
          (claim) => {
            const status = claim && ledgerEntry(claim)?.status;
            if (status !== undefined) this.#learnEffect(process, `${tenant}/${key}`, status);
          },
        ),
      listClaims: (tenant, runId, query) => read(`listClaims ${runId}`, () => store.listClaims(tenant, runId, query)),
      commit: (commit) => this.#commit(process, budget, commit),
      close: async () => {},
    };
  }

  #commit(process: Process, budget: Budget | undefined, commit: Commit): Promise<CommitOutcome> {
    const { runId, revision, tenant } = commit.run;
    const operation = this.#world.context.getStore()?.operation;
    const { isStopped } = process;
    const work = async () => {
      // Its client would have to see to that. The medium fails instead, as it may at any time.
      if (this.#history.isMistaken(operation, keyOf(commit.run))) throw new Error("the medium failed: a mistaken save");
      const outcome = await this.#store.commit(commit);
      await this.#judge(commit, outcome, { process, operation, isStopped });
      return outcome;
    };
    return this.#call(process, budget, `commit ${runId}@${revision}`, "commit", work, (outcome) => {
      if (outcome.kind !== "committed") return;
      this.#learn(process, keyOf(commit.run), revision);
      for (const claim of commit.claims ?? []) {
        const status = ledgerEntry(claim)?.status;
        if (status !== undefined) this.#learnEffect(process, `${tenant}/${claim.key}`, status);
      }
    });
  }

  #learn(process: Process, runKey: string, revision: number): void {
    const commit = this.#history.lives.get(runKey)?.commits.findLast((one) => one.revision === revision);
    if (commit?.record === undefined) return;
    const runs = this.known.get(process) ?? new Map<string, Map<number, Accepted>>();
    this.known.set(process, runs);
    const epochs = runs.get(runKey) ?? new Map<number, Accepted>();
    runs.set(runKey, epochs);
    const { epoch, lease } = commit.record;
    // A commit whose answer was lost is known by a row that others have written over it since, with the lease that it had.
    const isFound = lease?.executor === this.#history.executors.get(process);
    if (commit.process !== process && !isFound) return;
    if ((epochs.get(epoch)?.revision ?? 0) < revision) epochs.set(epoch, commit);
  }

  #learnEffect(process: Process, key: string, status: string): void {
    const known = this.knownEffects.get(process) ?? new Map<string, string>();
    this.knownEffects.set(process, known);
    known.set(key, status);
  }

  #call<T>(
    process: Process,
    budget: Budget | undefined,
    name: string,
    kind: "read" | "commit",
    work: () => Promise<T>,
    onAnswer: (answer: T) => void = () => {},
  ): Promise<T> {
    if (budget !== undefined && budget.queries++ >= budget.most) {
      this.#meet("budget");
      return Promise.reject(new Error(`too many queries in this invocation: ${name}`));
    }
    const fault = this.#faultOf(process, kind);
    const away = fault?.mode === "slow" ? this.#random.fraction() * fault.ms : this.#latency();
    const back = fault?.mode === "slow" ? this.#random.fraction() * fault.ms : this.#latency();
    const log = (what: string) => this.#world.log(`${process.name} ${name}: ${what}`);
    return new Promise<T>((resolve, reject) => {
      const answer = (delayMs: number, give: () => void) =>
        void this.#world.schedule(process, delayMs, `answer ${name}`, give);
      const failure = () => reject(new Error(`the medium failed: ${name}`));
      const perform = (then: (answer: T) => void) => {
        work().then(then, (error: unknown) => answer(back, () => reject(error)));
      };
      this.#world.schedule(this.process, away, name, () => {
        // What a process sent before it died may have been on its way, or not yet.
        if (process.isDead && this.#random.chance(0.5)) return;
        switch (fault?.mode) {
          case undefined:
          case "slow":
            perform((result) => {
              if (kind === "commit") log((result as CommitOutcome).kind);
              answer(back, () => {
                onAnswer(result);
                resolve(result);
              });
            });
            return;
          case "refuse":
          case "unread":
            log("refused");
            answer(back, failure);
            return;
          case "lose":
            perform((result) => {
              log(`${(result as CommitOutcome).kind}, and the answer is lost`);
              // A connection that broke is noticed at once, or only after its timeout.
              answer(this.#random.chance(0.5) ? back : this.#random.fraction() * 3_000, failure);
            });
            return;
          case "late":
            log("fails, and is made later");
            answer(back, failure);
            this.#world.schedule(this.process, this.#random.fraction() * fault.ms, `late ${name}`, () =>
              perform((result) => log(`${(result as CommitOutcome).kind}, late`)),
            );
        }
      });
    });
  }

  #latency(): number {
    return this.#random.weighted([
      [6, 0],
      [3, this.#random.fraction() * 5],
      [1, this.#random.fraction() * 60],
    ]);
  }

  #faultOf(process: Process, kind: "read" | "commit"): Pick<Trouble, "mode" | "ms"> | undefined {
    for (const loss of this.losses) {
      if (loss.process !== process.name) continue;
      if (loss.isArmed && kind === "commit") {
        loss.isArmed = false;
        this.#meet("lose");
        return { mode: "lose", ms: 0 };
      }
      if (!loss.isArmed && kind === "read" && loss.reads > 0) {
        loss.reads--;
        this.#meet("unread");
        return { mode: "unread", ms: 0 };
      }
    }
    for (const trouble of this.troubles) {
      const { mode, until, rate } = trouble;
      if (until <= this.#world.now || (trouble.process !== undefined && trouble.process !== process.name)) continue;
      if ((mode === "lose" || mode === "late") && kind === "read") continue;
      if (mode === "unread" && kind === "commit") continue;
      if (!this.#random.chance(rate)) continue;
      this.#meet(mode);
      return trouble;
    }
    return undefined;
  }

  #meet(fault: string): void {
    this.met.set(fault, (this.met.get(fault) ?? 0) + 1);
  }

  /** A store keeps to its contract, or whatever stands on it is worth nothing. */
  #sameRow(tenant: string, runId: string, row: RunRow | undefined): RunRow | undefined {
    if (this.#bystanders.has({ tenant, runId })) return row;
    const last = this.#history.last(keyOf({ tenant, runId }));
    if (last?.revision !== row?.revision || last?.row.body !== row?.body) {
      this.#world.violate(
        "store-is-consistent",
        `getRun ${runId} gave revision ${row?.revision}, not ${last?.revision}`,
      );
    }
    return row;
  }

  async #judge(commit: Commit, outcome: CommitOutcome, sender: Sender): Promise<void> {
    if (this.#bystanders.has(commit.run)) {
      this.#bystanders.judge(commit, outcome);
      return;
    }
    const { tenant, runId, revision } = commit.run;
    const last = this.#history.last(keyOf(commit.run));
    const { over = revision - 1, earlier = [] } = commit;
    const fits = over === (last?.revision ?? 0);
    const violate = (what: string) =>
      this.#world.violate("store-is-consistent", `commit of ${runId} at ${revision} ${what}`);
    if (outcome.kind === "conflict" && fits) violate("was refused, though it stands on the newest row");
    if (outcome.kind !== "committed") return;
    if (!fits) violate(`was accepted over ${last?.revision}`);
    const sent = [...earlier, ...(commit.entry === undefined ? [] : [{ ...commit.entry, revision }])];
    const [row, snapshots, entries] = await Promise.all([
      this.#store.getRun(tenant, runId),
      this.#store.getSnapshots(tenant, runId, over + 1, revision),
      this.#store.listEntries(tenant, runId, { after: over, limit: sent.length + 1 }),
    ]);
    if (!isDeepStrictEqual({ ...row }, { ...commit.run })) violate("left another row");
    const states = sent.flatMap(({ snapshot }) => snapshot ?? []);
    if (snapshots.map(({ body }) => body).join("\n") !== states.join("\n")) violate("left another snapshot");
    if (entries.map(({ body }) => body).join("\n") !== sent.map(({ body }) => body).join("\n"))
      violate("left another entry");
    if (commit.erase === true) {
      const left = await this.#store.listEntries(tenant, runId, { limit: 1 });
      const states = await this.#store.getSnapshots(tenant, runId, 1, revision);
      if (left.length + states.length > 0) violate("erased the run, and left its history");
    }
    for (const claim of commit.claims ?? []) {
      const kept = await this.#store.getClaim(tenant, claim.kind, claim.key);
      if (kept?.runId !== runId || kept.body !== claim.body) violate(`left no claim ${claim.kind} ${claim.key}`);
    }
    this.#watcher.accepted(await this.#history.accept(commit, sender));
  }
}
