import { type Counts, count, named, type Piece, type Program, reliable, signalNames } from "./program.ts";
import type { Random } from "./random.ts";

/**
 * A body that comes to one of its waits only after pure work, beside a wait for which a pass parks at once. The first pass
 * comes to both, since a step in flight keeps it going that long. That step is to be tried again much later, so that nothing is
 * recorded after the late wait, and nothing keeps the next pass going: it must not park before it has come to that wait again.
 */
export function lateWaits(random: Random, id: string, counts: Counts): Program {
  count(counts, "skill with a late wait");
  const name = () => random.pick(["x", "y", "z"]);
  const type = random.pick(signalNames);
  const parking = random.pick<Piece>([
    { kind: "approval", name: name() },
    { kind: "event", name: name(), type, timeoutMs: undefined },
  ]);
  // With an end or a decision that a pass must not miss.
  const wait = random.pick<Piece>([
    { kind: "approval", name: name() },
    { kind: "event", name: name(), type: type === "a" ? "b" : "a", timeoutMs: 7_000 },
    { kind: "sleep", name: name(), ms: 8_000, isUntil: false },
  ]);
  const quick: Piece = { kind: "do", name: name(), plan: reliable };
  const work: Piece = { kind: "pure", digests: 1, turns: 0, waitMs: random.pick([150, 1_500]) };
  const late: Piece = { kind: "sequence", of: random.chance(0.5) ? [work, wait] : [quick, work, wait] };
  const plan = { ...reliable, workMs: 2_000, failures: 1, retries: 3, retryMs: 9_000 };
  const keeping: Piece = { kind: "do", name: name(), plan };
  const kind = random.pick(["all", "allSettled"] as const);
  return { id, form: "code", body: named({ kind, of: [parking, late, keeping] }) };
}
