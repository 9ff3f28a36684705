import { describe, expect, test } from "vitest";
import { Api } from "../worker/inspector/ui/api.ts";
import { serverSentEvents } from "../worker/inspector/ui/event-stream.ts";
import { duration, shortId } from "../worker/inspector/ui/format.ts";
import { isEmptyValue, membersOf, previewOf } from "../worker/inspector/ui/json-value.ts";
import { hashOf, parseRoute, type Route } from "../worker/inspector/ui/route.ts";
import { RunBook } from "../worker/inspector/ui/run-book.ts";
import { RunFeed } from "../worker/inspector/ui/run-feed.ts";
import { RunLog } from "../worker/inspector/ui/run-log.ts";
import { timelineOf } from "../worker/inspector/ui/step-rows.ts";
import { timeScale } from "../worker/inspector/ui/time-scale.ts";
import type { RunAnswer, RunEvent } from "../worker/inspector/ui/wire.ts";

describe("a stream of events", () => {
  const read = async (...pieces: string[]) => {
    const bytes = new Blob(pieces).stream();
    const cut = new ReadableStream<Uint8Array<ArrayBuffer>>({
      async start(controller) {
        // Cut at every byte, in the middle of letters too.
        const whole = new Uint8Array(await new Response(bytes).arrayBuffer());
        for (const byte of whole) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    const found = [];
    for await (const { event, data, id } of serverSentEvents(cut)) found.push([event, data, id]);
    return found;
  };

  test("has its messages with their ids, whatever the pieces in which it comes", async () => {
    expect(
      await read("retry: 1000\n\n", 'id: 1-0\ndata: {"a":"é"}\n\n', ": heartbeat\n\n", "event: end\ndata: {}\n\n"),
    ).toEqual([
      ["message", '{"a":"é"}', "1-0"],
      ["end", "{}", undefined],
    ]);
  });

  test("is read with any line end, and lines of data are joined", async () => {
    expect(await read("data: a\r\ndata:b\r\n\r\n")).toEqual([["message", "a\nb", undefined]]);
  });

  test("drops a message that was cut off", async () => {
    expect(await read("data: whole\n\ndata: half")).toEqual([["message", "whole", undefined]]);
  });
});

describe("an address", () => {
  const routes: readonly Route[] = [
    { page: "runs" },
    { page: "runs", status: "waiting_for_human", skill: "a b&c" },
    { page: "run", runId: "run/with ?#odd", tab: "timeline" },
    { page: "run", runId: "a", tab: "lineage", checkpoint: "chk/1" },
  ];
  test.each(routes)("%o is found again", (route) => {
    expect(parseRoute(hashOf(route))).toEqual(route);
  });

  test.each(["", "#", "#elsewhere", "#/runs?status=nonsense", "#/runs/a/b/c"])(
    "that is not one, %s, is the list",
    (hash) => {
      expect(parseRoute(hash)).toEqual({ page: "runs" });
    },
  );
});

describe("the runs that were read", () => {
  const run = (index: number, status = "running") =>
    ({
      run_id: `run-${String(index).padStart(4, "0")}`,
      created_at: new Date(index).toISOString(),
      status,
    }) as RunAnswer;

  /** A service that pages as the real one does: a cursor is a place, not a number of rows. */
  function service(count: number) {
    const runs = Array.from({ length: count }, (_, index) => run(index + 1));
    const calls: string[] = [];
    class Served extends Api {
      override async get<T>(path: string): Promise<T> {
        const query = new URL(path, "http://x").searchParams;
        const [cursor, limit] = [query.get("cursor") ?? "", Number(query.get("limit"))];
        calls.push(cursor);
        const sorted = [...runs].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
        const rest = cursor === "" ? sorted : sorted.filter(({ created_at }) => created_at < cursor);
        const page = rest.slice(0, limit);
        const hasMore = rest.length > limit;
        const next = hasMore ? { next_cursor: page.at(-1)?.created_at } : {};
        return { runs: page, pagination: { limit, has_more: hasMore, ...next } } as T;
      }
    }
    return { runs, calls, api: new Served("", undefined) };
  }

  const { signal } = new AbortController();
  const ids = (book: RunBook) => book.runs.map(({ run_id: id }) => id);

  test("come in pages until there are no more", async () => {
    const { api } = service(250);
    const book = new RunBook(api, {});
    for (let page = 0; page < 3; page++) await book.readMore(signal);
    expect(book.isComplete).toBe(true);
    expect(ids(book)).toEqual(Array.from({ length: 250 }, (_, index) => run(250 - index).run_id));
  });

  test("are refreshed where the reader looks, and new ones come on top", async () => {
    const { api, runs } = service(250);
    const book = new RunBook(api, {});
    for (let page = 0; page < 3; page++) await book.readMore(signal);
    runs[19] = run(20, "completed");
    runs.push(run(251), run(252));
    expect(await book.refresh(200, 249, signal)).toBe(2);
    expect(ids(book)).toHaveLength(252);
    expect(book.runs[0]?.run_id).toBe("run-0252");
    expect(book.runs.find(({ run_id: id }) => id === "run-0020")?.status).toBe("completed");
  });

  test("that were deleted go", async () => {
    const { api, runs } = service(150);
    const book = new RunBook(api, {});
    for (let page = 0; page < 2; page++) await book.readMore(signal);
    runs.splice(140, 5);
    runs.splice(10, 1);
    await book.refresh(0, 149, signal);
    expect(ids(book)).toHaveLength(144);
    expect(new Set(ids(book)).size).toBe(144);
  });

  test("begin anew where more came than a page holds, without a gap", async () => {
    const { api, runs } = service(120);
    const book = new RunBook(api, {});
    await book.readMore(signal);
    for (let index = 121; index <= 400; index++) runs.push(run(index));
    await book.refresh(0, 20, signal);
    while (!book.isComplete) await book.readMore(signal);
    expect(ids(book)).toEqual(Array.from({ length: 400 }, (_, index) => run(400 - index).run_id));
  });
});

describe("a time axis", () => {
  test("gives every moment its place, in order, from 0 to 1", () => {
    const scale = timeScale({ from: 1_000, to: 2_000 }, [{ from: 1_000, to: 2_000 }]);
    expect([scale.at(1_000), scale.at(1_500), scale.at(2_000)]).toEqual([0, 0.5, 1]);
    expect(scale.folds).toEqual([]);
  });

  test("folds an hour in which nothing happens, and leaves the seconds around it to be seen", () => {
    const hour = 3_600_000;
    const activity = [
      { from: 0, to: 1_000 },
      { from: hour, to: hour + 1_000 },
    ];
    const scale = timeScale({ from: 0, to: hour + 1_000 }, activity);
    expect(scale.folds).toHaveLength(1);
    expect(scale.folds[0]?.ms).toBe(hour - 1_000);
    expect(scale.at(1_000)).toBeGreaterThan(0.4);
    expect(scale.at(hour)).toBeLessThan(0.6);
    expect(scale.at(hour + 1_000)).toBeCloseTo(1);
    const places = scale.ticks(0.1).map(({ at }) => at);
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });
});

describe("the timeline of a run's events", () => {
  let revision = 0;
  const event = (at: number, type: string, payload: object = {}, isSameCommit = false): RunEvent =>
    ({
      event_id: `r:${isSameCommit ? revision : ++revision}:${isSameCommit ? 1 : 0}`,
      event_type: type,
      occurred_at: new Date(at).toISOString(),
      payload,
    }) as RunEvent;

  function timeline(events: readonly RunEvent[], run: Partial<RunAnswer> = {}) {
    const log = new RunLog();
    for (const event of events) log.add(event);
    const answer = { status: "running", created_at: new Date(0).toISOString(), started_at: null, ...run } as RunAnswer;
    return timelineOf(log, answer, undefined, []);
  }

  test("has attempts, backoff and the last result of a step that was tried twice", () => {
    const { rows } = timeline([
      event(0, "step.started", { step_id: "a", attempt: 1 }),
      event(10, "step.retry_scheduled", {
        step_id: "a",
        attempt: 1,
        error: "no",
        retry_at: new Date(50).toISOString(),
      }),
      event(50, "step.started", { step_id: "a", attempt: 2 }),
      event(60, "step.completed", { step_id: "a", status: "completed" }),
    ]);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ status: "completed", attempts: 2 });
    expect(rows[0]?.segments.map(({ kind, from, to }) => [kind, from, to])).toEqual([
      ["failed", 0, 10],
      ["backoff", 10, 50],
      ["attempt", 50, 60],
    ]);
  });

  test("leaves a wait open while it lasts, and ends it with the approval", () => {
    const waiting = [event(0, "run.waiting_for_human", { step_id: "a" })];
    expect(timeline(waiting, { status: "waiting_for_human" }).rows[0]).toMatchObject({
      status: "waiting",
      segments: [{ to: undefined }],
    });
    const approved = [...waiting, event(90, "run.approved", { step_id: "a" })];
    expect(timeline(approved).rows[0]?.segments[0]?.to).toBe(90);
  });

  test("takes an event that comes twice once", () => {
    const log = new RunLog();
    const twice = event(0, "step.started", { step_id: "a" });
    expect([log.add(twice), log.add(twice)]).toEqual([true, false]);
    expect(log.position).toBe(`${revision}-0`);
  });
});

describe("what is shown of a run", () => {
  test("is not left behind by a history that was read after it", async () => {
    const statuses = ["running", "waiting_for_human"];
    class Served extends Api {
      override async call<T>(): Promise<{ value: T; etag: string | null }> {
        return { value: { run_id: "r", status: statuses.shift() ?? "waiting_for_human" } as T, etag: null };
      }
      override async get<T>(): Promise<T> {
        const event = { event_id: "r:7:0", event_type: "run.waiting_for_human", occurred_at: "", payload: {} };
        return { history: [{ events: [event] }], pagination: { has_more: false } } as T;
      }
      override async *events() {
        yield { event: "open", data: "", id: undefined };
        // Nothing more happens.
        await new Promise(() => {});
      }
    }
    const log = new RunLog();
    const connected = Promise.withResolvers<void>();
    const feed = new RunFeed(new Served("", undefined), "r", log, {
      changed: () => {},
      connected: () => connected.resolve(),
      failed: (error) => connected.reject(error),
    });
    void feed.start();
    await connected.promise;
    expect(log.events).toHaveLength(1);
    expect(feed.run?.status).toBe("waiting_for_human");
    feed.stop();
  });
});

describe("a value", () => {
  test.each([
    [{ $durable: ["date", "2026-01-01T00:00:00.000Z"] }, "Date 2026-01-01T00:00:00.000Z"],
    [{ $durable: ["bigint", "12"] }, "12n"],
    [{ $durable: ["set", [1, 2]] }, "Set of 2"],
    [[], "[]"],
    [{ a: 1, b: 2 }, "{a, b}"],
    ["x", '"x"'],
  ])("%j is shown as %s", (value, text) => {
    expect(previewOf(value)).toBe(text);
  });

  test("that holds nothing is empty, and false is something", () => {
    expect([isEmptyValue({ a: [], b: { c: null } }), isEmptyValue({ a: false })]).toEqual([true, false]);
    expect(membersOf({ $durable: ["set", ["a"]] })).toEqual([["0", "a"]]);
  });
});

test("lengths of time and long ids are short to read", () => {
  expect([0, 820, 1_420, 65_000, 3_600_000, 90_061_000].map(duration)).toEqual([
    "0 ms",
    "820 ms",
    "1.42 s",
    "1 min 5 s",
    "1 h",
    "1 d 1 h",
  ]);
  expect(shortId("a".repeat(20) + "b".repeat(20), 11)).toBe("aaaaaa…bbbb");
});
