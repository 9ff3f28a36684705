import type { RunFilter, RunRow, Store } from "../../store.ts";
import { type Stage, storeCase } from "../case.ts";
import { expectEqual } from "../expect.ts";
import { all, expectCommitted, row, runIds } from "../rows.ts";

/** Lists and counts of the runs that match. */
export const filterCases = [
  ...(["status", "skillId", "sourceRunId"] as const).map((field) =>
    storeCase(
      `filters.${field === "status" ? "status" : field === "skillId" ? "skill" : "source"}`,
      `A \`${field}\` leaves the runs that have exactly that one.`,
      expectAnswersTo((filter) => Object.keys(filter).join() === field),
    ),
  ),

  storeCase(
    "filters.together",
    "Of several filters a run must match every one, and without any all runs match.",
    expectAnswersTo((filter) => Object.keys(filter).length !== 1),
  ),

  storeCase(
    "filters.latest",
    "Filters look at the latest row: what a run was before, or has no longer, does not match.",
    async ({ store, tenant }) => {
      const old = { status: "running", skillId: "s", sourceRunId: "o" };
      await expectCommitted(store, row(tenant, "r", old));
      await expectCommitted(store, row(tenant, "r", { revision: 2, status: "waiting", skillId: "t" }));
      for (const filter of [{ status: "running" }, { skillId: "s" }, { sourceRunId: "o" }]) {
        await expectIds(store, tenant, filter, []);
      }
      for (const filter of [{}, { status: "waiting" }, { skillId: "t" }, { status: "waiting", skillId: "t" }]) {
        await expectIds(store, tenant, filter, ["r"]);
      }
      await expectCommitted(store, row(tenant, "r", { revision: 3, ...old }));
      await expectIds(store, tenant, old, ["r"]);
      await expectIds(store, tenant, { status: "waiting" }, []);
    },
  ),

  storeCase(
    "filters.whole-values",
    "A filter compares whole values, case and all, and knows no wildcard.",
    async ({ store, tenant }) => {
      for (const [index, skillId] of ["skill", "Skill", "skill ", "skill.v2", "ski%", "sk_ll", "*"].entries()) {
        await expectCommitted(store, row(tenant, `r${index}`, { skillId, status: skillId, sourceRunId: skillId }));
      }
      const expected = { skill: ["r0"], Skill: ["r1"], SKILL: [], "ski%": ["r4"], sk_ll: ["r5"], "*": ["r6"], s: [] };
      for (const [text, ids] of Object.entries(expected)) {
        await expectIds(store, tenant, { skillId: text }, ids);
        await expectIds(store, tenant, { status: text }, ids);
        await expectIds(store, tenant, { sourceRunId: text }, ids);
      }
    },
  ),

  storeCase(
    "filters.paged",
    "`after`, `offset` and `limit` count the runs that match, not those in between.",
    async ({ store, tenant }) => {
      for (let index = 0; index < 12; index += 1) {
        const over = { createdAt: 1_000 + (index >> 2), skillId: index % 3 === 0 ? "s" : "t" };
        await expectCommitted(store, row(tenant, `r${index + 10}`, over));
      }
      const filter = { skillId: "s", limit: 2 };
      const up = { ...filter, order: "ascending" } as const;
      expectEqual(runIds(await store.listRuns(tenant, up)), ["r10", "r13"], "the first page");
      const after = { createdAt: 1_000, runId: "r13" };
      expectEqual(runIds(await store.listRuns(tenant, { ...up, after })), ["r16", "r19"], "the second page");
      expectEqual(runIds(await store.listRuns(tenant, { ...up, offset: 1 })), ["r13", "r16"], "from the second");
      const skipped = await store.listRuns(tenant, { ...up, after, offset: 1 });
      expectEqual(runIds(skipped), ["r19"], "from the second behind the first page");
      const down = await store.listRuns(tenant, { ...filter, order: "descending", offset: 1 });
      expectEqual(runIds(down), ["r16", "r13"], "descending from the second");
    },
  ),
];

const values = {
  status: ["running", "waiting"],
  skillId: [undefined, "s", "t"],
  sourceRunId: [undefined, "o", "p"],
} as const;

/** Every filter that can be said with those values, and one value that no run has. */
const filters: readonly RunFilter[] = [undefined, ...values.status, "none"].flatMap((status) =>
  [...values.skillId, "none"].flatMap((skillId) =>
    [...values.sourceRunId, "none"].map((sourceRunId) => given({ status, skillId, sourceRunId })),
  ),
);

function given(fields: { readonly [Name in keyof RunFilter]: string | undefined }): RunFilter {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** One run for each combination of values, in the order of the list. */
async function everyCombination(store: Store, tenant: string): Promise<readonly RunRow[]> {
  const runs: RunRow[] = [];
  for (const status of values.status) {
    for (const skillId of values.skillId) {
      for (const sourceRunId of values.sourceRunId) {
        const createdAt = 1_000 + Math.floor(runs.length / 4);
        runs.push(row(tenant, `r${runs.length + 10}`, { createdAt, ...given({ status, skillId, sourceRunId }) }));
      }
    }
  }
  await Promise.all(runs.map((run) => expectCommitted(store, run)));
  return runs;
}

/** Over one run for each combination of values, each of these filters has the runs that match it. */
function expectAnswersTo(isMeant: (filter: RunFilter) => boolean): (stage: Stage) => Promise<void> {
  return async ({ store, tenant }) => {
    const runs = await everyCombination(store, tenant);
    for (const filter of filters.filter(isMeant)) {
      const fields = Object.entries(filter) as [keyof RunFilter, string][];
      const matching = runs.filter((run) => fields.every(([name, value]) => run[name] === value));
      await expectIds(store, tenant, filter, runIds(matching));
    }
  };
}

async function expectIds(store: Store, tenant: string, filter: RunFilter, ids: readonly string[]): Promise<void> {
  const what = JSON.stringify(filter);
  const ascending = await store.listRuns(tenant, { ...filter, limit: all, order: "ascending" });
  expectEqual(runIds(ascending), ids, `ascending ${what}`);
  const descending = await store.listRuns(tenant, { ...filter, limit: all, order: "descending" });
  expectEqual(runIds(descending), ids.toReversed(), `descending ${what}`);
  expectEqual(await store.countRuns(tenant, filter), ids.length, `count of ${what}`);
}
