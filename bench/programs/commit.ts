import { memoryStore } from "../../adapters/memory/index.ts";
import { intercepted } from "../../src/conformance/faults.ts";
import type { Commit, RunRow, Store } from "../../src/store.ts";
import { interleaved, timed } from "../spread.ts";
import { growDurable, utf8 } from "./growing.ts";

/** Writes the same bodies in the simplest way of its medium. */
export type BareWrite = (commit: Commit) => Promise<unknown>;

export interface CommitOptions {
  readonly snapshotBytes: number;
  readonly rounds: number;
  /** The number of commits per round, since clocks are coarse. */
  readonly commits: number;
}

export interface CommitTimes {
  /** The bytes of the bodies of one commit. */
  readonly bytes: number;
  /** The milliseconds of one commit, by side and round. */
  readonly ms: Readonly<Record<string, readonly number[]>>;
}

/** Commits checkpoints of a step in the middle of a run to a store, and the same bodies in other ways, in turns. */
export async function commitTimes(
  stores: Readonly<Record<string, Store>>,
  bare: Readonly<Record<string, BareWrite>>,
  { snapshotBytes, rounds, commits }: CommitOptions,
): Promise<CommitTimes> {
  const sample = await sampleCommit(snapshotBytes);
  const sides: Record<string, (round: number) => Promise<number>> = {};
  const add = (name: string, write: BareWrite) => {
    const next = numbered(sample);
    sides[name] = async () => {
      const batch = Array.from({ length: commits }, next);
      const ms = await timed(async () => {
        for (const commit of batch) await write(commit);
      });
      return ms / commits;
    };
  };
  for (const [name, store] of Object.entries(stores)) {
    add(name, async (commit) => {
      const { kind } = await store.commit(commit);
      if (kind !== "committed") throw new Error(`The commit was answered with ${kind}.`);
    });
  }
  for (const [name, write] of Object.entries(bare)) add(name, write);
  // The first commit opens connections and prepares plans, which is not the cost of a commit.
  await interleaved(1, sides);
  return { bytes: bytesOf(sample), ms: await interleaved(rounds, sides) };
}

/** The commit of a run after one of its steps, with a snapshot of `snapshotBytes` bytes. */
async function sampleCommit(snapshotBytes: number): Promise<Commit> {
  const seen: Commit[] = [];
  const store = intercepted(memoryStore(), (call, proceed) => {
    if (call.commit?.entry?.snapshot !== undefined) seen.push(call.commit);
    return proceed();
  });
  await growDurable(store, 12);
  const commit = seen[6];
  if (commit?.entry === undefined) throw new Error("The run has made too few commits.");
  return { ...commit, entry: { ...commit.entry, snapshot: "x".repeat(snapshotBytes) } };
}

/** The commit repeated for a run of its own, at revisions 1, 2, 3. */
function numbered(sample: Commit): () => Commit {
  const runId = `run ${crypto.randomUUID()}`;
  let revision = 0;
  let before: RunRow | undefined;
  return () => {
    revision += 1;
    const entry = { ...sample.entry, body: sample.entry?.body ?? "", checkpointId: `c${revision}`, keyframe: revision };
    const { before: _, ...rest } = sample;
    const run = { ...sample.run, runId, revision };
    const commit = { ...rest, run, ...(before && { before }), entry };
    before = run;
    return commit;
  };
}

function bytesOf({ run, entry }: Commit): number {
  return utf8(run.body) + utf8(entry?.body ?? "") + utf8(entry?.snapshot ?? "");
}
