import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isoTime } from "../../src/clock.ts";
import {
  readEntry,
  readSnapshot,
  type WrittenSnapshot,
  writeEntryBody,
  writeSnapshot,
} from "../../src/codec/bodies.ts";
import { initialState, type Json, type JsonObject, readState, writeState } from "../../src/codec/index.ts";
import { parseCheckpointId, parseRunId } from "../../src/ids.ts";
import { eventTypes, type NewEvent } from "../../src/record/event.ts";
import { type ExecutionState, type StepResult, withResult } from "../../src/record/state.ts";
import type { SnapshotRow } from "../../src/store.ts";

type State = ExecutionState<Json>;

/** The states of a run, and the rows that hold them. */
function stored(states: readonly State[]): readonly SnapshotRow[] {
  let over: WrittenSnapshot | undefined;
  return states.map((state, index) => {
    const { body, snapshot } = writeSnapshot(state, index + 1, over);
    over = snapshot;
    return { revision: index + 1, body };
  });
}

/** Each state as it is read, in the ORCA v1 form. */
function read(rows: readonly SnapshotRow[]): readonly string[] {
  return rows.map(({ revision }) => {
    const first = rows.findLast((row) => row.revision <= revision && row.body.includes('"base":0,'));
    const range = rows.filter((row) => row.revision >= (first?.revision ?? 0) && row.revision <= revision);
    return JSON.stringify(writeState(readSnapshot(range, "the state").state));
  });
}

const whole = (states: readonly State[]) => states.map((state) => JSON.stringify(writeState(state)));

const noon = Date.UTC(2026, 2, 26, 12);
const result = (stepId: string, over: Partial<StepResult<Json>> = {}): StepResult<Json> => ({
  ...{ stepId, uses: "step.do", status: "completed", resolvedInput: null, producedOutput: "a", rawResult: null },
  ...{ attemptsCount: 1, startedAt: isoTime(noon), finishedAt: isoTime(noon + 3), reads: [], writes: [], latencyMs: 3 },
  ...over,
});
const start = { ...initialState<Json>("skill", { a: 1 }), status: "running", startedAt: isoTime(noon) };

describe("a step's result is stored once", () => {
  const after = withResult(start, result("one"), noon + 3);
  const rows = stored([start, after]);

  test("and what follows from it is read again", () => {
    expect(JSON.parse(rows[1]?.body ?? "")).toEqual({
      _delta_version: 2,
      base: 1,
      delta: [
        "r",
        {
          one: {
            ...{ produced_output: "a", latency_ms: 3 },
            ...{ started_at: isoTime(noon), finished_at: isoTime(noon + 3) },
          },
        },
        null,
      ],
    });
    expect(read(rows)).toEqual(whole([start, after]));
  });

  test.each<[string, State]>([
    ["that was degraded", withResult(start, result("one", { status: "degraded", attemptsCount: 2 }), noon + 3)],
    ["without lists", { ...after, stepResults: { one: { ...result("one"), reads: undefined as never } } }],
    ["under another key", { ...after, stepResults: { two: result("one") } }],
    ["recorded later", withResult(start, result("one"), noon + 9)],
    ["that took no time", withResult(start, result("one", { latencyMs: 0 }), noon + 3)],
    ["of unknown time", withResult(start, { ...result("one"), latencyMs: undefined as never }, noon + 3)],
    [
      "with another trace",
      { ...after, trace: { ...after.trace, steps: [...after.trace.steps, ...after.trace.steps] } },
    ],
    ["without a trace", { ...after, trace: start.trace }],
    ["with another count", { ...after, iteration: 7 }],
    ["with other metrics", { ...after, trace: { ...after.trace, metrics: { ...after.trace.metrics, llmCalls: 2 } } }],
    ["with an unknown field", withResult(start, { ...result("one"), unknownFields: { later: null } }, noon + 3)],
    ["with an output as well", { ...after, outputs: { a: [1] }, vars: { ["__proto__"]: 1 } }],
    ["after which another step is current", { ...after, currentStep: "two" }],
    ["beside another", withResult(after, result("2"), noon + 9)],
    ["out of order", withResult(withResult(start, result("2"), noon), result("1"), noon)],
  ])("%s", (_what, state) => {
    expect(read(stored([start, state]))).toEqual(whole([start, state]));
    // As a keyframe, and with what comes after it.
    const next = withResult(state, result("next"), noon + 20);
    const again = withResult(next, result("one", { producedOutput: "b" }), noon + 30);
    expect(read(stored([state, next, again]))).toEqual(whole([state, next, again]));
  });
});

