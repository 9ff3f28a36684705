import type { Commit, CommitOutcome, RunRow, Store } from "../../store.ts";
import { storeCase } from "../case.ts";
import { expectEqual, expectRejection } from "../expect.ts";
import { modelStore } from "../model.ts";
import { all, tombstone } from "../rows.ts";
import { emptyTables, type Tables } from "../tables.ts";

const seeds = [1, 2, 3];

/** Long walks through what a store can be asked, beside a model that is obviously right. */
export const walkCases = seeds.map((seed) =>
  storeCase(
    `walk.seed-${seed}`,
    "Over a long mixture of commits, good and bad, every outcome and every read is the model's.",
    async ({ store, tenant, neighbor }) => {
      const random = randomFrom(seed);
      const tables = emptyTables();
      const model = modelStore(tables);
      let now = 0;
      for (let step = 1; step <= 120; step += 1) {
        now += random(3);
        const commit = nextCommit(tables, random(4) === 0 ? neighbor : tenant, now, step, random);
        await expectSameOutcome(store, model, commit, `step ${step}`);
        if (step % 8 === 0) await expectSameReads(store, model, [tenant, neighbor], now, random, `after step ${step}`);
      }
    },
  ),
);

/** A whole number from 0 up to and without `end`, the same ones for the same seed (mulberry32). */
type Random = (end: number) => number;

function randomFrom(seed: number): Random {
  let state = seed;
  return (end) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  };
}

const runNames = ["a", "b", "B", "a/"];
const claimNames = ["x 1", "x 2", "y 1", "x/ 1"];

/**
 * Mostly a commit that fits; otherwise a stale or skipping one, a held claim, or a checkpoint id that already exists.
 */
function nextCommit(tables: Tables, tenant: string, now: number, step: number, random: Random): Commit {
  const runId = pick(runNames, random);
  const current = tables.runs.find((run) => run.tenant === tenant && run.runId === runId);
  const slip = random(5) === 0 || (current !== undefined && current.status === undefined);
  const next = (current?.revision ?? 0) + 1;
  const revision = slip
    ? pick(
        [1, next - 1, next + 1].filter((wrong) => wrong !== next && wrong > 0),
        random,
      )
    : next;
  const before = current !== undefined && !slip && random(2) === 0 ? { before: current } : {};
  const born = { createdAt: current?.createdAt ?? random(4), body: `step ${step}` };
  if (current !== undefined && random(12) === 0) {
    return { run: tombstone(tenant, runId, revision, born), ...before, now, erase: true };
  }
  const run: RunRow = {
    ...{ tenant, runId, revision, ...born, status: pick(["running", "waiting"], random) },
    ...(random(2) === 0 && { skillId: pick(["s", "t"], random) }),
    ...(random(3) === 0 && { sourceRunId: pick(["o", "p"], random) }),
    ...(random(2) === 0 && { dueAt: now + random(5) }),
  };
  const claims = claimNames
    .filter(() => random(4) === 0)
    .map((name) => ({ ...parse(name), body: `step ${step}`, ...(random(3) > 0 && { lapsesAt: now + random(8) }) }));
  const entry = {
    body: `step ${step}`,
    // A repeated id beside a held claim has two right answers, so that a claim and a chance of repeating exclude each other.
    ...(random(3) > 0 && { checkpointId: claims.length > 0 ? `own ${step}` : `c ${random(12)}` }),
    ...(random(2) === 0 && { keyframe: 1 + random(revision) }),
    ...(random(2) === 0 && { snapshot: `state ${step}` }),
  };
  return { run, ...before, now, ...(claims.length > 0 && { claims }), ...(random(4) > 0 && { entry }) };
}

async function expectSameOutcome(store: Store, model: Store, commit: Commit, what: string): Promise<void> {
  let expected: CommitOutcome;
  try {
    expected = await model.commit(commit);
  } catch {
    await expectRejection(() => store.commit(commit), `${what}, a duplicate checkpoint id`);
    return;
  }
  expectEqual(await store.commit(commit), expected, `outcome of ${what} (${JSON.stringify(commit)})`);
}

