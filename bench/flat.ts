import { memoryStore } from "../adapters/memory/index.ts";
import type { Bench, Scale } from "./bench.ts";
import { growDurable } from "./programs/growing.ts";
import { interleaved, spreadOf } from "./spread.ts";

const effort: Readonly<Record<Scale, { readonly sizes: readonly [number, ...number[]]; readonly rounds: number }>> = {
  full: { sizes: [100, 400, 1_600], rounds: 9 },
  short: { sizes: [10, 20], rounds: 1 },
};

/** Whether a step costs more in a long run. */
export const flat: Bench = {
  id: "j",
  title: "The time of a step of a kilobyte in memory, by the number of steps of its run",
  async measure(_media, scale) {
    const { sizes, rounds } = effort[scale];
    const side = (steps: number) => async () => {
      // As many steps on each side, so that no side is the one that compiles the code or collects the garbage.
      const runs = Math.ceil(Math.max(...sizes) / steps);
      let ms = 0;
      for (let run = 0; run < runs; run++) ms += (await growDurable(memoryStore(), steps)).stepMs;
      return ms / runs;
    };
    const sides = Object.fromEntries(sizes.map((steps) => [`${steps}`, side(steps)]));
    await interleaved(1, sides);
    const ms = await interleaved(rounds, sides);
    const spreads = sizes.map((steps) => ({ steps, stepMs: spreadOf(ms[`${steps}`] ?? []) }));
    const few = spreads[0]?.stepMs.median ?? Number.NaN;
    return {
      columns: [
        { key: "steps", title: "steps", unit: "count" },
        { key: "stepMs", title: "a step", unit: "ms" },
        { key: "times", title: `of that of ${sizes[0]}`, unit: "times" },
      ],
      rows: spreads.map(({ steps, stepMs }) => ({ steps, stepMs, times: stepMs.median / few })),
      notes: ["In turns in one process. A short run is repeated until it has as many steps as the longest."],
    };
  },
};
