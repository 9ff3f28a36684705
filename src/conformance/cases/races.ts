import type { CommitOutcome, RunRow, Store } from "../../store.ts";
import { type Stage, storeCase } from "../case.ts";
import { expectEqual, expectTrue } from "../expect.ts";
import { all, claimRow, compareText, put, row, runIds, tombstone } from "../rows.ts";

const rounds = 5;

/** Commits that race, and which handles they come from. */
export const raceCases = [
  storeCase(
    "races.two-writers",
    "Of two handles that write the same revision one wins, round after round.",
    async (stage) => raceForRevisions(stage, [stage.store, await stage.open()], 12),
  ),

  storeCase(
    "races.eight-writers",
    "Of eight handles that write the same revision one wins and seven conflict, round after round.",
    async (stage) => raceForRevisions(stage, await handles(stage, 8), rounds),
  ),

  storeCase(
    "races.one-handle",
    "Of eight commits of the same revision on one handle one wins and seven conflict.",
    async (stage) => raceForRevisions(stage, Array<Store>(8).fill(stage.store), rounds),
  ),

  storeCase(
    "races.one-claim",
    "Of eight runs that race for one claim one is born, and the others learn that it has the claim.",
    async (stage) => {
      const racers = await handles(stage, 8);
      for (let round = 1; round <= rounds; round += 1) {
        const claim = { kind: "k", key: `key ${round}`, body: `round ${round}` };
        const runs = racers.map((_, index) => row(stage.tenant, `run ${index} of round ${round}`));
        await raceForClaim(stage, racers, runs, claim, 1);
      }
    },
  ),

  storeCase("races.lapsed-claim", "Of eight runs that race for a lapsed claim one gets it.", async (stage) => {
    const racers = await handles(stage, 8);
    await put(stage.store, row(stage.tenant, "old"), {
      claims: [{ kind: "k", key: "a", lapsesAt: 2_000, body: "old" }],
    });
    const runs = racers.map((_, index) => row(stage.tenant, `run ${index}`));
    await raceForClaim(stage, racers, runs, { kind: "k", key: "a", lapsesAt: 4_000, body: "new" }, 2_000);
    expectEqual(await stage.store.listClaims(stage.tenant, "old", { limit: all }), [], "claims of the old owner");
  }),

  storeCase(
    "races.crossing-claims",
    "Of two runs that want the same two claims in opposite order one gets both.",
    async ({ store, open, tenant }) => {
      const other = await open();
      for (let round = 1; round <= rounds; round += 1) {
        const a = { kind: "k", key: `a ${round}`, body: "a" };
        const b = { kind: "k", key: `b ${round}`, body: "b" };
        const [left, right] = [`left ${round}`, `right ${round}`];
        const outcomes = await Promise.all([
          put(store, row(tenant, left), { claims: [a, b] }),
          put(other, row(tenant, right), { claims: [b, a] }),
        ]);
        const [winner, loser] = outcomes[0].kind === "committed" ? [left, right] : [right, left];
        const first = claimRow(tenant, winner, winner === left ? b : a);
        const expected: CommitOutcome[] = [{ kind: "committed" }, { kind: "claimed", claim: first }];
        expectEqual(outcomes, winner === left ? expected : expected.reverse(), `outcomes of round ${round}`);
        const owned = await store.listClaims(tenant, winner, { limit: all });
        expectEqual(owned, [claimRow(tenant, winner, a), claimRow(tenant, winner, b)], "claims of the winner");
        expectEqual(await store.listClaims(tenant, loser, { limit: all }), [], "claims of the loser");
        expectEqual(await store.getRun(tenant, loser), undefined, "the losing run");
      }
    },
  ),

  storeCase(
    "races.erase",
    "Of an erasing commit and a save that race one wins, and the run is as that one left it.",
    async ({ store, open, tenant }) => {
      const other = await open();
      for (let round = 1; round <= rounds; round += 1) {
        const runId = `run ${round}`;
        await put(store, row(tenant, runId), { entry: { body: "1", snapshot: "state 1" } });
        const saved = row(tenant, runId, { revision: 2 });
        const erased = tombstone(tenant, runId, 2);
        const [save, erase] = await Promise.all([
          put(round % 2 === 0 ? store : other, saved, { entry: { body: "2", snapshot: "state 2" } }),
          put(round % 2 === 0 ? other : store, erased, { erase: true }),
        ]);
        const outcomes = [save.kind, erase.kind].sort(compareText);
        expectEqual(outcomes, ["committed", "conflict"], `outcomes of round ${round}`);
        const isSaved = save.kind === "committed";
        expectEqual(await store.getRun(tenant, runId), isSaved ? saved : erased, "getRun");
        const entries = await store.listEntries(tenant, runId, { limit: all });
        expectEqual(entries.length, isSaved ? 2 : 0, "entries");
        const snapshots = await store.getSnapshots(tenant, runId, 1, 2);
        expectEqual(snapshots.length, isSaved ? 2 : 0, "snapshots");
      }
    },
  ),

  storeCase(
    "races.different-runs",
    "Commits of different runs do not disturb each other: a hundred at once all land.",
    async (stage) => {
      const racers = await handles(stage, 4);
      const ids = Array.from({ length: 100 }, (_, index) => `run ${index}`);
      const writer = (index: number) => racers[index % racers.length] ?? stage.store;
      for (const revision of [1, 2]) {
        const outcomes = await Promise.all(
          ids.map((runId, index) =>
            put(writer(index), row(stage.tenant, runId, { revision }), { entry: { body: `${revision}` } }),
          ),
        );
        expectEqual(outcomes, Array(ids.length).fill({ kind: "committed" }), "outcomes");
      }
      const listed = await stage.store.listRuns(stage.tenant, { limit: all, order: "ascending" });
      expectEqual(runIds(listed), ids.sort(compareText), "listRuns");
      expectTrue(
        listed.every((run) => run.revision === 2),
        "a listed row is not the latest",
      );
      expectEqual(await stage.store.countRuns(stage.tenant, {}), ids.length, "countRuns");
    },
  ),
];

