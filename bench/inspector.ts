import { chromium, type Page } from "playwright";
import { wholeChromiumLaunchOptions } from "../test/support/chromium.ts";
import { largeHome } from "../test/support/inspector/large-home.ts";
import type { Bench, Scale } from "./bench.ts";
import type { Cell } from "./table.ts";

interface Sizes {
  readonly runs: number;
  readonly steps: number;
  readonly frames: number;
}

const sizes: Readonly<Record<Scale, Sizes>> = {
  full: { runs: 10_000, steps: 5_000, frames: 600 },
  short: { runs: 300, steps: 60, frames: 20 },
};

/** The scroll distance of each frame: two notches of a wheel, which is faster than anyone reads. */
const pixels = 240;
/** The time from which a frame is late on a screen of 60 Hz, with some tolerance for the clock. */
const lateMs = 20;

/** The frame times of the inspector while it is scrolled. */
export const inspector: Bench = {
  id: "h",
  title: "Scrolling the inspector: times from frame to frame",
  async measure(_media, scale) {
    const { runs, steps, frames } = sizes[scale];
    const home = await largeHome(runs, steps);
    const browser = await chromium.launch(await wholeChromiumLaunchOptions());
    try {
      const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
      const rows: Record<string, Cell>[] = [];
      const measure = async (what: string, place: string, grid: string, of: number) => {
        await page.goto(`${home.url}/inspector#${place}`);
        await page.getByRole("grid", { name: grid }).locator("[data-row]").nth(10).waitFor({ timeout: 60_000 });
        rows.push({ what, of, ...(await scrolled(page, grid, frames)) });
      };
      await measure("runs, which are read as they come", "/runs", "Runs", runs);
      await measure("steps of a run", `/runs/${home.longRun}`, "Steps", steps);
      await measure("events of that run", `/runs/${home.longRun}/events`, "Events", steps * 3);
      return {
        columns: [
          { key: "what", title: "list" },
          { key: "of", title: "rows in it", unit: "count" },
          { key: "drawn", title: "rows in the page", unit: "count" },
          { key: "median", title: "median", unit: "ms" },
          { key: "most", title: "95 of 100", unit: "ms" },
          { key: "worst", title: "worst", unit: "ms" },
          { key: "late", title: `over ${lateMs} ms`, unit: "count" },
        ],
        rows,
        notes: [
          `${frames} frames of ${pixels} pixels each in headless Chromium, which draws 60 times a second without a graphics card. The service is in the memory of the same machine.`,
        ],
      };
    } finally {
      await browser.close();
      await home.close();
    }
  },
};

async function scrolled(page: Page, grid: string, frames: number): Promise<Record<string, Cell>> {
  const { times, drawn } = await page.getByRole("grid", { name: grid }).evaluate(
    async (element, [frames, pixels]) => {
      const frame = () => new Promise<number>((resolve) => requestAnimationFrame(resolve));
      const times: number[] = [];
      let drawn = 0;
      let before = await frame();
      for (let count = 0; count < frames; count++) {
        element.scrollTop += pixels;
        const now = await frame();
        times.push(now - before);
        before = now;
        drawn = Math.max(drawn, element.querySelectorAll("[data-row]").length);
      }
      return { times, drawn };
    },
    [frames, pixels] as const,
  );
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return {
    drawn,
    median: at(0.5),
    most: at(0.95),
    worst: at(1),
    late: times.filter((ms) => ms > lateMs).length,
  };
}