async function expectSameReads(
  store: Store,
  model: Store,
  tenants: readonly string[],
  now: number,
  random: Random,
  what: string,
): Promise<void> {
  const questions: Record<string, (one: Store) => Promise<unknown>> = {};
  const place = {
    ...(random(2) === 0 && {
      after: { dueAt: now - random(6), runId: pick(runNames, random), tenant: pick(tenants, random) },
    }),
  };
  const someDue = {
    now,
    limit: 1 + random(6),
    ...place,
    ...(random(2) === 0 && { exceptTenants: [pick(tenants, random)] }),
  };
  questions.dueRuns = (one) => one.dueRuns({ now, limit: all });
  questions["dueRuns, some"] = (one) => one.dueRuns(someDue);
  for (const tenant of tenants) {
    const filter = {
      ...(random(2) === 0 && { status: pick(["running", "waiting"], random) }),
      ...(random(3) === 0 && { skillId: pick(["s", "t"], random) }),
      ...(random(4) === 0 && { sourceRunId: pick(["o", "p"], random) }),
    };
    const page = {
      ...{ limit: 1 + random(4), offset: random(3) },
      ...(random(2) === 0 && { after: { createdAt: random(4), runId: pick(runNames, random) } }),
    };
    const entryQuery = { after: random(4), limit: 1 + random(6), checkpointsOnly: random(2) === 0 };
    const [from, to] = [random(6), random(12)];
    for (const order of ["ascending", "descending"] as const) {
      questions[`listRuns ${order} of ${tenant}`] = (one) => one.listRuns(tenant, { ...filter, ...page, order });
    }
    questions[`countRuns of ${tenant}`] = (one) => one.countRuns(tenant, filter);
    questions[`usage of ${tenant}`] = async (one) => (await one.usage(tenant)).runs;
    const dueQuery = { tenant, now: now + random(3), limit: 1 + random(6), ...place };
    questions[`dueRuns of ${tenant}`] = (one) => one.dueRuns(dueQuery);
    for (const runId of runNames) {
      const of = `of (${tenant}, ${runId})`;
      questions[`getRun ${of}`] = (one) => one.getRun(tenant, runId);
      questions[`listEntries ${of}`] = (one) => one.listEntries(tenant, runId, entryQuery);
      questions[`getSnapshots ${of}`] = (one) => one.getSnapshots(tenant, runId, from, to);
      questions[`listClaims ${of}`] = async (one) => living(await one.listClaims(tenant, runId, { limit: all }), now);
      questions[`getEntry ${of}`] = (one) => one.getEntry(tenant, runId, `c ${to}`);
    }
    for (const { kind, key } of claimNames.map(parse)) {
      questions[`getClaim ${kind} ${key} of ${tenant}`] = async (one) => {
        const claim = await one.getClaim(tenant, kind, key);
        return living(claim === undefined ? [] : [claim], now);
      };
    }
  }
  const asked = Object.entries(questions).map(async ([question, ask]) => {
    expectEqual(await ask(store), await ask(model), `${question} ${what}`);
  });
  await Promise.all(asked);
}

/** A claim of an erased run stays until it lapses; whether it is there after that is the store's affair. */
function living<Claim extends { readonly body: string; readonly lapsesAt?: number }>(
  claims: readonly Claim[],
  now: number,
) {
  return claims.filter((claim) => claim.body !== "" || claim.lapsesAt === undefined || claim.lapsesAt > now);
}

function parse(name: string): { readonly kind: string; readonly key: string } {
  const [kind = "", key = ""] = name.split(" ");
  return { kind, key };
}

function pick<Item>(items: readonly Item[], random: Random): Item {
  const item = items[random(items.length)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
}
