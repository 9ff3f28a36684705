import { memoryStore } from "../adapters/memory/index.ts";
import { createRuntime, defineSkill } from "../src/index.ts";
import { createApp } from "../worker/http/index.ts";
import type { Bench, Scale } from "./bench.ts";
import { utf8 } from "./programs/growing.ts";
import { interleaved, spreadOf, timed } from "./spread.ts";
import type { Cell } from "./table.ts";

const sizes: Readonly<Record<Scale, { readonly items: number; readonly rounds: number }>> = {
  full: { items: 6_000, rounds: 15 },
  short: { items: 4, rounds: 1 },
};

const echo = defineSkill<{ items: unknown }>({ id: "echo", version: "1", run: async (_step, { items }) => items });

export const http: Bench = {
  id: "k",
  title: "Large values over HTTP, next to parsing and writing the same text",
  async measure(_media, scale) {
    const { items, rounds } = sizes[scale];
    const runtime = createRuntime({ store: memoryStore(), skills: [echo] });
    const runs = runtime.for("bench");
    const app = createApp({ authenticate: () => ({ tenant: "bench", role: "admin" }), runs: () => runs });
    const call = async (path: string, text?: string) => {
      const init = text === undefined ? {} : { method: "POST", body: text };
      const response = await app.request(`/v1/runs${path}`, init);
      const answer = await response.text();
      if (!response.ok) throw new Error(`${path}: ${response.status} ${answer}`);
      return answer;
    };
    const rows: Record<string, Cell>[] = [];
    for (const [value, itemOf] of Object.entries(itemsOf)) {
      const inputs = { items: Array.from({ length: items }, (_, index) => itemOf(index)) };
      const { run } = await runs.create({ skillId: "echo" });
      const ended = JSON.parse(await call("", JSON.stringify({ skill_id: "echo", inputs }))) as { run_id: string };
      await runtime.idle();
      const start = JSON.stringify({ skill_id: "echo", inputs, start: false });
      const state = JSON.stringify({ kind: "bench", state: { skill_id: "echo", inputs } });
      const calls: readonly [name: string, text: string, ask: () => Promise<string>][] = [
        ["create a run", start, () => call("", start)],
        ["save a checkpoint", state, () => call(`/${run.runId}/checkpoints`, state)],
        ["read a run with a result", await call(`/${ended.run_id}`), () => call(`/${ended.run_id}`)],
      ];
      for (const [name, text, ask] of calls) {
        const sides = { ours: () => timed(ask), bare: () => timed(async () => JSON.stringify(JSON.parse(text))) };
        await interleaved(2, sides);
        const { ours, bare } = await interleaved(rounds, sides);
        const [our, its] = [spreadOf(ours), spreadOf(bare)];
        rows.push({ value, call: name, bytes: utf8(text), ours: our, bare: its, times: our.median / its.median });
      }
    }
    return {
      columns: [
        { key: "value", title: "values" },
        { key: "call", title: "call" },
        { key: "bytes", title: "body", unit: "bytes" },
        { key: "ours", title: "the call", unit: "ms" },
        { key: "bare", title: "parse and write", unit: "ms" },
        { key: "times", title: "the call, of that", unit: "times" },
      ],
      rows,
      notes: [
        "A call of the app in one process, over the memory store, from the request's text to the answer's. Beside it: `JSON.stringify(JSON.parse(text))` of the body that is sent or answered.",
        "A body without tags is encoded once, where it is checked against the limits of states; one with tags is decoded before. A result is answered as it is stored.",
      ],
    };
  },
};

const itemsOf: Readonly<Record<string, (index: number) => unknown>> = {
  "small fields": (index) => ({
    id: `item ${index}`,
    price: index * 1.25,
    isSold: index % 3 === 0,
    note: null,
    tags: ["a", "b", { deep: [index, index + 1, index + 2] }],
    customer: { name: "Alice", city: "Łódź", orders: index },
  }),
  "small fields with dates": (index) => ({
    id: `item ${index}`,
    at: { $durable: ["date", "2026-03-26T12:00:00.000Z"] },
    customer: { name: "Alice", city: "Łódź", orders: index },
  }),
};
