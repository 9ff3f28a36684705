import { describe, expect, test } from "vitest";
import { ticksOf } from "../../worker/schedules/recurrence.ts";

const minute = 60_000;
const iso = (at: number | undefined) => (at === undefined ? undefined : new Date(at).toISOString());

/** The ticks after that time, and the same read backward. */
function ticks(cron: string, timeZone: string, after: string, count: number): readonly (string | undefined)[] {
  const { next, last } = ticksOf({ cron, timeZone });
  const found: number[] = [];
  for (let at = Date.parse(after); found.length < count; found.push(at)) at = next(at) ?? Number.NaN;
  expect(last(count, found.at(-1) ?? Number.NaN)).toEqual(found);
  return found.map(iso);
}

describe("the ticks of a cron expression", () => {
  test("are strictly after a time, and up to one, in whole seconds of it", () => {
    const { next, last } = ticksOf({ cron: "0 9 * * MON", timeZone: "America/New_York" });
    const monday = Date.parse("2026-11-30T14:00:00Z");
    expect(next(monday - 1)).toBe(monday);
    expect(next(monday)).toBe(monday + 7 * 24 * 60 * minute);
    expect(last(1, monday - 1)).toEqual([monday - 7 * 24 * 60 * minute]);
    expect(last(1, monday)).toEqual([monday]);
    expect(last(2, monday + 999)).toEqual([monday - 7 * 24 * 60 * minute, monday]);
  });

  test("may be of seconds, and have names", () => {
    expect(ticks("*/20 * * * * *", "UTC", "2026-01-01T00:00:00Z", 3)).toEqual([
      "2026-01-01T00:00:20.000Z",
      "2026-01-01T00:00:40.000Z",
      "2026-01-01T00:01:00.000Z",
    ]);
    expect(ticks("@daily", "Asia/Kolkata", "2026-01-01T00:00:00Z", 1)).toEqual(["2026-01-01T18:30:00.000Z"]);
  });

  test("come to an end", () => {
    expect(ticksOf({ cron: "0 0 30 2 *", timeZone: "UTC" }).next(0)).toBeUndefined();
  });

  test("of a leap day are years apart", () => {
    expect(ticks("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 2)).toEqual([
      "2028-02-29T00:00:00.000Z",
      "2032-02-29T00:00:00.000Z",
    ]);
  });

  // Berlin goes from 02:00 to 03:00 on 29 March 2026, and back from 03:00 to 02:00 on 25 October.
  describe("where the clock is set forward", () => {
    test("a fixed time in the gap is the first after it, and the next day as ever", () => {
      expect(ticks("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2)).toEqual([
        "2026-03-29T01:00:00.000Z",
        "2026-03-30T00:30:00.000Z",
      ]);
    });

    test("each hour ticks once in each hour that there is", () => {
      expect(ticks("0 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", 3)).toEqual([
        "2026-03-29T01:00:00.000Z",
        "2026-03-29T02:00:00.000Z",
        "2026-03-29T03:00:00.000Z",
      ]);
    });

    test("a zone may have no midnight", () => {
      // São Paulo skipped the midnight of 4 November 2018.
      expect(ticks("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", 2)).toEqual([
        "2018-11-04T03:00:00.000Z",
        "2018-11-05T02:00:00.000Z",
      ]);
    });
  });

  describe("where the clock is set back", () => {
    test("a fixed time that comes twice is the first of them", () => {
      expect(ticks("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2)).toEqual([
        "2026-10-25T00:30:00.000Z",
        "2026-10-26T01:30:00.000Z",
      ]);
    });

    test("each half hour ticks in both of the hours", () => {
      expect(ticks("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:59:00Z", 6)).toEqual([
        "2026-10-25T00:00:00.000Z",
        "2026-10-25T00:30:00.000Z",
        "2026-10-25T01:00:00.000Z",
        "2026-10-25T01:30:00.000Z",
        "2026-10-25T02:00:00.000Z",
        "2026-10-25T02:30:00.000Z",
      ]);
    });

    test("by half an hour, a quarter of an hour ticks on", () => {
      // Lord Howe goes from 02:00 back to 01:30 on 5 April 2026.
      const found = ticks("*/15 * * * *", "Australia/Lord_Howe", "2026-04-04T14:00:00Z", 8);
      const gaps = found.slice(1).map((at, index) => Date.parse(at ?? "") - Date.parse(found[index] ?? ""));
      expect(new Set(gaps)).toEqual(new Set([15 * minute]));
    });
  });

  test.each([
    ["", "UTC"],
    ["61 * * * *", "UTC"],
    ["* * * * * * 2030", "UTC"],
    ["2030-01-01T00:00:00", "UTC"],
    ["@reboot", "UTC"],
    ["every day", "UTC"],
  ])("%j is refused under its name", (cron, timeZone) => {
    expect(() => ticksOf({ cron, timeZone })).toThrow(
      expect.objectContaining({ code: "invalid_request", path: "cron" }),
    );
  });

  test("an unknown zone is refused under its name", () => {
    expect(() => ticksOf({ cron: "0 9 * * *", timeZone: "Mars/Base" })).toThrow(
      expect.objectContaining({ code: "invalid_request", path: "timeZone" }),
    );
  });
});

describe("the ticks of a length", () => {
  const every = ticksOf({ everyMs: 10 * minute, fromMs: 1_000 });

  test("are counted from the beginning, which is none", () => {
    expect(every.next(0)).toBe(1_000 + 10 * minute);
    expect(every.next(1_000)).toBe(1_000 + 10 * minute);
    expect(every.next(1_000 + 10 * minute)).toBe(1_000 + 20 * minute);
    expect(every.last(3, 1_000)).toEqual([]);
    expect(every.last(3, 1_000 + 20 * minute)).toEqual([1_000 + 10 * minute, 1_000 + 20 * minute]);
    expect(every.last(2, 1_000 + 59 * minute)).toEqual([1_000 + 40 * minute, 1_000 + 50 * minute]);
  });
});
