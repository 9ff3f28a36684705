import { isDeepStrictEqual } from "node:util";
import type { CurrentRun, Runs } from "../../src/index.ts";
import type { RunList } from "../../src/watch.ts";
import type { Bystanders } from "./bystanders.ts";
import { type Accepted, type History, keyOf, type Life } from "./history.ts";
import type { Random } from "./random.ts";
import type { Subject } from "./subject.ts";
import type { Process, World } from "./world.ts";

/** Clients that read, while others write: what they are answered was true at some moment of their call. */
export class Readers {
  readonly #world: World;
  readonly #subject: Subject;
  readonly #history: History;
  readonly #bystanders: Bystanders;

  constructor(world: World, subject: Subject, history: History, bystanders: Bystanders) {
    this.#bystanders = bystanders;
    this.#world = world;
    this.#subject = subject;
    this.#history = history;
  }

  /** Every run that was there all the time is on one page, and none that never was. */
  async list(runs: Runs, tenant: string, draw: Random): Promise<string> {
    const since = this.#history.order;
    const limit = draw.between(1, 5);
    const order = draw.pick(["ascending", "descending"] as const);
    const damaged = [...this.#bystanders.of(tenant)];
    const items: CurrentRun[] = [];
    for (let after: string | undefined; ; ) {
      const page = await runs.list({ limit, order, ...(after === undefined ? {} : { after }) });
      items.push(...page.items);
      after = page.next;
      if (after === undefined) break;
    }
    for (const one of damaged) this.#bystanders.judgeListed(one, items);
    const listed: readonly string[] = items.map(({ runId }) => runId);
    const lives = this.#livesOf(tenant);
    const strange = listed.find((runId) => {
      if (this.#bystanders.has({ tenant, runId })) return false;
      const life = this.#history.lives.get(keyOf({ tenant, runId }));
      return life === undefined || !wasVisible(life, since);
    });
    if (strange !== undefined) this.#world.violate("tenants-do-not-meet", `the list of ${tenant} has ${strange}`);
    const twice = listed.find((runId, index) => listed.indexOf(runId) < index);
    if (twice !== undefined) this.#world.violate("reads-are-fresh", `the list of ${tenant} has ${twice} twice`);
    const missing = lives.find((life) => isSteady(life, since) && !listed.includes(life.runId));
    if (missing !== undefined) this.#world.violate("reads-are-fresh", `the list of ${tenant} lacks ${missing.runId}`);
    return `${listed.length} runs`;
  }

  async count(runs: Runs, tenant: string): Promise<string> {
    const since = this.#history.order;
    const damaged = this.#bystanders.of(tenant).length;
    const counted = await runs.count();
    const lives = this.#livesOf(tenant);
    const least = lives.filter((life) => isSteady(life, since)).length + damaged;
    const most = lives.filter((life) => wasVisible(life, since)).length + this.#bystanders.of(tenant).length;
    if (counted < least || counted > most) {
      this.#world.violate("reads-are-fresh", `${tenant} has ${counted} runs, not ${least} to ${most}`);
    }
    return String(counted);
  }

  /** A run's events, page by page: those of its history, each once and in order. */
  async events(runs: Runs, life: Life, draw: Random): Promise<string> {
    const least = eventIds(life).length;
    const ids: string[] = [];
    const limit = draw.between(1, 20);
    for (let after: string | undefined; ; ) {
      const page = await runs.events(life.runId, { limit, ...(after === undefined ? {} : { after }) });
      ids.push(...page.items.map(({ eventId }) => eventId));
      after = page.next;
      if (after === undefined) break;
    }
    if (!isGone(life) && ids.length < least) {
      this.#world.violate("events-come-once", `${life.key} has ${ids.length} events, of at least ${least}`);
    }
    this.#judgeEvents(life, ids, 0);
    return `${ids.length} events`;
  }

  /** Follows a run for a while, from its first event or from a later one. */
  async watch(runs: Runs, life: Life, process: Process, draw: Random): Promise<string> {
    const known = eventIds(life);
    const from = draw.chance(0.5) ? 0 : draw.below(known.length + 1);
    const after = known[from - 1];
    const enough = new AbortController();
    this.#world.schedule(process, draw.pick([1_000, 20_000]), "a client has seen enough", () => enough.abort());
    const pollMs = draw.pick([200, 1_000]);
    const watch = runs.watch(life.runId, { signal: enough.signal, pollMs, ...(after === undefined ? {} : { after }) });
    const ids: string[] = [];
    for (;;) {
      const next = await watch.next();
      if (next.done === true) {
        this.#judgeEvents(life, ids, from);
        if (next.value !== undefined) this.#judgeEnd(life, from + ids.length, next.value);
        return `${ids.length} events, then ${String(next.value)}`;
      }
      ids.push(next.value.eventId);
    }
  }

  /** Follows the runs of a tenant for a while. */
  async followForAWhile(runs: Runs, tenant: string, process: Process, draw: Random): Promise<string> {
    const enough = new AbortController();
    this.#world.schedule(process, draw.pick([3_000, 30_000]), "a client has seen enough", () => enough.abort());
    const lists = await this.follow(runs, tenant, enough.signal, draw.pick([200, 1_000]));
    return `${lists.length} lists`;
  }

  /**
   * Follows the newest runs of a tenant until the signal aborts. Each run is shown as it was at some time, later ones later; one
   * that has not changed is the same object; and `changed` has what is new. Resolves to all lists.
   */
  async follow(runs: Runs, tenant: string, signal: AbortSignal, pollMs: number): Promise<readonly RunList[]> {
    const lists: RunList[] = [];
    const violate = (what: string) => this.#world.violate("lists-follow", `who follows ${tenant} ${what}`);
    for await (const list of this.#subject.watchRuns(runs, { limit: 500 }, { signal, pollMs })) {
      const before = new Map(lists.at(-1)?.items.map((run) => [run.runId, run]));
      const now = new Map(list.items.map((run) => [run.runId, run]));
      for (const run of list.items) {
        const life = this.#history.lives.get(keyOf({ tenant, runId: run.runId }));
        const place = placeOf(life, run);
        if (life === undefined && this.#bystanders.has({ tenant, runId: run.runId })) continue;
        const earlier = before.get(run.runId);
        if (place < 0) violate(`sees ${run.runId} as ${run.status} at ${run.revision}, which it never was`);
        else if (earlier !== undefined && place < placeOf(life, earlier)) violate(`sees ${run.runId} go back`);
      }
      const news = new Set([...before.keys(), ...now.keys()].filter((id) => before.get(id) !== now.get(id)));
      if (!isDeepStrictEqual(new Set(list.changed), news)) {
        violate(`learns of ${list.changed.join(", ")}, not of ${[...news].join(", ")}`);
      }
      lists.push(list);
    }
    return lists;
  }

  /** Waits for the end of a run, for a while. */
  async settle(runs: Runs, life: Life, process: Process, draw: Random): Promise<string> {
    const enough = new AbortController();
    this.#world.schedule(process, draw.pick([1_000, 20_000]), "a client has waited enough", () => enough.abort());
    const options = { signal: enough.signal, pollMs: draw.pick([50, 500]) };
    try {
      const run = await runs.settled(life.runId, options);
      const isTrue = life.commits.some(({ record }) => {
        return record?.run.status === run.status && record.entryRevision === run.revision && isOver(run.status);
      });
      if (!isTrue)
        this.#world.violate("reads-are-fresh", `${life.key} never settled as ${run.status} at ${run.revision}`);
      if (run.status !== "completed") return run.status;
      const result = await runs.result(life.runId, options).catch((error: unknown) => {
        // Deleted meanwhile.
        if (this.#subject.core.isDurableError(error, "not_found")) return run.result;
        throw error;
      });
      if (!isDeepStrictEqual(result, run.result)) {
        this.#world.violate("values-come-back", `${life.key} has two results`);
      }
      return run.status;
    } catch (error) {
      if (error === enough.signal.reason) return "not yet";
      throw error;
    }
  }

  /** Two checkpoints differ where their states do. */
  async compare(runs: Runs, life: Life, draw: Random): Promise<string> {
    const checkpoints = life.commits.filter(({ entry }) => entry?.checkpoint !== undefined);
    const [to, against] = [draw.pick(checkpoints), draw.chance(0.5) ? draw.pick(checkpoints) : undefined];
    const idOf = (commit: Accepted | undefined) => commit?.entry?.checkpoint?.checkpointId;
    const id = idOf(to);
    if (id === undefined || to === undefined) return "nothing to do";
    const other = idOf(against);
    const options = other === undefined ? {} : { against: other };
    const { from, changes } = await this.#subject.core.compareCheckpoints(runs, life.runId, id, options);
    const before = against ?? checkpoints[checkpoints.indexOf(to) - 1];
    if (idOf(before) !== from) {
      this.#world.violate("stored-is-readable", `checkpoint ${id} of ${life.key} is compared with ${from}`);
    }
    const isSame = before !== undefined && isDeepStrictEqual(before.state, to.state);
    if (changes.length === 0 && !isSame) {
      this.#world.violate("stored-is-readable", `checkpoints ${from} and ${id} of ${life.key} are said to be equal`);
    }
    return `${changes.length} changes`;
  }

  /** A run's relatives: the run that it names as its source or parent, the runs that name it as source, and its children. */
  async lineage(runs: Runs, life: Life): Promise<string> {
    const since = this.#history.order;
    const { ancestors, descendants } = await this.#subject.core.readLineage(runs, life.runId);
    const source =
      sourceOf(life) ?? life.commits.findLast(({ record }) => record !== undefined)?.record?.run.parentRunId;
    if (ancestors[0]?.runId !== source) {
      this.#world.violate("lineage-is-kept", `${life.key} descends from ${ancestors[0]?.runId}, not from ${source}`);
    }
    const found = new Set<string>(descendants.map(({ runId }) => runId));
    const child = this.#livesOf(life.tenant).find(
      (other) =>
        (sourceOf(other) === life.runId || isChildOf(this.#history, other, life)) &&
        isSteady(other, since) &&
        !found.has(other.runId),
    );
    if (child !== undefined) {
      this.#world.violate("lineage-is-kept", `${child.runId} is not among the descendants of ${life.key}`);
    }
    return `${ancestors.length} ancestors, ${descendants.length} descendants`;
  }

  #livesOf(tenant: string): readonly Life[] {
    return [...this.#history.lives.values()].filter((life) => life.tenant === tenant);
  }

  #judgeEvents(life: Life, ids: readonly string[], from: number): void {
    const own = eventIds(life).slice(from, from + ids.length);
    if (isDeepStrictEqual(own, ids)) return;
    const place = ids.findIndex((id, index) => id !== own[index]);
    const what = `event ${from + place} of ${life.key} is ${own[place]}, and ${ids[place]} came`;
    this.#world.violate("events-come-once", what);
  }

  /** A watch that says how its run ended has brought every event up to that end. */
  #judgeEnd(life: Life, events: number, status: string): void {
    let seen = 0;
    for (const { entry, record } of life.commits) {
      seen += entry?.events.length ?? 0;
      if (seen === events && record?.run.status === status && isOver(status)) return;
    }
    this.#world.violate("events-come-once", `a watch of ${life.key} ends as ${status} after ${events} events`);
  }
}

/** The last place in the history of a run at which it was as it is shown; -1 if there is none. */
function placeOf(life: Life | undefined, run: CurrentRun): number {
  const isShown = ({ record }: Accepted) =>
    record?.run.status === run.status &&
    record.entryRevision === run.revision &&
    record.run.checkpointHead === run.checkpointHead;
  return life?.commits.findLastIndex(isShown) ?? -1;
}

function eventIds({ commits, runId }: Life): readonly string[] {
  return commits.flatMap(({ entry, revision }) =>
    (entry?.events ?? []).map((_, index) => `${runId}:${revision}:${index}`),
  );
}

function sourceOf({ commits }: Life): unknown {
  return commits.findLast(({ record }) => record !== undefined)?.record?.run.metadata.source_run_id;
}

/** True if the ledger of that run notes the other one as its child. */
function isChildOf({ effects }: History, child: Life, { key }: Life): boolean {
  return [...effects].some(([place, note]) => place.startsWith(`${key}/`) && note.childRunId === child.runId);
}

function isGone({ commits }: Life): boolean {
  return commits.at(-1)?.record === undefined;
}

function isOver(status: string): boolean {
  return ["completed", "failed", "canceled"].includes(status);
}

/** True if the run was in lists at some time since that place in the order of all commits. */
function wasVisible({ commits }: Life, since: number): boolean {
  return commits.some(({ record }, index) => record !== undefined && (commits[index + 1]?.order ?? Infinity) > since);
}

/** True if the run was in lists all the time since. */
function isSteady(life: Life, since: number): boolean {
  return life.commits.some(({ record, order }) => record !== undefined && order <= since) && !isGone(life);
}
