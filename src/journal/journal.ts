import { DurableError } from "../errors.ts";
import type { RunId } from "../ids.ts";
import { randomFraction } from "../ids.ts";
import type { Change, Held, SavedCheckpoint } from "./change.ts";
import { write } from "./commit.ts";
import { getRun } from "./held.ts";
import type { JournalScope } from "./host.ts";

/** What a decision answers, with what it wants written, if anything. */
export interface Decided<T> {
  readonly change?: Change;
  readonly answer: T;
}

export interface Changed<T> {
  readonly held: Held;
  readonly answer: T;
  readonly checkpoint?: SavedCheckpoint;
}

const decideTries = 100;

/**
 * Reads a run, decides, commits, and decides again over the new row where somebody else was first. That is safe since
 * deciding changes nothing: a refusal is thrown, and then nothing was written.
 *
 * @throws `not_found` where the run is missing, `conflict` where the race goes on for too long.
 */
export async function change<T>(
  scope: JournalScope,
  runId: RunId,
  decide: (held: Held, now: number) => Decided<T> | Promise<Decided<T>>,
): Promise<Changed<T>> {
  const { host } = scope;
  let base = await getRun(scope, runId);
  for (let attempt = 1; attempt <= decideTries; attempt++) {
    const { change, answer } = await decide(base, host.clock.now());
    if (change === undefined) return { held: base, answer };
    const outcome = await write(host, base, change);
    switch (outcome.kind) {
      case "committed":
        return { ...outcome, answer };
      case "claimed":
        throw new DurableError("conflict", `a claim of run "${runId}" is held by run "${outcome.claim.runId}"`);
      case "conflict":
        // A row that was read before the pause is stale after it, and then every try fails while others write.
        await host.clock.sleep(randomFraction(host.random) * Math.min(5 * 2 ** attempt, 500));
        base = await getRun(scope, runId);
    }
  }
  throw new DurableError("conflict", `run "${runId}" is changed too often at the moment`, { retryAfterMs: 1_000 });
}
