import type { Segment, SegmentKind, StepRow, StepStatus } from "./step-rows.ts";

/** From this number of items on, the steps of a map are one row. */
const fewestItems = 3;
/** The most stretches of one kind that the row of a map shows. */
const mostStretches = 40;

/** The map whose item a step is, by its name: `save[…]` for `save[a]`, and `save[…]#2` for the second map of that name. */
export function mapOfStep({ stepId, uses }: StepRow): string | undefined {
  const [, name, count = ""] = /^([^[]+)\[.*\](#\d+)?$/s.exec(stepId) ?? [];
  return name === undefined || (uses !== "step.do" && uses !== "") ? undefined : `${name}[…]${count}`;
}

/** The rows with the steps of each map behind one row, and below it if the map is among the open ones. */
export function foldedRows(rows: readonly StepRow[], open: ReadonlySet<string>): readonly StepRow[] {
  const maps = Map.groupBy(rows, mapOfStep);
  return rows.flatMap((row) => {
    const map = mapOfStep(row);
    const items = (map !== undefined && maps.get(map)) || [];
    if (map === undefined || items.length < fewestItems) return [row];
    if (items[0] !== row) return [];
    return open.has(map) ? [mapRow(map, items, true), ...items] : [mapRow(map, items, false)];
  });
}

function mapRow(stepId: string, items: readonly StepRow[], isOpen: boolean): StepRow {
  const statuses = new Set(items.map(({ status }) => status));
  const hasStatus = (...those: readonly StepStatus[]) => items.filter(({ status }) => those.includes(status)).length;
  return {
    stepId,
    uses: "step.map",
    status: order.find((status) => statuses.has(status)) ?? "completed",
    attempts: 0,
    error: undefined,
    segments: stretches(items.flatMap(({ segments }) => segments)),
    marks: [],
    checkpoints: items.flatMap(({ checkpoints }) => checkpoints),
    map: {
      isOpen,
      count: items.length,
      done: hasStatus("completed", "carried"),
      failed: hasStatus("failed", "degraded"),
    },
  };
}

/** The status of a map is the first of these that an item has. */
const order: readonly StepStatus[] = [
  "waiting",
  "running",
  "backing_off",
  "sleeping",
  "to_come",
  "failed",
  "canceled",
  "degraded",
  "completed",
  "carried",
  "skipped",
];

/** The times in which any item had a stretch of each kind. */
function stretches(segments: readonly Segment[]): Segment[] {
  return [...Map.groupBy(segments, ({ kind }) => kind)].flatMap(([kind, ofKind]) => {
    const merged: { from: number; to: number | undefined; items: number }[] = [];
    for (const { from, to } of ofKind.toSorted((a, b) => a.from - b.from)) {
      const last = merged.at(-1);
      if (last === undefined || (last.to !== undefined && last.to < from)) merged.push({ from, to, items: 1 });
      else Object.assign(last, { to: later(last.to, to), items: last.items + 1 });
    }
    const shown = merged.length <= mostStretches ? merged : [whole(merged)];
    return shown.map(({ from, to, items }) => stretch(kind, from, to, items));
  });
}

function whole(merged: readonly { from: number; to: number | undefined; items: number }[]) {
  const items = merged.reduce((sum, one) => sum + one.items, 0);
  return { from: merged[0]?.from ?? 0, to: merged.at(-1)?.to, items };
}

function stretch(kind: SegmentKind, from: number, to: number | undefined, items: number): Segment {
  return { kind, from, to, note: items === 1 ? "one item" : `${items} of the items` };
}

function later(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : Math.max(a, b);
}