async function handles({ store, open }: Stage, count: number): Promise<readonly Store[]> {
  const others = await Promise.all(Array.from({ length: count - 1 }, () => open()));
  return [store, ...others];
}

/** Every racer brings a row, an entry, a snapshot and a claim of its own; in the end the winners' are there, alone. */
async function raceForRevisions({ store, tenant }: Stage, racers: readonly Store[], last: number): Promise<void> {
  const winners: number[] = [];
  for (let revision = 1; revision <= last; revision += 1) {
    const outcomes = await Promise.all(
      racers.map((racer, index) =>
        put(racer, row(tenant, "r", { revision, body: `racer ${index}` }), {
          entry: { body: `racer ${index}`, checkpointId: `${revision} by ${index}`, snapshot: `state ${index}` },
          claims: [{ kind: `${100 + revision}`, key: `${index}`, body: "claim" }],
        }),
      ),
    );
    const kinds = outcomes.map((outcome) => outcome.kind);
    const winner = kinds.indexOf("committed");
    const expected = racers.map((_, index) => (index === winner ? "committed" : "conflict"));
    expectEqual(kinds, expected, `outcomes at revision ${revision}, of which one is "committed"`);
    expectTrue(winner >= 0, `no winner at revision ${revision}`);
    expectEqual((await store.getRun(tenant, "r"))?.body, `racer ${winner}`, `body at revision ${revision}`);
    winners.push(winner);
  }
  const entries = await store.listEntries(tenant, "r", { limit: all });
  expectEqual(
    entries.map((entry) => entry.body),
    winners.map((winner) => `racer ${winner}`),
    "entries",
  );
  const snapshots = await store.getSnapshots(tenant, "r", 1, last);
  expectEqual(
    snapshots.map((one) => one.body),
    winners.map((winner) => `state ${winner}`),
    "snapshots",
  );
  const claims = await store.listClaims(tenant, "r", { limit: all });
  expectEqual(
    claims.map((claim) => claim.key),
    winners.map((winner) => `${winner}`),
    "claims",
  );
}

async function raceForClaim(
  { store, tenant }: Stage,
  racers: readonly Store[],
  runs: readonly RunRow[],
  claim: { kind: string; key: string; body: string; lapsesAt?: number },
  now: number,
): Promise<void> {
  const outcomes = await Promise.all(
    runs.map((run, index) => put(racers[index] ?? store, run, { claims: [claim], now })),
  );
  const winner = runs[outcomes.findIndex((outcome) => outcome.kind === "committed")]?.runId ?? "none";
  const held = claimRow(tenant, winner, claim);
  const expected = runs.map((run) => (run.runId === winner ? { kind: "committed" } : { kind: "claimed", claim: held }));
  expectEqual(outcomes, expected, `outcomes where ${winner} won`);
  expectEqual(await store.getClaim(tenant, claim.kind, claim.key), held, "getClaim");
  for (const run of runs) {
    expectEqual(
      await store.getRun(tenant, run.runId),
      run.runId === winner ? run : undefined,
      `getRun of ${run.runId}`,
    );
  }
}
