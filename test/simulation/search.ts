import type { Item } from "./plan.ts";
import type { Counts } from "./program.ts";
import { type Outcome, simulate } from "./simulation.ts";
import type { Subject } from "./subject.ts";

export interface SearchOptions {
  /** Begins every seed. */
  readonly first: string;
  readonly untilMs: number;
  readonly most: number;
  /** Searches on after a violation, and counts each invariant. */
  readonly keepsGoing: boolean;
  readonly ignored: ReadonlySet<string>;
}

/** Tries one seed after the other, and says what was tried. Returns how many of them broke a promise. */
export async function search(
  subject: Subject,
  { first, untilMs, most, keepsGoing, ignored }: SearchOptions,
): Promise<number> {
  const began = performance.now();
  const totals: Counts = new Map();
  const broken = new Map<string, string[]>();
  let seeds = 0;
  let [turns, commits, calls] = [0, 0, 0];
  for (; seeds < most && performance.now() - began < untilMs; seeds++) {
    const outcome = await simulate(subject, `${first}${seeds}`, { ignored });
    for (const [name, count] of outcome.counts) totals.set(name, (totals.get(name) ?? 0) + count);
    turns += outcome.turns;
    commits += outcome.commits;
    calls += outcome.calls;
    const { violation, seed } = outcome;
    if (violation === undefined) continue;
    broken.set(violation.invariant, [...(broken.get(violation.invariant) ?? []), seed]);
    if (keepsGoing) continue;
    await explain(subject, seed, { withLog: false, ignored });
    break;
  }
  const seconds = (performance.now() - began) / 1_000;
  console.log(`\n${seeds} seeds in ${seconds.toFixed(1)} s, ${(seeds / seconds).toFixed(1)} a second`);
  console.log(`${turns} turns, ${commits} commits, ${calls} calls of callbacks`);
  for (const name of [...totals.keys()].sort()) console.log(`  ${String(totals.get(name)).padStart(8)}  ${name}`);
  for (const [invariant, of] of broken)
    console.log(`BROKEN ${invariant}: ${of.length} seeds, ${of.slice(0, 5).join(" ")}`);
  if (broken.size === 0) console.log("no promise was broken");
  return [...broken.values()].reduce((sum, of) => sum + of.length, 0);
}

/** Plays a seed. If it breaks a promise, prints that with as little around it as possible, and returns true. */
export async function explain(
  subject: Subject,
  seed: string,
  { withLog, ignored }: { readonly withLog: boolean; readonly ignored: ReadonlySet<string> },
): Promise<boolean> {
  const outcome = await simulate(subject, seed, { ignored });
  const { violation } = outcome;
  if (violation === undefined) {
    if (withLog) console.log(outcome.lines.join("\n"));
    console.log(`seed ${seed}: no promise was broken (${outcome.turns} turns, ${outcome.digest})`);
    return false;
  }
  console.log(`\n${await explanation(subject, outcome, { withLog, ignored })}`);
  return true;
}

/** What breaks a promise, with as little around it as can be, and the command that repeats it. */
export async function explanation(
  subject: Subject,
  outcome: Outcome,
  { withLog, ignored }: { readonly withLog: boolean; readonly ignored: ReadonlySet<string> },
): Promise<string> {
  const { seed, violation } = outcome;
  const shrunk = await shrink(subject, outcome, ignored);
  return [
    `Broken: ${violation?.invariant}\n${shrunk.violation?.message}\nSeed: ${seed}`,
    `Skills:\n${shrunk.plan.programs.map((program) => JSON.stringify(program)).join("\n")}`,
    `What has to happen:\n${shrunk.plan.items.map(described).join("\n")}`,
    `\n${(withLog ? shrunk.lines : shrunk.lines.slice(-60)).join("\n")}`,
    `\nAgain: npm run simulate -- --seed ${seed}`,
  ].join("\n");
}

const mostTries = 300;

/** Leaves out of a plan whatever the violation does not need. */
export async function shrink(subject: Subject, outcome: Outcome, ignored: ReadonlySet<string>): Promise<Outcome> {
  const invariant = outcome.violation?.invariant;
  const without = new Set<number>();
  let least = outcome;
  let tries = 0;
  for (let size = Math.ceil(outcome.plan.items.length / 2); size >= 1; size = Math.floor(size / 2)) {
    let isSmaller = true;
    while (isSmaller && tries < mostTries) {
      isSmaller = false;
      const left = least.plan.items.map(({ id }) => id);
      for (let place = left.length; place > 0 && tries < mostTries; place -= size) {
        const group = left.slice(Math.max(place - size, 0), place);
        tries++;
        const tried = await simulate(subject, outcome.seed, { without: new Set([...without, ...group]), ignored });
        if (tried.violation?.invariant !== invariant) continue;
        for (const id of group) without.add(id);
        least = tried;
        isSmaller = true;
      }
      if (size > 1) break;
    }
  }
  return least;
}

function described(item: Item): string {
  const at = `${(item.at / 1_000).toFixed(1)} s`.padStart(8);
  if (item.is === "operation") return `${at}  a client: ${item.kind} (${item.id})`;
  return `${at}  ${item.kind}, machine ${item.slot}, ${item.forMs} ms, rate ${item.rate}, count ${item.count}`;
}