test("a keyframe has neither defaults nor the trace of its results", () => {
  const state = withResult(withResult(start, result("one"), noon + 3), result("two"), noon + 6);
  const [row] = stored([state]);
  expect(JSON.parse(row?.body ?? "")).toEqual({
    _delta_version: 2,
    base: 0,
    delta: [
      "r",
      {
        one: {
          ...{ produced_output: "a", latency_ms: 3, started_at: isoTime(noon), finished_at: isoTime(noon + 3) },
        },
        two: {
          ...{ produced_output: "a", latency_ms: 3, started_at: isoTime(noon), finished_at: isoTime(noon + 3) },
        },
      },
      [
        "o",
        {
          ...{ skill_id: "skill", started_at: isoTime(noon), status: "running", updated_at: isoTime(noon + 6) },
        },
        { inputs: ["o", { a: 1 }, {}, []] },
        [],
      ],
    ],
  });
  expect(read(stored([state]))).toEqual(whole([state]));
});

describe("for any state", () => {
  const key = fc.oneof(fc.string(), fc.constantFrom("__proto__", "one", "0", "1", "length", "steps"));
  const value = fc.oneof(
    fc.constantFrom<Json>(null, [], {}, "", 0, "completed", false),
    fc.json().map((text) => JSON.parse(text)),
  );
  const fields = fc.array(fc.tuple(key, value), { maxLength: 3 }).map((entries) => Object.fromEntries(entries));
  const nothing = fc.constantFrom<Json>(null, {}, []);
  const text = fc.constantFrom("", "one", "completed", "pending", "1.0.0", isoTime(noon));
  const orNull = (one: fc.Arbitrary<Json>) => fc.oneof(fc.constant(null), one);
  const list = fc.array(text, { maxLength: 2 });
  const some = (record: Record<string, fc.Arbitrary<Json>>) =>
    fc.record(record, { requiredKeys: [] }) as fc.Arbitrary<JsonObject>;
  const anyResult = some({
    ...{ step_id: text, uses: text, status: text, resolved_input: value, produced_output: value, raw_result: value },
    ...{ binding_id: orNull(text), attempts_count: orNull(fc.nat(2)), fallback_used: orNull(fc.boolean()) },
    ...{ started_at: orNull(text), finished_at: orNull(text), reads: orNull(list), writes: orNull(list) },
    ...{ latency_ms: orNull(fc.nat(3)), later: value },
  });
  const step = some({
    ...{ step_id: text, capability_id: orNull(text), status: text, started_at: orNull(text), ended_at: orNull(text) },
    ...{ reads: list, writes: list, latency_ms: orNull(fc.nat(3)), later: value },
  });
  const json = fc
    .record(
      {
        ...{ skill_id: text, inputs: fields, vars: fields, outputs: fields, extensions: fields, later: value },
        step_results: fc.array(fc.tuple(key, anyResult), { maxLength: 3 }).map((all) => Object.fromEntries(all)),
        ...{ written_targets: list, status: text, iteration: fc.nat(3), current_step: orNull(text) },
        ...{ updated_at: orNull(text), finished_at: orNull(text), frame: some({ goal: value, context: fields }) },
        output: some({ result: value, summary: orNull(text), later: nothing }),
        events: fc.array(some({ type: text, data: fields, later: nothing }), { maxLength: 2 }),
        trace: some({
          steps: fc.array(step, { maxLength: 3 }),
          metrics: some({ step_count: fc.nat(2), elapsed_ms: fc.nat(9), llm_calls: fc.nat(1), later: nothing }),
        }),
      },
      { requiredKeys: ["skill_id", "inputs"] },
    )
    .map((given) => readState(given as Json));

  test("what is read is what was written, to the byte, from keyframes and from deltas", () => {
    fc.assert(
      fc.property(json, json, fc.array(anyResult, { maxLength: 3 }), (first, second, results) => {
        const states = [first, second];
        for (const one of results) {
          const given = readState({ skill_id: "", inputs: {}, step_results: { one } } as Json).stepResults.one;
          states.push(withResult(states.at(-1) as State, given as StepResult<Json>, noon));
        }
        expect(read(stored(states))).toEqual(whole(states));
        expect(read(stored(states.reverse()))).toEqual(whole(states));
      }),
      { numRuns: 300 },
    );
  });
});

