import { describe, expect, test } from "vitest";
import { changeOfState } from "../../src/codec/bodies.ts";
import { applyDelta } from "../../src/codec/form.ts";
import { decodeState, encodeState, initialState, readState, writeState } from "../../src/codec/state.ts";
import { isDurableError } from "../../src/errors.ts";
import { type Json, type JsonObject, jsonEqual, parseJson, utf8Length, withMember } from "../../src/json.ts";
import type { ExecutionState, StepResult } from "../../src/record/state.ts";
import { orcaFixtures } from "../support/fixtures.ts";

function refusal(json: Json) {
  try {
    readState(json);
  } catch (error) {
    if (isDurableError(error)) return { code: error.code, path: error.path };
    throw error;
  }
  throw new Error("it was accepted");
}

const smallest: JsonObject = { skill_id: "s", inputs: {} };

describe("a fixture is loaded and saved again", () => {
  test.each(orcaFixtures)("$name: byte for byte", ({ text }) => {
    expect(JSON.stringify(writeState(readState(parseJson(text))), null, 2)).toBe(text);
  });

  test.each(orcaFixtures)("$name: byte for byte through live values", ({ text }) => {
    const state = decodeState(readState(parseJson(text)));
    expect(JSON.stringify(writeState(encodeState(state)), null, 2)).toBe(text);
  });

  test.each(orcaFixtures)("$name: every field equal, whatever the order of its keys", ({ text }) => {
    const json = parseJson(text);
    expect(jsonEqual(writeState(readState(reversed(json))), json)).toBe(true);
  });

  test("and none of them pollutes a prototype", () => {
    for (const { text } of orcaFixtures) decodeState(readState(parseJson(text)));
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

function reversed(json: Json): Json {
  if (Array.isArray(json)) return (json as readonly Json[]).map(reversed);
  if (typeof json !== "object" || json === null) return json;
  const entries = Object.entries(json).reverse();
  return Object.fromEntries(entries.map(([key, item]) => [key, reversed(item)]));
}

describe("a missing field takes its default", () => {
  const minimal = parseJson(orcaFixtures.find(({ name }) => name === "minimal")?.text ?? "") as JsonObject;

  test("all of them at once", () => {
    expect(writeState(readState({ skill_id: "noop", inputs: {} }))).toEqual(minimal);
    expect(writeState(initialState("noop", {}))).toEqual(minimal);
  });

  test.each(Object.keys(minimal).filter((key) => key !== "skill_id" && key !== "inputs"))("%s", (key) => {
    const { [key]: _, ...rest } = minimal;
    expect(writeState(readState(rest))).toEqual(minimal);
  });

  test.each(
    ["frame", "working", "output", "trace"].flatMap((part) =>
      Object.keys(minimal[part] as JsonObject).map((key) => [part, key] as const),
    ),
  )("%s.%s", (part, key) => {
    const { [key]: _, ...rest } = minimal[part] as JsonObject;
    expect(writeState(readState({ ...minimal, [part]: rest }))).toEqual(minimal);
  });

  test("in a step's result, an event, a traced step and the metrics", () => {
    const state = { ...smallest, step_results: { a: {} }, events: [{}], trace: { steps: [{}], metrics: {} } };
    expect(writeState(readState(state))).toMatchObject({
      step_results: {
        a: {
          step_id: "",
          uses: "",
          status: "",
          resolved_input: null,
          produced_output: null,
          raw_result: null,
          binding_id: null,
          service_id: null,
          attempts_count: null,
          fallback_used: null,
          conformance_profile: null,
          required_conformance_profile: null,
          error_message: null,
          started_at: null,
          finished_at: null,
          reads: null,
          writes: null,
          latency_ms: null,
        },
      },
      events: [{ type: "", message: "", timestamp: null, step_id: null, trace_id: null, data: {} }],
      trace: {
        steps: [{ step_id: "", capability_id: null, status: "", reads: [], writes: [], latency_ms: null }],
        metrics: { step_count: 0, llm_calls: 0, tool_calls: 0, tokens_in: 0, tokens_out: 0, elapsed_ms: 0 },
      },
    });
  });
});

describe("what is no state is refused, with its path", () => {
  test.each<[string, Json, string]>([
    ["not an object", [], "state"],
    ["null", null, "state"],
    ["no skill", { inputs: {} }, "state.skill_id"],
    ["no inputs", { skill_id: "s" }, "state.inputs"],
    ["inputs that are a list", { skill_id: "s", inputs: [] }, "state.inputs"],
    ["inputs that are null", { skill_id: "s", inputs: null }, "state.inputs"],
    ["a skill that is a number", { skill_id: 1, inputs: {} }, "state.skill_id"],
    ["vars that are text", { ...smallest, vars: "x" }, "state.vars"],
    ["a step's result that is null", { ...smallest, step_results: { a: null } }, "state.step_results.a"],
    [
      "a step's status that is a number",
      { ...smallest, step_results: { "odd key": { status: 1 } } },
      'state.step_results["odd key"].status',
    ],
    ["reads that are not text", { ...smallest, step_results: { a: { reads: [1] } } }, "state.step_results.a.reads[0]"],
    ["targets that are not text", { ...smallest, written_targets: ["a", 1] }, "state.written_targets[1]"],
    ["an event that is text", { ...smallest, events: [{}, "x"] }, "state.events[1]"],
    ["an event's data that is a list", { ...smallest, events: [{ data: [] }] }, "state.events[0].data"],
    ["a time that is a number", { ...smallest, started_at: 5 }, "state.started_at"],
    ["a frame that is a list", { ...smallest, frame: [] }, "state.frame"],
    ["a metric that is text", { ...smallest, trace: { metrics: { tokens_in: "5" } } }, "state.trace.metrics.tokens_in"],
    ["an iteration that is text", { ...smallest, iteration: "1" }, "state.iteration"],
    ["a malformed tag", { ...smallest, vars: { a: [{ $durable: 1 }] } }, "state.vars.a[0]"],
    ["a malformed tag in an unknown field", { ...smallest, later: { $durable: 1 } }, "state.later"],
  ])("%s", (_name, json, path) => {
    expect(refusal(json)).toEqual({ code: "invalid_request", path });
  });
});

describe("versions", () => {
  test.each<[JsonObject]>([
    [{}],
    [{ _checkpoint_version: 1 }],
    [{ state_version: "1.0.0" }],
    [{ state_version: "1.99.0" }],
    [{ state_version: "1" }],
    [{ state_version: "1.0.0-rc.1" }],
  ])("%j is read", (over) => {
    expect(readState({ ...smallest, ...over }).stateVersion).toBe(over.state_version ?? "1.0.0");
  });

  test.each<[JsonObject, string]>([
    [{ _checkpoint_version: 2 }, "state._checkpoint_version"],
    [{ _checkpoint_version: 0 }, "state._checkpoint_version"],
    [{ _checkpoint_version: "1" }, "state._checkpoint_version"],
    [{ _checkpoint_version: null }, "state._checkpoint_version"],
    [{ state_version: "2.0.0" }, "state.state_version"],
    [{ state_version: "0.9.0" }, "state.state_version"],
    [{ state_version: "10.0.0" }, "state.state_version"],
    [{ state_version: "" }, "state.state_version"],
    [{ state_version: "x" }, "state.state_version"],
  ])("%j is refused", (over, path) => {
    expect(refusal({ ...smallest, ...over })).toEqual({ code: "unsupported_version", path });
  });

  test.each(["2.0.0", "0.9.0", "", "x"])(
    "a state of version %j is not encoded or written, since it could not be read",
    (version) => {
      const state = { ...initialState<Json>("s", {}), stateVersion: version };
      for (const write of [encodeState, writeState]) {
        expect(() => write(state)).toThrow(
          expect.objectContaining({ code: "unsupported_version", path: "state.state_version" }),
        );
      }
    },
  );

  test("a state of another version is refused whatever else is wrong with it", () => {
    expect(refusal({ state_version: "2.0.0" }).code).toBe("unsupported_version");
    expect(refusal({ _checkpoint_version: 2, vars: 1 }).code).toBe("unsupported_version");
  });
});

test("values become live at every level, and are fresh at every call", () => {
  const tag: Json = { $durable: ["date", "2026-03-26T12:00:00.000Z"] };
  const state = readState({
    ...smallest,
    inputs: { a: tag },
    step_results: { s: { produced_output: tag } },
    events: [{ data: { a: tag } }],
    frame: { goal: tag, assumptions: [tag] },
    working: { messages: [tag] },
    output: { result: tag },
    extensions: { a: tag },
    later: tag,
  });
  const live = decodeState(state);
  const date = new Date("2026-03-26T12:00:00.000Z");
  expect(live).toMatchObject({
    inputs: { a: date },
    stepResults: { s: { producedOutput: date } },
    events: [{ data: { a: date } }],
    frame: { goal: date, assumptions: [date] },
    working: { messages: [date] },
    output: { result: date },
    extensions: { a: date },
    unknownFields: { later: date },
  });
  (live.inputs.a as Date).setTime(0);
  expect(decodeState(state).inputs.a).toEqual(date);
});

test("what a value cannot be is refused under its path in the state", () => {
  const state = { ...initialState<unknown>("s", {}), vars: { list: [1, () => 1] } };
  expect(() => encodeState(state)).toThrow(
    expect.objectContaining({ code: "invalid_request", path: "state.vars.list[1]" }),
  );
});

describe("the change of a state", () => {
  /** What comes of the wire form of the one by the stored form of the change to the other. */
  function through(before: ExecutionState<Json>, after: ExecutionState<Json>): Json {
    const json = JSON.parse(JSON.stringify(writeState(before))) as Json;
    const change = changeOfState(before, after);
    return change === undefined ? json : applyDelta(json, JSON.parse(JSON.stringify(change.delta)) as Json);
  }
  const bytesOf = (state: ExecutionState<Json>) => utf8Length(JSON.stringify(writeState(state)));
  const states = orcaFixtures.map(({ text }) => readState(parseJson(text)));
  const pairs = states.flatMap((before) => states.map((after) => [before, after] as const));

  test("leads from any fixture to any other, and says how much longer it makes it", () => {
    for (const [before, after] of pairs) {
      expect(jsonEqual(through(before, after), writeState(after))).toBe(true);
      expect(changeOfState(before, after)?.growth ?? 0).toBe(bytesOf(after) - bytesOf(before));
      expect(changeOfState(before, after) === undefined).toBe(jsonEqual(writeState(before), writeState(after)));
    }
  });

  test("of parts, each by itself, leads there too", () => {
    for (const [before, after] of pairs) {
      for (const part of Object.keys({ ...before, ...after }) as (keyof ExecutionState)[]) {
        const { [part]: _, ...rest } = before;
        const mixed = { ...rest, ...(after[part] === undefined ? {} : { [part]: after[part] }) } as typeof before;
        expect(jsonEqual(through(before, mixed), writeState(mixed)), part).toBe(true);
        expect(changeOfState(before, mixed)?.growth ?? 0, part).toBe(bytesOf(mixed) - bytesOf(before));
      }
    }
  });

  test("says one step where one was taken", () => {
    const before = readState({ ...smallest, step_results: { a: { status: "completed" } } });
    const result = { ...(before.stepResults.a as StepResult<Json>), status: "failed" };
    const added = { ...before, stepResults: withMember(before.stepResults, "b", result) };
    expect(changeOfState(before, added)?.delta).toEqual([
      "o",
      {},
      { step_results: ["o", { b: expect.objectContaining({ status: "failed" }) }, {}, []] },
      [],
    ]);
    const replaced = { ...before, stepResults: withMember(before.stepResults, "a", result) };
    expect(changeOfState(before, replaced)?.delta).toEqual([
      "o",
      {},
      { step_results: ["o", {}, { a: ["o", { status: "failed" }, {}, []] }, []] },
      [],
    ]);
  });

  test("looks at nothing that both states share", () => {
    const untouched = new Proxy<Record<string, never>>(
      {},
      {
        get: (_, key) => expect.unreachable(`it was read: ${String(key)}`),
        ownKeys: () => expect.unreachable("its keys were read"),
      },
    );
    const shared = {
      ...readState(smallest),
      inputs: untouched,
      working: untouched as never,
      stepResults: { a: untouched as never, b: untouched as never },
      events: [untouched as never, untouched as never],
    };
    const before = { ...shared, vars: withMember({ large: untouched }, "a", 1 as never) };
    const after = {
      ...before,
      vars: withMember(before.vars, "a", 2 as never),
      events: [...shared.events, untouched as never].slice(0, 2),
      stepResults: { ...shared.stepResults },
    };
    expect(changeOfState(before, after)).toEqual({
      delta: ["o", {}, { vars: ["o", { a: 2 }, {}, []] }, []],
      growth: 0,
      valueGrowth: 0,
      depth: 2,
    });
  });
});
