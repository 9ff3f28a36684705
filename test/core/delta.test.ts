import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { anyJson, applyDelta, changeOf, type Delta } from "../../src/codec/form.ts";
import { extent, type Json, sizeOf, utf8Length } from "../../src/json.ts";

/** A value that shares nothing with the given one, as if it had been stored and read. */
function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

function deltaBetween(before: Json, after: Json): Delta | undefined {
  return changeOf(anyJson, before, after)?.delta;
}

/** What comes of `before` by the stored form of the delta to `after`. */
function through(before: Json, after: Json): Json {
  const delta = deltaBetween(before, after);
  return delta === undefined ? copy(before) : applyDelta(copy(before), copy(delta));
}

const long = "a long text ".repeat(20);
const items = Array.from({ length: 100 }, (_, index) => ({ index }));

describe("a delta says only what changed", () => {
  test.each<[string, Json, Json, Delta | undefined]>([
    ["nothing", { a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }, undefined],
    ["the order of keys", { a: 1, b: 2 }, { b: 2, a: 1 }, ["o", {}, {}, [], ["a"]]],
    ["a member that came first", { b: 1, c: 2 }, { a: 0, b: 1, c: 2 }, ["o", { a: 0 }, {}, [], ["b", "c"]]],
    ["a number as a key, which comes first anyhow", { b: 1 }, { b: 1, 7: 2 }, ["o", { 7: 2 }, {}, []]],
    ["the order of keys in an item", [{ a: 1, b: 2 }, 0], [{ b: 2, a: 1 }, 0], ["e", 0, ["o", {}, {}, [], ["a"]]]],
    ["another scalar", 1, 2, ["=", 2]],
    ["another kind", [], {}, ["=", {}]],
    ["a member that is new", { a: 1 }, { a: 1, b: 2 }, ["o", { b: 2 }, {}, []]],
    ["a member that is gone", { a: 1, b: 2 }, { a: 1 }, ["o", {}, {}, ["b"]]],
    ["a member that is null and then gone", { a: null }, {}, ["o", {}, {}, ["a"]]],
    [
      "a member further in",
      { a: { b: { c: 1 } } },
      { a: { b: { c: 2 } } },
      ["o", {}, { a: ["o", {}, { b: ["o", { c: 2 }, {}, []] }, []] }, []],
    ],
    ["an item at the end", items, [...items, 1], ["a", 100, 0, [1]]],
    ["an item at the beginning", items, [1, ...items], ["a", 0, 0, [1]]],
    ["an item in the middle that is gone", items, items.toSpliced(50, 1), ["a", 50, 1, []]],
    ["one item that changed", items, items.with(7, { index: -1 }), ["e", 7, ["o", { index: -1 }, {}, []]]],
    ["items that repeat", [1, 1, 1], [1, 1, 1, 1], ["a", 3, 0, [1]]],
    ["a long text that grew", long, `${long}!`, ["s", long.length, "!"]],
    ["a short text that grew", "ab", "abc", ["=", "abc"]],
    ["a text that grew within a character", `${long}\ud83d`, `${long}\ud83d\ude00`, ["=", `${long}\ud83d\ude00`]],
  ])("%s", (_what, before, after, delta) => {
    expect(deltaBetween(before, after)).toEqual(delta);
    expect(JSON.stringify(through(before, after))).toBe(JSON.stringify(after));
  });

  test("as one that was stored before the order of keys was kept", () => {
    expect(applyDelta({ a: 1, b: 2 }, ["o", { c: 3 }, { b: ["=", 4] }, ["a"]])).toEqual({ b: 4, c: 3 });
  });
});

const hostileKeys = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "",
  "0",
  "length",
  "\ud800",
];

