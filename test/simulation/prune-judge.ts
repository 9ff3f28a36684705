import type { RunStatus, Runs } from "../../src/index.ts";
import { type Accepted, type History, keyOf } from "./history.ts";
import type { Random } from "./random.ts";
import type { Subject } from "./subject.ts";
import type { Process, World } from "./world.ts";

/** What one call of `pruneRuns` asked for, and what it was answered. */
interface Prune {
  readonly tenant: string;
  readonly since: number;
  readonly olderThan: number;
  readonly status: readonly RunStatus[];
  readonly keep: number;
  readonly limit: number;
  deleted: number | undefined;
}

interface Place {
  readonly core: Subject["core"];
  readonly runs: Runs;
  readonly tenant: string;
  readonly process: Process;
  readonly draw: Random;
}

const ended: readonly RunStatus[] = ["completed", "failed", "canceled"];

/** Prunes runs, and holds what was deleted against what was asked for. */
export class PruneJudge {
  readonly #world: World;
  readonly #history: History;
  readonly #prunes = new Map<number, Prune>();

  constructor(world: World, history: History) {
    this.#world = world;
    this.#history = history;
  }

  async prune(operation: number, { core, runs, tenant, process, draw }: Place): Promise<string> {
    const prune: Prune = {
      tenant,
      since: this.#history.order,
      olderThan: Math.floor(this.#world.now + process.skewMs - draw.pick([0, 5_000, 20_000])),
      status: draw.chance(0.5) ? ended : [draw.pick(ended)],
      keep: draw.pick([0, 0, 1, 3]),
      limit: draw.pick([1, 3, 100]),
      deleted: undefined,
    };
    this.#prunes.set(operation, prune);
    const { status, keep, limit } = prune;
    const { deleted } = await core.pruneRuns(runs, { olderThan: new Date(prune.olderThan), status, keep, limit });
    prune.deleted = deleted;
    return `${deleted} deleted`;
  }

  judge(operation: number, own: readonly Accepted[]): void {
    const prune = this.#prunes.get(operation);
    if (prune === undefined) return;
    const violate = (what: string) => this.#world.violate("prunes-are-bounded", `prune ${operation} ${what}`);
    const { deleted, limit, status, olderThan, keep } = prune;
    if (deleted !== undefined && own.length !== deleted) violate(`says ${deleted}, and deletes ${own.length}`);
    if (own.length > limit) violate(`deletes ${own.length} of at most ${limit}`);
    for (const commit of own) {
      const { before, record, runKey, row } = commit;
      const was = before?.record?.run.status;
      if (record !== undefined || was === undefined || !status.includes(was))
        violate(`deletes ${runKey}, which is ${was}`);
      if (row.createdAt >= olderThan) violate(`deletes ${runKey}, which is younger`);
      const newer = this.#newerThan(commit, prune);
      if (newer < keep) violate(`deletes ${runKey}, with ${newer} newer ones, and keeps ${keep}`);
    }
  }

  /** How many runs that are younger had ended at some time since the call began, until that deletion. */
  #newerThan({ row, order, tenant }: Accepted, { since }: Prune): number {
    const key = ({ createdAt, runId }: { readonly createdAt: number; readonly runId: string }) =>
      `${String(createdAt).padStart(16, "0")}/${runId}`;
    return [...this.#history.lives.values()].filter(({ tenant: home, commits, key: runKey }) => {
      const first = commits[0];
      if (home !== tenant || runKey === keyOf(row) || first === undefined || key(first.row) <= key(row)) return false;
      return commits.some(({ record, order: at }, index) => {
        const until = commits[index + 1]?.order ?? Number.POSITIVE_INFINITY;
        return record !== undefined && ended.includes(record.run.status) && at < order && until > since;
      });
    }).length;
  }
}
