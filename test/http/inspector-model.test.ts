import { afterEach, describe, expect, test, vi } from "vitest";
import { calls } from "../../worker/client/calls.ts";
import { requests } from "../../worker/client/requests.ts";
import { Dialogs } from "../../worker/inspector/ui/state/dialogs.ts";
import { FieldError, jsonObjectOf } from "../../worker/inspector/ui/state/form.ts";
import { isEmptyValue, membersOf, previewOf } from "../../worker/inspector/ui/state/json-value.ts";
import { lineageTree } from "../../worker/inspector/ui/state/lineage-tree.ts";
import { LiveSteps } from "../../worker/inspector/ui/state/live-steps.ts";
import { foldedRows } from "../../worker/inspector/ui/state/map-rows.ts";
import { OutputPanel } from "../../worker/inspector/ui/state/output-panel.ts";
import { type Problem, problemOf } from "../../worker/inspector/ui/state/problem.ts";
import { hashOf, parseRoute, type Route } from "../../worker/inspector/ui/state/route.ts";
import { RunBook } from "../../worker/inspector/ui/state/run-book.ts";
import { RunFeed } from "../../worker/inspector/ui/state/run-feed.ts";
import { RunLog } from "../../worker/inspector/ui/state/run-log.ts";
import { SchedulePanel } from "../../worker/inspector/ui/state/schedule-panel.ts";
import { type Service, scheduleCalls } from "../../worker/inspector/ui/state/service.ts";
import { standingOf } from "../../worker/inspector/ui/state/standing.ts";
import { timelineOf } from "../../worker/inspector/ui/state/step-rows.ts";
import { planCheckpoint, planOf, undoingOf } from "../../worker/inspector/ui/state/undoing.ts";
import type { LineageAnswer, LineageNode, RunAnswer, RunEvent } from "../../worker/inspector/ui/state/wire.ts";
import { duration, shortId } from "../../worker/inspector/ui/views/format.ts";
import { timeScale } from "../../worker/inspector/ui/views/time-scale.ts";

/** However often it is looked, the fake timers stand still meanwhile. */
const soon = { interval: 0, timeout: 100_000 };

/** The inspector's client of a service that answers like this. */
function serviceOf(answer: (url: URL, request: Request) => Response | Promise<Response>): Service {
  return calls("http://orca.test", requests({ fetch: (request) => answer(new URL(request.url), request) }));
}

