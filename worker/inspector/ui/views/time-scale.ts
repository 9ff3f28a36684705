export interface Interval {
  readonly from: number;
  readonly to: number;
}

interface Piece extends Interval {
  readonly start: number;
  readonly end: number;
  readonly isFold: boolean;
}

/** A time axis from 0 to 1 that folds long stretches without activity. Times are in milliseconds. */
export interface TimeScale {
  readonly domain: Interval;
  at(time: number): number;
  readonly folds: readonly { readonly at: number; readonly width: number; readonly ms: number }[];
  /** Round times since the beginning, at least `gap` apart, where `gap` is a part of the axis. */
  ticks(gap: number): readonly { readonly at: number; readonly ms: number }[];
}

const foldWidth = 0.07;
/** After this position a tick has no room for text on its right. */
export const lateFrom = 0.9;
const steps = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000,
  1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000, 604_800_000,
];

/** The axis for these stretches of activity. A moment is a stretch of length 0. */
export function timeScale(domain: Interval, activity: readonly Interval[]): TimeScale {
  const length = Math.max(domain.to - domain.from, 1);
  const gaps = foldableGaps(domain, activity);
  const folded = gaps.reduce((sum, { from, to }) => sum + to - from, 0);
  const perMs = (1 - gaps.length * foldWidth) / Math.max(length - folded, 1);
  const pieces: Piece[] = [];
  let time = domain.from;
  let place = 0;
  const append = (to: number, width: number, isFold: boolean) => {
    pieces.push({ from: time, to, start: place, end: place + width, isFold });
    time = to;
    place += width;
  };
  for (const gap of gaps) {
    append(gap.from, (gap.from - time) * perMs, false);
    append(gap.to, foldWidth, true);
  }
  append(domain.from + length, 1 - place, false);

  const at = (moment: number) => {
    const piece = pieces.find(({ to }) => moment <= to) ?? pieces.at(-1);
    if (piece === undefined || moment <= domain.from) return 0;
    const share = Math.min(1, (moment - piece.from) / Math.max(piece.to - piece.from, 1));
    return piece.start + share * (piece.end - piece.start);
  };
  return {
    domain,
    at,
    folds: pieces
      .filter(({ isFold }) => isFold)
      .map(({ from, to, start, end }) => ({ at: start, width: end - start, ms: to - from })),
    ticks: (gap) =>
      ticks(
        pieces.filter(({ isFold }) => !isFold),
        domain.from,
        gap / perMs,
        gap,
      ),
  };
}

/** The stretches without activity that would take most of the axis: at most the five longest. */
function foldableGaps(domain: Interval, activity: readonly Interval[]): readonly Interval[] {
  const sorted = [...activity].sort((a, b) => a.from - b.from);
  const gaps: Interval[] = [];
  let busyUntil = domain.from;
  for (const { from, to } of sorted) {
    if (from > busyUntil) gaps.push({ from: busyUntil, to: from });
    busyUntil = Math.max(busyUntil, to);
  }
  if (domain.to > busyUntil) gaps.push({ from: busyUntil, to: domain.to });
  const chosen: Interval[] = [];
  let rest = domain.to - domain.from;
  for (const gap of gaps.sort((a, b) => b.to - b.from - (a.to - a.from)).slice(0, 5)) {
    const ms = gap.to - gap.from;
    if (ms < 1_500 || ms < rest * 0.35) break;
    chosen.push(gap);
    rest -= ms;
  }
  return chosen.sort((a, b) => a.from - b.from);
}

function ticks(pieces: readonly Piece[], origin: number, gapMs: number, gap: number) {
  const step = steps.find((step) => step >= gapMs) ?? gapMs;
  const found: { at: number; ms: number }[] = [];
  for (const { from, to, start, end } of pieces) {
    const first = Math.ceil((from - origin) / step) * step;
    for (let ms = first; ms <= to - origin && to > from; ms += step) {
      const place = start + ((ms + origin - from) / (to - from)) * (end - start);
      const previous = found.at(-1);
      // The last tick has its text on its left.
      const needed = gap * (place > lateFrom ? 1.8 : 0.9);
      if (previous === undefined || place - previous.at >= needed) found.push({ at: place, ms });
    }
  }
  return found;
}