describe("for any entry", () => {
  const runId = parseRunId("r");
  const at = fc.constantFrom(isoTime(noon), isoTime(noon + 1), "2026-03-26T12:00:01.123456+00:00", "");
  const any = fc.constantFrom<Json>(null, 0, 1, "one", "step.do", "completed", "c", "step_completed");
  const payload = fc.oneof(
    fc.record({ step_id: any, uses: any, attempt: any }),
    fc.record({ step_id: any, uses: any, status: any, attempts: any, latency_ms: any }),
    fc.record({ checkpoint_id: any, kind: any }),
    fc.constant({ step_id: "one", uses: "step.do", attempt: 1 }),
    fc.constant({ step_id: "one", uses: "step.do", status: "completed", attempts: 1, latency_ms: 3 }),
    fc.constant({ checkpoint_id: "c", kind: "step_completed" }),
    fc.dictionary(fc.string(), any, { maxKeys: 2 }),
  );
  const type = fc.constantFrom(...eventTypes);
  const event = fc.oneof(
    fc.record({ type, at, payload }),
    fc.record({ type: fc.constant("checkpoint.saved"), at, payload: fc.constant({ checkpoint_id: "c", kind: "k" }) }),
  );
  const saved = { type: "checkpoint.saved", payload: { checkpoint_id: "c", kind: "step_completed" } };
  const run = [
    { type: "step.started", payload: { step_id: "one", uses: "step.do", attempt: 1 } },
    {
      type: "step.completed",
      payload: { step_id: "one", uses: "step.do", status: "completed", attempts: 1, latency_ms: 3 },
    },
  ];
  const usual = fc
    .tuple(fc.array(event, { maxLength: 1 }), at, at, at, fc.boolean())
    .map(([middle, a, b, c, isStep]) => [
      ...(isStep ? [{ ...run[0], at: a }] : []),
      ...middle,
      ...(isStep ? [{ ...run[1], at: b }] : []),
      { ...saved, at: c },
    ]);
  const events = fc.oneof(fc.array(event, { maxLength: 4 }), usual) as fc.Arbitrary<NewEvent<Json>[]>;
  const checkpoint = fc.option(
    fc.record({
      checkpointId: fc.constant(parseCheckpointId("c")),
      runId: fc.constant(runId),
      kind: fc.constantFrom("step_completed", "k"),
      createdAt: at,
      pendingWrites: fc.constantFrom([], ["vars.x"]),
      stepId: fc.constantFrom("one", "two"),
    }),
    { nil: undefined },
  );

  test("what is read is what was written, in the order of its keys", () => {
    fc.assert(
      fc.property(events, checkpoint, (events, checkpoint) => {
        const entry = { nonce: "n", events, ...(checkpoint === undefined ? {} : { checkpoint }) };
        const body = writeEntryBody(entry);
        const row = {
          tenant: "t",
          runId,
          revision: 7,
          body,
          ...(checkpoint === undefined ? {} : { checkpointId: "c" }),
        };
        const read = readEntry(row);
        expect(JSON.stringify(read.events)).toBe(
          JSON.stringify(events.map(({ type, at, payload }) => ({ type, at, payload }))),
        );
        expect(read.checkpoint).toEqual(checkpoint);
      }),
      { numRuns: 2_000 },
    );
  });
});