describe("how a run stands", () => {
  const next_at = new Date(10_000).toISOString();
  const run = (fields: Partial<RunAnswer>) =>
    ({
      status: "running",
      waiting_on: "executing",
      waiting_for: null,
      next_at,
      last_error: null,
      ...fields,
    }) as RunAnswer;
  const last_error = { code: "step_failed", message: "no", step_id: "a", attempt: 2 };

  test.each<readonly [Partial<RunAnswer>, number, string]>([
    [{}, 9_000, "Running"],
    [{ last_error }, 9_000, "Running, attempt 3"],
    [{ waiting_on: "sleep" }, 9_000, "Sleeping"],
    [{ waiting_on: "retry", last_error }, 9_000, "Tries again"],
    [{ waiting_on: "gate", status: "waiting_for_human", next_at: null }, 9_000_000, "Needs approval"],
    [{ waiting_on: "signal", status: "waiting_for_signal", next_at: null }, 9_000_000, "Waits for signal"],
    [{ waiting_on: "child", status: "waiting_for_signal", next_at: null }, 9_000_000, "Waits for child"],
    [{ waiting_on: "unserved" }, 9_000_000, "Not served"],
    [{ waiting_on: "sleep", status: "pending" }, 9_000, "Starts later"],
    [{ waiting_on: null, status: "completed", next_at: null }, 9_000_000, "Completed"],
    // Due, and for some seconds.
    [{}, 14_000, "Running"],
    [{}, 16_000, "Not served"],
  ])("%j at %i ms is %s", (fields, now, name) => {
    expect(standingOf(run(fields), now).name).toBe(name);
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

describe("the tree of a run's lineage", () => {
  const node = (id: string, source: string | null) => ({ run_id: id, source_run_id: source }) as LineageNode;
  const treeOf = (answer: Pick<LineageAnswer, "run" | "ancestors" | "descendants">) =>
    lineageTree({ has_more: false, ...answer } as LineageAnswer).map(({ data, source, depth, row }) => [
      data.run_id,
      source?.data.run_id,
      depth,
      row,
    ]);

  test("has children and grandchildren below the run whose step started them", () => {
    const child = (id: string, parent: string) => ({ ...node(id, null), parent_run_id: parent }) as LineageNode;
    const answer = {
      run: node("own", null),
      ancestors: [],
      descendants: [child("a", "own"), child("b", "own"), child("b1", "b"), node("fork", "b1")],
    };
    expect(treeOf(answer).map(([id, source, depth]) => [id, source, depth])).toEqual([
      ["own", undefined, 0],
      ["a", "own", 1],
      ["b", "own", 1],
      ["b1", "b", 2],
      ["fork", "b1", 3],
    ]);
  });

  test("has each run beside its source, and in the middle of its descendants", () => {
    const answer = {
      run: node("own", "parent"),
      // The nearest comes first.
      ancestors: [node("parent", "eldest"), node("eldest", null)],
      descendants: [node("a", "own"), node("b", "own"), node("a1", "a"), node("a2", "a")],
    };
    expect(treeOf(answer)).toEqual([
      ["eldest", undefined, 0, 1.25],
      ["parent", "eldest", 1, 1.25],
      ["own", "parent", 2, 1.25],
      ["a", "own", 3, 0.5],
      ["a1", "a", 4, 0],
      ["a2", "a", 4, 1],
      ["b", "own", 3, 2],
    ]);
  });

  test("is one run if it has no kin", () => {
    expect(treeOf({ run: node("own", null), ancestors: [], descendants: [] })).toEqual([["own", undefined, 0, 0]]);
  });
});

describe("the runs that were read", () => {
  const run = (index: number, status = "running") =>
    ({
      run_id: `run-${String(index).padStart(4, "0")}`,
      created_at: new Date(index).toISOString(),
      status,
    }) as RunAnswer;

  /** A service that pages as the real one does: a cursor is a place, not a number of rows. */
  function served(count: number) {
    const runs = Array.from({ length: count }, (_, index) => run(index + 1));
    const service = serviceOf(({ searchParams: query }) => {
      const [cursor, limit] = [query.get("cursor") ?? "", Number(query.get("limit"))];
      const sorted = [...runs].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
      const rest = cursor === "" ? sorted : sorted.filter(({ created_at }) => created_at < cursor);
      const page = rest.slice(0, limit);
      const hasMore = rest.length > limit;
      const next = hasMore ? { next_cursor: page.at(-1)?.created_at } : {};
      return Response.json({ runs: page, pagination: { limit, has_more: hasMore, ...next } });
    });
    return { runs, service };
  }

  const { signal } = new AbortController();
  const ids = (book: RunBook) => book.runs.map(({ run_id: id }) => id);

  test("come in pages until there are no more", async () => {
    const { service } = served(250);
    const book = new RunBook(service, {});
    for (let page = 0; page < 3; page++) await book.readMore(signal);
    expect(book.isComplete).toBe(true);
    expect(ids(book)).toEqual(Array.from({ length: 250 }, (_, index) => run(250 - index).run_id));
  });

  test("are refreshed where the reader looks, and new ones appear on top", async () => {
    const { service, runs } = served(250);
    const book = new RunBook(service, {});
    for (let page = 0; page < 3; page++) await book.readMore(signal);
    runs[19] = run(20, "completed");
    runs.push(run(251), run(252));
    expect(await book.refresh(200, 249, signal)).toBe(2);
    expect(ids(book)).toHaveLength(252);
    expect(book.runs[0]?.run_id).toBe("run-0252");
    expect(book.runs.find(({ run_id: id }) => id === "run-0020")?.status).toBe("completed");
  });

  test("that were deleted go", async () => {
    const { service, runs } = served(150);
    const book = new RunBook(service, {});
    for (let page = 0; page < 2; page++) await book.readMore(signal);
    runs.splice(140, 5);
    runs.splice(10, 1);
    await book.refresh(0, 149, signal);
    expect(ids(book)).toHaveLength(144);
    expect(new Set(ids(book)).size).toBe(144);
  });

  test("are read from the start again if more came than a page holds, without a gap", async () => {
    const { service, runs } = served(120);
    const book = new RunBook(service, {});
    await book.readMore(signal);
    for (let index = 121; index <= 400; index++) runs.push(run(index));
    await book.refresh(0, 20, signal);
    while (!book.isComplete) await book.readMore(signal);
    expect(ids(book)).toEqual(Array.from({ length: 400 }, (_, index) => run(400 - index).run_id));
  });
});

describe("a time axis", () => {
  test("maps every moment to a place from 0 to 1, in order", () => {
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

  function timeline(events: readonly RunEvent[], run: Partial<RunAnswer> = {}, live = new LiveSteps()) {
    const log = new RunLog();
    for (const event of events) log.add(event);
    const answer = { status: "running", created_at: new Date(0).toISOString(), started_at: null, ...run } as RunAnswer;
    return timelineOf(log, answer, undefined, [], live.attempts);
  }

  const started = (at: number, attempt: number) => ({
    type: "step.started",
    at: new Date(at).toISOString(),
    payload: { step_id: "a", uses: "step.do", attempt },
  });

  test("shows an attempt that is not recorded yet as running, until it is or nothing executes the run", () => {
    const live = new LiveSteps();
    live.take(started(5, 1));
    expect(timeline([], { waiting_on: "executing" }, live).rows).toMatchObject([
      { stepId: "a", uses: "step.do", status: "running", attempts: 1, segments: [{ kind: "now", from: 5 }] },
    ]);
    expect(timeline([], { waiting_on: "retry" }, live).rows).toEqual([]);
    const recorded = [
      event(5, "step.started", { step_id: "a", attempt: 1 }),
      event(9, "step.retry_scheduled", { step_id: "a", attempt: 1, error: "no", retry_at: new Date(20).toISOString() }),
    ];
    expect(timeline(recorded, { waiting_on: "executing" }, live).rows).toMatchObject([{ status: "backing_off" }]);
    live.take(started(20, 2));
    const [row] = timeline(recorded, { waiting_on: "executing" }, live).rows;
    expect(row).toMatchObject({ status: "running", attempts: 2 });
    expect(row?.segments.map(({ kind, from, to }) => [kind, from, to])).toEqual([
      ["failed", 5, 9],
      ["backoff", 9, 20],
      ["now", 20, undefined],
    ]);
  });

  describe("has which steps were undone", () => {
    const log = new RunLog();
    const done = (step_id: string) => event(1, "step.completed", { step_id, status: "completed" });
    for (const id of ["a", "b", "a#2"]) log.add(done(id));
    log.add(event(2, "run.undoing", { reason: "failed" }));
    log.add(done("rollback:"));
    log.add(event(2, "checkpoint.saved", { checkpoint_id: "plan", kind: "step_completed" }, true));
    log.add(done("rollback: a"));
    const plan = planOf({
      step_results: { "rollback:": { produced_output: { error: "no", steps: ["a#2", "b", "a"], count: 3 } } },
    });
    const undoing = (status: RunAnswer["status"], log: RunLog) => {
      const run = { status, created_at: new Date(0).toISOString(), started_at: null } as RunAnswer;
      return undoingOf(log, run, timelineOf(log, run, undefined, []).rows, plan);
    };

    test("by the plan: the first rollback of a name is that of the step that began last", () => {
      expect(planCheckpoint(log)).toBe("plan");
      expect(undoing("running", log)).toMatchObject({ reason: "failed", error: "no", count: 3, done: 1 });
      expect([...(undoing("running", log)?.steps ?? [])]).toEqual([
        ["a#2", "undone"],
        ["b", "undoing"],
        ["a", "undoing"],
      ]);
      expect(undoing("failed", log)?.steps.get("b")).toBe("not undone");
    });

    test("and none in a run that does not undo", () => {
      expect(undoing("failed", new RunLog())).toBeUndefined();
    });
  });

  describe("has the output of a step", () => {
    const output = (step_id: string, part: string, chunks: readonly unknown[]) =>
      event(0, "step.output", { step_id, part, chunks });
    const panel = (events: readonly RunEvent[], live = new LiveSteps()) => {
      const log = new RunLog();
      for (const event of events) log.add(event);
      return new OutputPanel({ update: () => {} }, log, live);
    };
    const shown = (panel: OutputPanel) =>
      panel.parts.map(({ part, chunks }) => [part, ...chunks.map(({ value }) => value)]);

    test("by the attempts that wrote it, of the step that wrote last until another is chosen", () => {
      const written = panel([
        output("a", "1.1", ["x", { y: 1 }]),
        output("b", "1.1", [null]),
        output("a", "1.1", ["z"]),
        output("a", "2.2", ["x"]),
      ]);
      expect([written.steps, written.stepId, shown(written)]).toEqual([["a", "b"], "b", [["1.1", null]]]);
      written.choose("a");
      expect(shown(written)).toEqual([
        ["1.1", "x", { y: 1 }, "z"],
        ["2.2", "x"],
      ]);
    });

    test("from its end, and earlier chunks once they are asked for", () => {
      const chunks = Array.from({ length: 1_200 }, (_, index) => index);
      const written = panel([output("a", "1.1", chunks)]);
      expect([written.earlier, shown(written)]).toEqual([700, [["1.1", ...chunks.slice(700)]]]);
      written.showEarlier();
      written.showEarlier();
      expect([written.earlier, shown(written)]).toEqual([0, [["1.1", ...chunks]]]);
    });

    test("and the newest messages that it published", () => {
      const live = new LiveSteps();
      for (let chunk = 1; chunk <= 60; chunk++) {
        live.take({ type: "step.published", at: new Date(chunk).toISOString(), payload: { step_id: "c", chunk } });
      }
      const { steps, stepId, parts, published } = panel([], live);
      expect([steps, stepId, parts]).toEqual([["c"], "c", []]);
      expect(published.map(({ value }) => value)).toEqual(Array.from({ length: 50 }, (_, index) => index + 11));
    });
  });

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

  test("shows the step with which the run failed as failed, also if its body received that failure", () => {
    const { rows } = timeline(
      [
        event(0, "step.started", { step_id: "a", uses: "step.do", attempt: 1 }),
        event(700, "step.failed", { step_id: "a", uses: "step.do", error: "no" }),
        event(700, "step.completed", { step_id: "a", uses: "step.do", status: "degraded", latency_ms: 700 }),
        event(800, "run.failed", { step_id: "a", code: "step_failed", message: "no" }),
      ],
      { status: "failed" },
    );
    expect(rows).toMatchObject([{ status: "failed", error: "no", segments: [{ kind: "failed", from: 0, to: 700 }] }]);
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

  test("has the steps of a map behind one row, which opens", () => {
    const step = (id: string, from: number, to: number, status = "completed") => [
      event(from, "step.started", { step_id: id, uses: "step.do", attempt: 1 }),
      ...(status === "degraded" ? [event(to, "step.failed", { step_id: id, uses: "step.do", error: "no" })] : []),
      event(to, "step.completed", { step_id: id, uses: "step.do", status }),
    ];
    const { rows, count } = timeline([
      ...step("before", 0, 5),
      ...step("save[a]", 10, 30),
      ...step("save[[b]]", 12, 20, "degraded"),
      ...step("save[2]", 50, 60),
      ...step("save[0]#2", 70, 71),
      ...step("after", 80, 85),
    ]);
    expect(count).toBe(6);
    const folded = foldedRows(rows, new Set());
    expect(folded.map(({ stepId }) => stepId)).toEqual(["before", "save[…]", "save[0]#2", "after"]);
    const [, map] = folded;
    expect(map).toMatchObject({ status: "degraded", map: { isOpen: false, count: 3, done: 2, failed: 1 } });
    expect(map?.segments.filter(({ kind }) => kind === "attempt").map(({ from, to }) => [from, to])).toEqual([
      [10, 30],
      [50, 60],
    ]);
    const open = foldedRows(rows, new Set(["save[…]"])).map(({ stepId }) => stepId);
    expect(open).toEqual(["before", "save[…]", "save[a]", "save[[b]]", "save[2]", "save[0]#2", "after"]);
  });

  test("shows a map of 10,000 items in a few stretches, as running while one of them is", () => {
    const rows = Array.from({ length: 10_000 }, (_, index) => ({
      stepId: `item[${index}]`,
      uses: "step.do",
      status: index === 9_999 ? ("running" as const) : ("completed" as const),
      attempts: 1,
      error: undefined,
      segments: [{ kind: "attempt" as const, from: 10 * index, to: 10 * index + 5, note: "" }],
      marks: [],
      checkpoints: [],
    }));
    const [map, ...others] = foldedRows(rows, new Set());
    expect(others).toEqual([]);
    expect(map).toMatchObject({ status: "running", map: { count: 10_000, done: 9_999 } });
    expect(map?.segments).toMatchObject([{ kind: "attempt", from: 0, to: 99_995 }]);
  });

  test("counts an event that comes twice once", () => {
    const log = new RunLog();
    const twice = event(0, "step.started", { step_id: "a" });
    expect([log.add(twice), log.add(twice)]).toEqual([true, false]);
    expect(log.position).toBe(`${revision}-0`);
  });
});

describe("what is shown of a run", () => {
  afterEach(() => void vi.useRealTimers());

  const event = (revision: number) => ({
    event_id: `r:${revision}:0`,
    event_type: "step.started",
    occurred_at: "2026-01-01T00:00:00.000Z",
    payload: { step_id: "a" },
  });
  const messages = (...events: readonly { readonly event_id: string }[]) =>
    events
      .map((event) => `id: ${event.event_id.slice(2).replace(":", "-")}\ndata: ${JSON.stringify(event)}\n\n`)
      .join("");
  const run = (status: string, revision = 1) =>
    Response.json({ run_id: "r", status }, { headers: { etag: `"${revision}"` } });
  const history = (...events: readonly object[]) =>
    Response.json({ history: [{ events }], pagination: { has_more: false } });
  /** A stream that says this, and then nothing more, without an end. */
  const silentAfter = (text: string) =>
    new Response(new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(text)) }));

  function feedOf(service: Service) {
    const log = new RunLog();
    const seen = { live: [] as boolean[], problems: [] as Problem[] };
    const feed = new RunFeed(service, "r", log, {
      changed: () => {},
      connected: (isLive) => void (seen.live.at(-1) === isLive || seen.live.push(isLive)),
      failed: (problem) => void seen.problems.push(problem),
      live: () => {},
    });
    void feed.start();
    return { feed, log, seen };
  }

  test("is not older than a history that was read after it", async () => {
    const statuses = ["running", "waiting_for_human"];
    const service = serviceOf(({ pathname }) => {
      if (pathname.endsWith("/history")) return history(event(7));
      if (pathname.endsWith("/stream")) return silentAfter(": heartbeat\n\n");
      return run(statuses.shift() ?? "waiting_for_human", 2 - statuses.length);
    });
    const { feed, log, seen } = feedOf(service);
    await expect.poll(() => seen.live).toEqual([true]);
    expect(log.events).toHaveLength(1);
    expect(feed.run?.status).toBe("waiting_for_human");
    feed.stop();
  });

  test("continues over another connection once one has been silent for a minute", async () => {
    vi.useFakeTimers();
    const asked: (string | null)[] = [];
    const streams = [() => silentAfter(messages(event(2))), () => silentAfter(messages(event(2), event(3)))];
    const service = serviceOf(({ pathname }, request) => {
      if (pathname.endsWith("/history")) return history(event(1));
      if (!pathname.endsWith("/stream")) return run("running");
      asked.push(request.headers.get("last-event-id"));
      return streams.shift()?.() ?? silentAfter("");
    });
    const { feed, log, seen } = feedOf(service);
    await vi.waitFor(() => expect(log.events).toHaveLength(2), soon);
    await vi.advanceTimersByTimeAsync(59_000);
    expect(asked).toEqual(["1-0"]);
    await vi.advanceTimersByTimeAsync(2_000);
    await vi.waitFor(() => expect(log.events).toHaveLength(3), soon);
    expect(asked).toEqual(["1-0", "2-0"]);
    expect(seen.live).toEqual([true, false, true]);
    expect(seen.problems.map(({ code }) => code)).toEqual(["upstream_failure"]);
    feed.stop();
  });

  test("says that the service is unavailable, and continues when it is back", async () => {
    vi.useFakeTimers();
    let isAway = false;
    const service = serviceOf(({ pathname }) => {
      if (isAway) throw new TypeError("no network");
      if (pathname.endsWith("/history")) return history(event(1));
      if (!pathname.endsWith("/stream")) return run("running");
      isAway = log.events.length === 1;
      // Closed, as by a service that is stopped.
      return new Response(messages(event(isAway ? 2 : 3)));
    });
    const { feed, log, seen } = feedOf(service);
    await vi.waitFor(() => expect(seen.live).toEqual([true, false]), soon);
    expect(seen.problems[0]).toMatchObject({ message: "The service cannot be reached." });
    expect(seen.problems[0]?.status).toBeUndefined();
    isAway = false;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(log.events).toHaveLength(3);
    expect(seen.live).toEqual([true, false, true]);
    feed.stop();
  });

  test("is followed again at once after an action, even if the service seemed unavailable", async () => {
    vi.useFakeTimers();
    let isAway = true;
    const service = serviceOf(({ pathname }) => {
      if (pathname.endsWith("/history")) return history(event(1));
      if (!pathname.endsWith("/stream")) return run("running");
      if (isAway) return new Response("", { status: 503 });
      return silentAfter(messages(event(2)));
    });
    const { feed, log, seen } = feedOf(service);
    await vi.waitFor(() => expect(seen.live).toEqual([false]), soon);
    isAway = false;
    feed.took(feed.run as RunAnswer);
    await vi.waitFor(() => expect(log.events).toHaveLength(2), soon);
    feed.stop();
  });

  test("sends no request once it is stopped", async () => {
    vi.useFakeTimers();
    let asked = 0;
    const service = serviceOf(({ pathname }) => {
      asked++;
      return pathname.endsWith("/history") ? history(event(1)) : run("completed");
    });
    const { feed } = feedOf(service);
    await vi.waitFor(() => expect(asked).toBe(3), soon);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(asked).toBe(4);
    feed.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBe(4);
  });
});

describe("the schedule that a run is", () => {
  function panel(answer: (request: Request) => Response) {
    const asked: string[] = [];
    const send = requests({
      fetch: (request) => {
        asked.push(`${request.method} ${new URL(request.url).pathname}`);
        return answer(request);
      },
    });
    const dialogs = new Dialogs(
      () => {},
      async () => "",
    );
    const app = {
      schedules: scheduleCalls("http://orca.test/", send),
      signal: new AbortController().signal,
      update: () => {},
      dialogs,
    };
    return { schedule: new SchedulePanel(app, "every day"), asked, dialogs };
  }
  const refusal = (status: number, code: string) => Response.json({ error: { code, message: "no" } }, { status });

  test("is read and changed by its routes; a trigger answers with the schedule too", async () => {
    const { schedule, asked } = panel(({ url }) =>
      Response.json(url.endsWith("/trigger") ? { schedule: { status: "active" }, run_id: "r" } : { status: "paused" }),
    );
    await schedule.read("orca.schedule");
    expect(schedule.answer).toMatchObject({ status: "paused" });
    await schedule.act("trigger");
    expect(schedule.answer).toEqual({ status: "active" });
    await schedule.act("pause");
    expect(asked).toEqual([
      "GET /v1/schedules/every%20day",
      "POST /v1/schedules/every%20day/trigger",
      "POST /v1/schedules/every%20day/pause",
    ]);
  });

  test("is not asked for again where the service has no schedules, nor for a run of another skill", async () => {
    const { schedule, asked } = panel(() => refusal(404, "not_found"));
    await schedule.read("letter");
    await schedule.read("orca.schedule");
    await schedule.read("orca.schedule");
    expect([asked.length, schedule.answer]).toEqual([1, undefined]);
  });

  test("stays as it is when an action is refused, and the refusal is shown", async () => {
    const { schedule, dialogs } = panel(() => refusal(409, "invalid_transition"));
    await schedule.act("resume");
    expect([schedule.answer, schedule.acting]).toEqual([undefined, undefined]);
    expect(dialogs.open).toMatchObject({ kind: "problem", problem: { code: "invalid_transition" } });
  });
});

describe("a problem", () => {
  test("is shown with the service's message, its status and its trace id", async () => {
    const error = {
      code: "conflict",
      message: "it is taken",
      hint: "choose another",
      type: "DurableError",
      status: 409,
    };
    const service = serviceOf(() => Response.json({ error, trace_id: "trace_1" }, { status: 409 }));
    expect(problemOf(await service.get("r").catch((error) => error))).toEqual({
      code: "conflict",
      message: "it is taken",
      hint: "choose another",
      status: 409,
      traceId: "trace_1",
    });
  });

  test("of a page in the service's place has its status", async () => {
    const service = serviceOf(() => new Response("<h1>Bad gateway</h1>", { status: 502 }));
    const problem = problemOf(await service.get("r").catch((error) => error));
    expect(problem).toMatchObject({
      code: "upstream_failure",
      message: "the service answered with the HTTP status 502",
      status: 502,
    });
  });

  test("that the client does not know is the inspector's own", () => {
    expect(problemOf(new RangeError("out of range"))).toEqual({ code: "inspector_error", message: "out of range" });
    expect(problemOf("text")).toEqual({ code: "inspector_error", message: "text" });
  });
});

describe("a dialog", () => {
  const action = { kind: "signal", runId: "r", name: "paid" } as const;

  test("that is retried has the same key, and one that is opened again has another", async () => {
    const used: string[] = [];
    const dialogs = new Dialogs(
      () => {},
      async (_action, _data, idempotencyKey) => {
        used.push(idempotencyKey());
        if (used.length === 1) throw new Error("the connection is lost");
        return "Sent.";
      },
    );
    dialogs.show(action);
    await dialogs.submit(action, new FormData());
    expect([dialogs.open, dialogs.problem?.message]).toEqual([action, "the connection is lost"]);
    await dialogs.submit(action, new FormData());
    expect([dialogs.open, dialogs.problem, dialogs.notice]).toEqual([undefined, undefined, "Sent."]);
    dialogs.show(action);
    await dialogs.submit(action, new FormData());
    expect(used[1]).toBe(used[0]);
    expect(used[2]).not.toBe(used[0]);
  });

  test("is neither closed nor submitted a second time while it is being done", async () => {
    const done = Promise.withResolvers<string>();
    let times = 0;
    const dialogs = new Dialogs(
      () => {},
      () => {
        times++;
        return done.promise;
      },
    );
    dialogs.show(action);
    const submitted = dialogs.submit(action, new FormData());
    await dialogs.submit(action, new FormData());
    dialogs.dismiss();
    expect([times, dialogs.open, dialogs.isBusy]).toEqual([1, action, true]);
    done.resolve("Sent.");
    await submitted;
    expect([times, dialogs.open, dialogs.isBusy]).toEqual([1, undefined, false]);
  });

  test.each(["{", "[]", "null", "7", '"text"'])("names the field in which %s is not a JSON object", async (text) => {
    const data = new FormData();
    data.set("inputs", text);
    expect(() => jsonObjectOf(data, "inputs")).toThrow(FieldError);
    const dialogs = new Dialogs(
      () => {},
      async () => String(jsonObjectOf(data, "inputs")),
    );
    dialogs.show(action);
    await dialogs.submit(action, data);
    expect([dialogs.fieldError?.name, dialogs.problem]).toEqual(["inputs", undefined]);
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
