import type { Bench, Scale } from "./bench.ts";

const steps: Readonly<Record<Scale, number>> = { full: 200, short: 10 };

export const bills: Bench = {
  id: "g",
  title: "What Cloudflare bills: rows of D1 that an operation reads and writes",
  async measure(media, scale) {
    const worker = await media.worker();
    const operations = await worker("bills", { steps: steps[scale] });
    return {
      columns: [
        { key: "name", title: "operation" },
        { key: "read", title: "rows read", unit: "count" },
        { key: "written", title: "rows written", unit: "count" },
        { key: "statements", title: "statements", unit: "count" },
        { key: "queries", title: "calls of D1", unit: "count" },
      ],
      rows: operations.map((operation) => ({ ...operation })),
      notes: [
        `From the \`meta\` of every result, in runs of ${steps[scale]} steps of a kilobyte. A step is everything between the call of its handler and the call of the next.`,
        "A fork copies the state. A large one, such as that of all these steps, is one row more than one that has room in the run's row.",
        "Start, fork, resume, replay and cancel are only those calls, in a runtime that executes nothing.",
      ],
    };
  },
};
