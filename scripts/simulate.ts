import { parseArgs } from "node:util";
import { bugs } from "../test/simulation/bugs.ts";
import { type Found, hunt, renewSeeds } from "../test/simulation/plant.ts";
import { explainSchedules, loadSchedules, searchSchedules } from "../test/simulation/schedules.ts";
import { explain, search } from "../test/simulation/search.ts";
import { loadSubject } from "../test/simulation/subject.ts";

const usage = `npm run simulate -- [options]
  --minutes <n>      search for that long (default: one minute)
  --count <n>        search through that many seeds; with --planted, at most that many for each bug
  --weather <name>   calm, sane, wild, deployed, late, maps, sagas, families, questions, outputs, delays, follows or schedules (test/simulation/README.md)
  --keep-going       do not stop at a violation, and count violations by invariant
  --ignore <a,b>     look past violations of these invariants
  --seed <seed>      play one seed again, shrunk if it fails
  --log              with --seed, print everything that happened
  --planted <name>   put a planted bug, or all, into a copy of the source, and search for it
  --renew            with --planted, write the seeds that found the bugs into test/simulation/bugs.ts`;

// Searches for a schedule that breaks a promise of docs/guarantees.md.
const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    minutes: { type: "string" },
    weather: { type: "string" },
    count: { type: "string" },
    planted: { type: "string" },
    renew: { type: "boolean", default: false },
    ignore: { type: "string", default: "" },
    help: { type: "boolean", default: false },
    log: { type: "boolean", default: false },
    "keep-going": { type: "boolean", default: false },
  },
});
const ignored = new Set(values.ignore.split(",").filter((name) => name !== ""));
const subject = await loadSubject();
if (values.help) console.log(usage);
else if (values.planted !== undefined) {
  // "all", or the name of a bug, which is put into a copy and searched for.
  const all: Found[] = [];
  for (const bug of bugs.filter(({ name }) => values.planted === "all" || values.planted === name)) {
    const found = await hunt(bug, Number(values.count ?? 300));
    console.log(JSON.stringify(found));
    all.push(found);
    if (found.invariant === undefined) process.exitCode = 1;
  }
  if (values.renew) renewSeeds(all);
} else if (values.seed?.startsWith("schedules:")) {
  process.exitCode = (await explainSchedules(await loadSchedules(), values.seed)) ? 1 : 0;
} else if (values.seed !== undefined) {
  process.exitCode = (await explain(subject, values.seed, { withLog: values.log, ignored })) ? 1 : 0;
} else {
  const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
  const count = values.count === undefined ? undefined : Number(values.count);
  const weather = values.weather === undefined ? "" : `${values.weather}:`;
  const now = Date.now().toString(36);
  const untilMs = minutes === undefined ? (count === undefined ? 60_000 : Number.POSITIVE_INFINITY) : minutes * 60_000;
  const most = count ?? Number.POSITIVE_INFINITY;
  // Schedules are a world of their own. Without a weather they have a tenth of the time, or of the seeds.
  const share = weather === "" ? 0.1 : weather === "schedules:" ? 1 : 0;
  let found = 0;
  if (share > 0) {
    const seeds = { first: `schedules:${now}-`, untilMs: share * untilMs, most: Math.ceil(share * most) };
    found += await searchSchedules(await loadSchedules(), seeds);
  }
  if (share < 1 && (found === 0 || values["keep-going"])) {
    const first = `${weather}${now}-`;
    const rest = { untilMs: (1 - share) * untilMs, most: Math.ceil((1 - share) * most) };
    found += await search(subject, { first, ...rest, keepsGoing: values["keep-going"], ignored });
  }
  process.exitCode = found === 0 ? 0 : 1;
}