describe("a key is data, whatever its name", () => {
  test.each(hostileKeys)("%j comes, changes and goes", (key) => {
    const absent = { other: 1 };
    const present = Object.fromEntries([["other", 1] as const, [key, { a: 1 }] as const]);
    const changed = Object.fromEntries([["other", 1] as const, [key, { a: 1, b: [key] }] as const]);
    const scalar = Object.fromEntries([["other", 1] as const, [key, null] as const]);
    const all: readonly Json[] = [absent, present, changed, scalar];
    for (const before of all) for (const after of all) expect(copied(through(before, after))).toEqual(copied(after));
  });

  test("and no prototype is touched", () => {
    const delta: Delta = [
      "o",
      JSON.parse(`{"__proto__":{"polluted":1}}`),
      JSON.parse(`{"__proto__":["=",{"polluted":1}]}`),
      [],
    ];
    const result = applyDelta({}, delta);
    expect(Object.getPrototypeOf(result)).toBe(Object.prototype);
    expect(Object.keys(result as object)).toEqual(["__proto__"]);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

/** As text, since a matcher looks neither at own `__proto__` members nor at the order of keys. */
function copied(json: Json): unknown {
  return JSON.stringify(json);
}

function countOf(json: Json): number {
  if (typeof json !== "object" || json === null) return 1;
  return Object.values(json).reduce((sum: number, item) => sum + countOf(item as Json), 1);
}

function depthOf(json: Json): number {
  if (typeof json !== "object" || json === null) return 0;
  return 1 + Object.values(json).reduce((most: number, item) => Math.max(most, depthOf(item as Json)), 0);
}

describe("for any two values", () => {
  const key = fc.oneof(fc.string({ unit: "binary", maxLength: 3 }), fc.constantFrom(...hostileKeys));
  const { json } = fc.letrec<{ json: Json }>((tie) => ({
    json: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom(null, true, false, 0, 1, "", long, `${long}\ud83d`, "$durable"),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (Object.is(number, -0) ? 0 : number)),
      fc.string({ unit: "binary" }),
      fc.array(tie("json")),
      fc.array(fc.tuple(key, tie("json"))).map((entries): Json => Object.fromEntries(entries)),
    ),
  }));

  /** The value with parts of it replaced, added, dropped or grown: what a step makes of a state. */
  function edited(before: Json, seeds: readonly number[], given: readonly Json[]): Json {
    let [at, next] = [0, 0];
    const seed = () => seeds[at++ % seeds.length] ?? 0;
    const other = () => given[next++ % given.length] ?? null;
    const edit = (json: Json): Json => {
      const how = seed() % 8;
      if (how === 0) return other();
      if (how === 1 || typeof json === "number" || typeof json === "boolean" || json === null) return json;
      if (typeof json === "string") return how === 2 ? json.slice(1) : `${json}${long.slice(0, seed() % 9)}`;
      if (Array.isArray(json)) {
        const inner = how < 4 ? (json as readonly Json[]) : json.map(edit);
        const start = seed() % (inner.length + 1);
        return inner.toSpliced(start, seed() % 3, ...(how % 2 === 0 ? [other()] : []));
      }
      const entries = Object.entries(json);
      const members = (how === 5 ? entries.reverse() : entries).flatMap(([key, value]): [string, Json][] => {
        const what = seed() % 4;
        if (what === 0) return [];
        return [[key, what === 1 ? value : edit(value)]];
      });
      const place = seed() % (members.length + 1);
      return Object.fromEntries(
        how % 2 === 0
          ? members.toSpliced(place, 0, [hostileKeys[seed() % hostileKeys.length] ?? "", other()])
          : members,
      );
    };
    return edit(before);
  }

  const pair = fc.oneof(
    fc.tuple(json, json),
    fc
      .tuple(json, fc.array(fc.nat(), { minLength: 1 }), fc.array(json, { minLength: 1 }))
      .map(([before, seeds, given]) => [before, edited(before, seeds, given)] as const),
  );

  test("the stored delta makes one of the other, and changes neither", () => {
    fc.assert(
      fc.property(pair, ([before, after]) => {
        const texts = [JSON.stringify(before), JSON.stringify(after)];
        expect(copied(through(before, after))).toEqual(copied(after));
        expect([JSON.stringify(before), JSON.stringify(after)]).toEqual(texts);
      }),
      { numRuns: 2_000 },
    );
  });

  test("there is a delta where they differ, and only there", () => {
    fc.assert(
      fc.property(pair, ([before, after]) => {
        const isEqual = JSON.stringify(copied(before)) === JSON.stringify(copied(after));
        expect(deltaBetween(before, copy(after)) === undefined).toBe(isEqual);
      }),
    );
  });

  test("the JSON has just as many bytes and values more or less as the change says, and is nested no deeper", () => {
    const bytesOf = (json: Json) => utf8Length(JSON.stringify(json));
    fc.assert(
      fc.property(pair, ([before, after]) => {
        const change = changeOf(anyJson, before, after);
        expect(change?.growth ?? 0).toBe(bytesOf(after) - bytesOf(before));
        expect(change?.valueGrowth ?? 0).toBe(countOf(after) - countOf(before));
        expect(depthOf(after)).toBeLessThanOrEqual(Math.max(depthOf(before), change?.depth ?? 0));
        expect(change?.depth ?? 0).toBeLessThanOrEqual(depthOf(after));
      }),
      { numRuns: 2_000 },
    );
  });

  test("the size of a value is what a look at it says", () => {
    fc.assert(
      fc.property(json, fc.constantFrom(undefined, 1), (value, space) => {
        const seen = { values: countOf(value), depth: depthOf(value) };
        expect(sizeOf(value)).toEqual({ bytes: utf8Length(JSON.stringify(value)), ...seen });
        expect(extent(JSON.stringify(value, null, space))).toEqual(seen);
      }),
    );
  });

  test("a chain of deltas leads through all of them", () => {
    fc.assert(
      fc.property(fc.array(json, { minLength: 2 }), ([first = null, ...rest]) => {
        let [before, read] = [first, copy(first)];
        for (const after of rest) {
          const delta = deltaBetween(before, after);
          if (delta !== undefined) read = applyDelta(read, copy(delta));
          expect(copied(read)).toEqual(copied(after));
          before = after;
        }
      }),
    );
  });
});

test("a delta may bring more items than a call takes arguments", () => {
  const many = Array.from({ length: 400_000 }, (_, index) => index);
  const after = through([-1, -2], [-1, ...many, -2]) as readonly number[];
  expect(after.length).toBe(many.length + 2);
  expect([after[0], after[1], after[400_000], after[400_001]]).toEqual([-1, 0, 399_999, -2]);
  expect(through([-1, ...many, -2], [-1, -2])).toEqual([-1, -2]);
});

describe("a delta that does not fit is corrupt data", () => {
  test.each<[string, Json, unknown]>([
    ["of no kind", {}, ["?"]],
    ["that is empty", {}, []],
    ["that is text", {}, "o"],
    ["that is null", {}, null],
    ["without a value", {}, ["="]],
    ["for an object, on a list", [], ["o", {}, {}, []]],
    ["for an object, on null", null, ["o", {}, {}, []]],
    ["for an object, without its parts", {}, ["o"]],
    ["for an object, with a list of members", {}, ["o", [1], {}, []]],
    ["for an object, with a text of what goes", { a: 1 }, ["o", {}, {}, "a"]],
    ["for an object, on a member that is not there", {}, ["o", {}, { a: ["s", 1, ""] }, []]],
    ["for an object, with a text of what comes last", { a: 1 }, ["o", {}, {}, [], "a"]],
    ["for an object, moving what is not there", { a: 1 }, ["o", {}, {}, [], ["toString"]]],
    ["for an inherited member", {}, ["o", {}, { toString: ["o", { a: 1 }, {}, []] }, []]],
    ["for a list, on an object", {}, ["a", 0, 0, []]],
    ["for a list, behind its end", [1], ["a", 2, 0, [1]]],
    ["for a list, over its end", [1], ["a", 0, 2, []]],
    ["for a list, before its beginning", [1], ["a", -1, 0, [1]]],
    ["for a list, with a count below nothing", [1], ["a", 1, -1, [1]]],
    ["for a list, at half an item", [1], ["a", 0.5, 0, [1]]],
    ["for a list, at a text", [1], ["a", "0", 0, [1]]],
    ["for a list, with a text of items", [1], ["a", 0, 0, "ab"]],
    ["for a list, without items", [1], ["a", 0, 0]],
    ["for an item that is not there", [1], ["e", 1, ["=", 1]]],
    ["for an item by an inherited name", [1], ["e", "length", ["=", 0]]],
    ["for a text, on a number", 1, ["s", 1, ""]],
    ["for a text of another length", "abc", ["s", 2, "d"]],
    ["for a text, with a number", "abc", ["s", 3, 4]],
  ])("%s", (_what, before, delta) => {
    expect(() => applyDelta(copy(before), delta as Delta)).toThrow(expect.objectContaining({ code: "corrupt_data" }));
  });
});
