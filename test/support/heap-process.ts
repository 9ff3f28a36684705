import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime, defineSkill } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { createApp } from "../../worker/http/index.ts";

// Run with a small heap: requests within the documented limits, and beyond them, of which none may end the process. It prints
// what became of each as a line of JSON.

const wide = defineSkill<{ a: unknown }>({
  id: "wide",
  version: "1",
  run: async (step, { a }) => {
    await step.do("first", async () => "x");
    await step.do("second", async () => "y");
    return Array.isArray(a) ? a.length : String(a).length;
  },
});

const runtime = createRuntime({ serves: false, store: memoryStore(), skills: [wide] });
const app = createApp({ authenticate: () => ({ tenant: "alpha", role: "admin" }), runs: (name) => runtime.for(name) });

async function request(method: string, path: string, body?: string) {
  const response = await app.fetch(
    new Request(`http://home${path}`, { method, ...(body === undefined ? {} : { body }) }),
  );
  const text = await response.text();
  return { status: response.status, length: text.length, runId: /"run_id":"([^"]+)"/.exec(text)?.[1] ?? "" };
}

const arrays = (count: number) => `[${"[],".repeat(count - 1)}[]]`;
const bodies = {
  "3,500,000 arrays": () => arrays(3_490_000),
  "4 MB of [],": () => arrays(1_300_000),
  "deep arrays": () => `${"[".repeat(4_000_000)}`,
  "as many arrays as are taken": () => arrays(249_000),
  "as many objects as are taken": () => `[${'{"k":0},'.repeat(124_000)}0]`,
  "as many members as are taken": () =>
    `{${Array.from({ length: 249_000 }, (_, index) => `"key ${index}":0`).join(",")}}`,
  "one long text": () => JSON.stringify("x".repeat(10_000_000)),
  "one long text of two bytes each": () => JSON.stringify(`${"x".repeat(5_000_000)}漢`),
} as const;

for (const [name, inputs] of Object.entries(bodies)) {
  const { status, runId } = await request("POST", "/v1/skills/wide/execute/async", `{"inputs":{"a":${inputs()}}}`);
  let read: unknown;
  if (status === 202) {
    await runtime.idle();
    const runs = runtime.for("alpha");
    const { checkpointHead = "", status: end } = await runs.get(runId);
    const { status, length } = await request("GET", `/v1/runs/${runId}/checkpoints/${checkpointHead}`);
    read = { end, status, length };
    // Room for the next one, as in an isolate that keeps no states.
    await runs.delete(runId);
  }
  console.log(JSON.stringify({ name, status, read }));
}
console.log(JSON.stringify({ name: "the list", status: (await request("GET", "/v1/runs")).status }));

// An isolate serves requests side by side, and a medium takes its time.
const base = memoryStore();
const slow: Store = {
  ...base,
  commit: async (commit) => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    return base.commit(commit);
  },
};
const deciding = createRuntime({ serves: false, store: slow, skills: [wide], executes: false });
const busy = createApp({
  authenticate: () => ({ tenant: "alpha", role: "admin" }),
  runs: (name) => deciding.for(name),
});
const sideBySide = {
  "five at once: arrays": bodies["as many arrays as are taken"](),
  "five at once: members": bodies["as many members as are taken"](),
};
for (const [name, inputs] of Object.entries(sideBySide)) {
  const body = `{"skill_id":"wide","inputs":{"a":${inputs}}}`;
  const answers = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const ask = () => busy.fetch(new Request("http://home/v1/runs", { method: "POST", body }));
      let answer = await ask();
      // On a slow machine one of them has no turn within ten seconds, and asks again, as its error says.
      for (let again = 0; answer.status === 429 && again < 20; again++) {
        await new Promise((resolve) => setTimeout(resolve, 1_000 * Number(answer.headers.get("retry-after"))));
        answer = await ask();
      }
      const { run_id } = (await answer.json()) as { run_id: string };
      await deciding.for("alpha").delete(run_id);
      return answer.status;
    }),
  );
  console.log(JSON.stringify({ name, status: answers.find((status) => status !== 201) ?? 201 }));
}
