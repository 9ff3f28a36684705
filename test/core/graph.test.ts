import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import {
  createRuntime,
  defineCapability,
  defineGraphSkill,
  defineMigration,
  type GraphStep,
  isDurableError,
  literal,
} from "../../src/index.ts";
import { childRuns, maps } from "../../src/steps.ts";

function refusal(attempt: () => unknown) {
  try {
    attempt();
  } catch (error) {
    if (isDurableError(error)) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

const defined = (steps: readonly GraphStep[]) => defineGraphSkill({ id: "s", version: "1", steps });
const untyped = (step: unknown) => step as GraphStep;
const work = { uses: "work" };

describe("a graph that could go wrong is refused, with the place", () => {
  test.each<[string, readonly GraphStep[], readonly string[]]>([
    ["no steps", [], ['skill "s".steps', "at least one step"]],
    [
      "an id twice",
      [
        { id: "a", ...work },
        { id: "a", ...work },
      ],
      ['"a"', "duplicate"],
    ],
    ["an empty id", [{ id: "", ...work }], ["steps[0].id"]],
    ["an id that is no text", [{ id: 7 as never, ...work }], ["steps[0].id"]],
    ["an id of 257 characters", [{ id: "x".repeat(257), ...work }], ["steps[0].id"]],
    ["an unknown dependency", [{ id: "a", ...work, dependsOn: ["b"] }], ['"a"', '"b"', "not a step"]],
    ["a step that depends on itself", [{ id: "a", ...work, dependsOn: ["a"] }], ['"a" -> "a"', "cycle"]],
    [
      "a cycle",
      [
        { id: "before", ...work },
        { id: "a", ...work, dependsOn: ["before", "c"] },
        { id: "b", ...work, dependsOn: ["a"] },
        { id: "c", ...work, dependsOn: ["b"] },
      ],
      ['"a" -> "c" -> "b" -> "a"', "cycle"],
    ],
    ["a reference to nowhere", [{ id: "a", ...work, input: "other.x" }], ['steps[0] "a".input', '"other.x"']],
    [
      "a reference with an empty name",
      [{ id: "a", ...work, input: { p: "inputs..x" } }],
      ['"a".input.p', '"inputs..x"'],
    ],
    ["a reference to what no step writes", [{ id: "a", ...work, input: "vars.x" }], ['"a"', "vars.x"]],
    [
      "a reference to what a later step writes",
      [
        { id: "a", ...work, input: "vars.x" },
        { id: "b", ...work, output: "vars.x" },
      ],
      ['"a"', "vars.x", "no earlier step"],
    ],
    [
      "a reference to what a parallel step writes",
      [
        { id: "a", ...work, dependsOn: [], output: "vars.x" },
        { id: "b", ...work, dependsOn: [], input: { p: "vars.x.y" } },
      ],
      ['"b"', "vars.x"],
    ],
    ["a condition on what no step writes", [{ id: "a", ...work, when: "outputs.x" }], ['"a"', "outputs.x"]],
    ["a condition that is no reference", [{ id: "a", ...work, when: "x > 1" }], ['"a".when', '"x > 1"']],
    ["an output to inputs", [{ id: "a", ...work, output: "inputs.x" }], ['"a".output', '"inputs.x"']],
    ["an output without a name", [{ id: "a", ...work, output: "vars" }], ['"a".output', '"vars"']],
    ["an output into a value", [{ id: "a", ...work, output: { p: "vars.x.y" } }], ['"a".output', '"vars.x.y"']],
    [
      "a target that two parallel steps write",
      [
        { id: "a", ...work, dependsOn: [], output: "vars.x" },
        { id: "b", ...work, dependsOn: [], output: { p: "vars.y", q: "vars.x" } },
      ],
      ['"a"', '"b"', "vars.x", "same time"],
    ],
    [
      "an input that is neither reference nor literal",
      [untyped({ id: "a", ...work, input: { p: 5 } })],
      ['"a".input.p'],
    ],
    ["a literal that cannot be kept", [{ id: "a", ...work, input: { p: literal([() => 1]) } }], ['"a".input.p[0]']],
    ["a capability without a name", [{ id: "a", uses: "" }], ['"a".uses']],
    ["a signal without a name", [{ id: "a", waitFor: { signal: "" } }], ['"a".waitFor.signal']],
    ["a negative sleep", [{ id: "a", sleep: -1 }], ['"a".sleep']],
    ["an endless sleep", [{ id: "a", sleep: Number.POSITIVE_INFINITY }], ['"a".sleep']],
    ["a timeout that is no number", [{ id: "a", ...work, timeout: Number.NaN }], ['"a".timeout']],
    ["a wrong retry policy", [{ id: "a", ...work, retries: { limit: -1 } }], ['"a".retries.limit']],
    ["a sleep that no Date can hold", [{ id: "a", sleep: Number.MAX_SAFE_INTEGER }], ['"a".sleep']],
    [
      "a wait that no Date can hold",
      [{ id: "a", waitFor: { signal: "go", timeout: 8.64e15 } }],
      ['"a".waitFor.timeout'],
    ],
    ["a timeout that no Date can hold", [{ id: "a", ...work, timeout: 1e300 }], ['"a".timeout']],
    ["a delay that no Date can hold", [{ id: "a", ...work, retries: { delay: 1e300 } }], ['"a".retries.delay']],
    [
      "a longest delay that no Date can hold",
      [{ id: "a", ...work, retries: { maxDelay: 8.64e15 } }],
      ['"a".retries.maxDelay'],
    ],
    ["a member that no step has", [untyped({ id: "a", ...work, timeoutMs: 5 })], ["timeoutMs", "no such member"]],
    [
      "a member that no wait has",
      [untyped({ id: "a", waitFor: { signal: "go", timeoutMs: 5 } })],
      ["waitFor.timeoutMs"],
    ],
    ["a sleep that is a text", [untyped({ id: "a", sleep: "5" })], ['"a".sleep']],
    ["a step that does nothing", [untyped({ id: "a" })], ['"a"', "uses, waitFor, sleep and run"]],
    ["a step that does two things", [untyped({ id: "a", ...work, sleep: 1 })], ['"a"', "uses, waitFor, sleep and run"]],
    ["a run without the kind of steps", [{ id: "a", run: "child" }], ['"a".run', "uses: [childRuns]"]],
    ["what is no step", [untyped(null)], ["steps[0]"]],
    ["dependencies that are a text", [untyped({ id: "a", ...work, dependsOn: "b" })], ['"a".dependsOn']],
    ["an unknown policy for failures", [untyped({ id: "a", ...work, onFailure: "skip" })], ['"a".onFailure', "skip"]],
    ["a condition that is a value", [untyped({ id: "a", ...work, when: true })], ['"a".when']],
    ["a signal that is a text", [untyped({ id: "a", waitFor: "go" })], ['"a".waitFor']],
    ["an input that is a Map", [untyped({ id: "a", ...work, input: new Map([["p", "inputs.p"]]) })], ['"a".input']],
    ["an output that is a Map", [untyped({ id: "a", ...work, output: new Map([["p", "vars.p"]]) })], ['"a".output']],
    ["an input that is a number", [untyped({ id: "a", ...work, input: 5 })], ['"a".input']],
    ["an input with nothing in it", [untyped({ id: "a", ...work, input: { p: null } })], ['"a".input.p']],
    ["an output that is a number", [untyped({ id: "a", ...work, output: 5 })], ['"a".output']],
    ["an output with a number in it", [untyped({ id: "a", ...work, output: { p: 5 } })], ['"a".output']],
  ])("%s", (_name, steps, parts) => {
    const error = refusal(() => defined(steps));
    expect(error.code).toBe("invalid_definition");
    for (const part of parts) expect(error.message).toContain(part);
  });
});

describe("a step that reads what a step beside it may write is refused", () => {
  const first: GraphStep = { id: "first", ...work, output: { x: "vars.x", y: "outputs.y" } };
  const writer = (target: string): GraphStep => ({ id: "writer", ...work, dependsOn: ["first"], output: target });

  test.each<[string, string, GraphStep]>([
    ["as its input", "vars.x", { id: "reader", ...work, dependsOn: ["first"], input: "vars.x" }],
    ["as a part of its input", "vars.x", { id: "reader", ...work, dependsOn: ["first"], input: { p: "vars.x.a.0" } }],
    ["as its condition", "vars.x", { id: "reader", ...work, dependsOn: ["first"], when: "vars.x.ok" }],
    ["as the condition of a sleep", "outputs.y", { id: "reader", sleep: 1, dependsOn: ["first"], when: "outputs.y" }],
    ["in outputs", "outputs.y", { id: "reader", ...work, dependsOn: ["first"], input: { p: "outputs.y" } }],
    ["with all the others", "vars.other", { id: "reader", ...work, dependsOn: ["first"], input: { p: "vars" } }],
    ["with all outputs", "outputs.other", { id: "reader", ...work, dependsOn: ["first"], input: "outputs" }],
  ])("%s", (_name, target, reader) => {
    for (const steps of [
      [first, writer(target), reader],
      [first, reader, writer(target)],
    ]) {
      const error = refusal(() => defined(steps));
      expect(error.code).toBe("invalid_definition");
      expect(error.message).toContain(`while step "writer" may write ${target}`);
      expect(error.message).toContain('step "reader" reads ');
    }
  });

  test.each<[string, readonly GraphStep[]]>([
    ["one depends on the other", [first, writer("vars.x"), { id: "reader", ...work, input: "vars.x" }]],
    [
      "one depends on the other by way of a third",
      [
        first,
        { id: "reader", ...work, dependsOn: ["first"], input: "vars" },
        { id: "between", ...work },
        { id: "writer", ...work, output: "vars.x" },
      ],
    ],
    ["it is one step", [first, { id: "both", ...work, input: "vars.x", output: "vars.x" }]],
    [
      "it is another target",
      [first, writer("vars.z"), { id: "reader", ...work, dependsOn: ["first"], input: "vars.x" }],
    ],
    ["it is another root", [first, writer("outputs.x"), { id: "r", ...work, dependsOn: ["first"], input: "vars" }]],
  ])("but not where %s", (_name, steps) => {
    expect(defined(steps).id).toBe("s");
  });

  test("in a graph of a thousand steps in a row, and in one of a thousand side by side", () => {
    const row = Array.from({ length: 1_000 }, (_, index) => ({ id: `${index}`, ...work, output: "vars.x" }));
    const beside = row.map(({ id, uses }): GraphStep => ({ id, uses, dependsOn: [], output: `vars.v${id}` }));
    expect(defined(row).id).toBe("s");
    expect(defined(beside).id).toBe("s");
    const reader = { id: "reader", ...work, input: "vars.v999" };
    expect(defined([...beside, reader]).id).toBe("s");
    expect(refusal(() => defined([...beside, { ...reader, input: "vars" }])).message).toContain("vars.v0");
  });
});

test.each<[string, unknown, readonly string[]]>([
  ["of no skill", { run: {} }, ['"a".run', "defineSkill"]],
  ["of a skill without a name", { run: "" }, ['"a".run']],
  ["that waits by a text", { run: "child", wait: "no" }, ['"a".wait']],
  ["with an unknown policy", { run: "child", replayPolicy: "again" }, ['"a".replayPolicy']],
  ["with retries", { run: "child", retries: {} }, ['"a".retries', "only a step with uses"]],
  ["with an input that is no mapping", { run: "child", input: 5 }, ['"a".input']],
  ["with an input that no step writes", { run: "child", input: { p: "vars.p" } }, ['"a"', "vars.p"]],
])("a run %s is refused, with the place", (_, step, parts) => {
  const steps = [untyped({ id: "a", ...(step as object) })];
  const error = refusal(() => defineGraphSkill({ id: "s", version: "1", uses: [childRuns], steps }));
  expect(error.code).toBe("invalid_definition");
  for (const part of parts) expect(error.message).toContain(part);
});

test("kinds of steps that only a body can call are refused", () => {
  const error = refusal(() => defineGraphSkill({ id: "s", version: "1", uses: [maps], steps: [{ id: "a", ...work }] }));
  expect(error).toMatchObject({ code: "invalid_definition", message: expect.stringContaining("no steps of maps") });
});

describe("a graph is accepted", () => {
  test.each<[string, readonly GraphStep[]]>([
    ["of one step", [{ id: "a", ...work }]],
    [
      "with hostile ids",
      [
        { id: "__proto__", ...work },
        { id: "constructor", ...work },
        { id: "a.b c\"d'", ...work },
      ],
    ],
    [
      "of a diamond",
      [
        { id: "a", ...work, output: "vars.x" },
        { id: "b", ...work, dependsOn: ["a"], input: "vars.x" },
        { id: "c", ...work, dependsOn: ["a"], input: { p: "vars.x.deep.0.er" } },
        { id: "d", ...work, dependsOn: ["b", "c"], input: "vars.x" },
      ],
    ],
    [
      "that lists a step before its dependency",
      [
        { id: "b", ...work, dependsOn: ["a"], input: "vars.x" },
        { id: "a", ...work, dependsOn: [], output: "vars.x" },
      ],
    ],
    [
      "in which one step after the other writes a target",
      [
        { id: "a", ...work, output: "vars.x" },
        { id: "b", ...work, output: "vars.x" },
      ],
    ],
    [
      "in which parallel steps write different targets",
      [
        { id: "a", ...work, dependsOn: [], output: "vars.x" },
        { id: "b", ...work, dependsOn: [], output: "outputs.x" },
      ],
    ],
    ["with whole inputs", [{ id: "a", ...work, input: "inputs" }]],
    ["that sleeps for no time", [{ id: "a", sleep: 0 }]],
  ])("%s", (_name, steps) => {
    expect(defined(steps).id).toBe("s");
  });
});

describe("a skill", () => {
  test.each([
    ["without an id", { id: "", version: "1" }],
    ["with an id beyond ASCII", { id: "é", version: "1" }],
    ["without a version", { id: "s", version: "" }],
  ])("%s is refused", (_name, names) => {
    expect(refusal(() => defineGraphSkill({ ...names, steps: [{ id: "a", ...work }] })).code).toBe(
      "invalid_definition",
    );
  });

  test.each<[string, unknown, string]>([
    ["that are no list", {}, "migrations: expected an array"],
    ["one of which is missing", [undefined], "migrations[0]"],
    ["one of which is no migration", [{ from: "1" }], "migrations[0]: expected the result of defineMigration"],
    [
      "of which two begin at one version",
      [defineMigration({ from: "1", to: "2" }), defineMigration({ from: "1" })],
      "migrations[1].from",
    ],
  ])("with migrations %s is refused", (_name, migrations, part) => {
    const steps = [{ id: "a", ...work }];
    const error = refusal(() => defineGraphSkill({ id: "s", version: "2", migrations: migrations as never, steps }));
    expect(error.code).toBe("invalid_definition");
    expect(error.message).toContain(part);
  });

  test.each<[string, unknown, string]>([
    ["that is missing", undefined, "migration: expected"],
    ["from no version", {}, "migration.from"],
    ["from a number", { from: 1 }, "migration.from"],
    ["to a number", { from: "1", to: 2 }, "migration.to"],
    ["that leads nowhere", { from: "1", to: "1" }, "migration: from and to are the same"],
    ["by what is no function", { from: "1", migrate: "rename" }, "migration.migrate"],
    ["with names that are no object", { from: "1", renames: "a" }, "migration.renames"],
    ["with a list of names", { from: "1", renames: [["a", "b"]] }, "migration.renames"],
    [
      "with a Map of names",
      { from: "1", renames: new Map([["a", "b"]]) },
      "migration.renames: expected a plain object",
    ],
    ["with a name that is no text", { from: "1", renames: { a: 5 } }, "migration.renames.a"],
    ["with an empty name", { from: "1", renames: { a: "" } }, "migration.renames.a"],
    ["with a name that is too long", { from: "1", renames: { a: "x".repeat(257) } }, "migration.renames.a"],
    ["that makes two steps one", { from: "1", renames: { a: "c", b: "c" } }, 'would have the name "c"'],
  ])("a migration %s is refused", (_name, definition, part) => {
    const error = refusal(() => defineMigration(definition as never));
    expect(error.code).toBe("invalid_definition");
    expect(error.message).toContain(part);
  });

  test("that uses a capability which is not there is refused, with both names", () => {
    const skills = [defined([{ id: "a", ...work }])];
    const error = refusal(() => createRuntime({ serves: false, store: memoryStore(), skills }));
    expect(error.code).toBe("invalid_definition");
    for (const part of ['"s"', '"a"', '"work"']) expect(error.message).toContain(part);
  });

  test("of one id and version twice is refused", () => {
    const skill = defined([{ id: "a", sleep: 1 }]);
    expect(
      refusal(() => createRuntime({ serves: false, store: memoryStore(), skills: [skill, skill] })).message,
    ).toContain("duplicate skill");
  });

  test("cannot be changed", () => {
    const skill = defined([{ id: "a", ...work }]);
    expect(() => Object.assign(skill, { version: "2" })).toThrow(TypeError);
  });
});

test("two capabilities of one id are refused", () => {
  const capability = defineCapability({ id: "work", version: "1" }, () => 1);
  const error = refusal(() =>
    createRuntime({ serves: false, store: memoryStore(), capabilities: [capability, capability] }),
  );
  expect(error).toMatchObject({ code: "invalid_definition" });
  expect(error.message).toContain('"work"');
});

test.each(["Freigabe für Müller", "a\nb", "x".repeat(256), "__proto__", "half \ud83d", "a.b/c"])(
  "%j is the id of a step: any text of 1 to 256 characters is",
  (id) => {
    const { body } = defineGraphSkill({ id: "s", version: "1", steps: [{ id, uses: "work" }] });
    expect(body.kind === "graph" && body.graph.steps.map((step) => step.id)).toEqual([id]);
  },
);
