import { isDeepStrictEqual } from "node:util";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { anyJson, applyDelta, changeOf } from "../../src/codec/form.ts";
import { decodeValue, encodeValue } from "../../src/codec/values.ts";
import { isDurableError } from "../../src/errors.ts";
import { type Json, parseJson } from "../../src/json.ts";
import { fastest } from "../support/cpu-time.ts";

/** The value after it was stored as text and read again. */
function stored(value: unknown): unknown {
  return decodeValue(JSON.parse(JSON.stringify(encodeValue(value, "v"))) as Json, "v");
}

function refusal(attempt: () => unknown) {
  try {
    attempt();
  } catch (error) {
    if (isDurableError(error)) return { code: error.code, path: error.path };
    throw error;
  }
  throw new Error("it was accepted");
}

const plain: readonly unknown[] = [
  null,
  true,
  "",
  "text",
  0,
  -1.5,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  Number.MAX_VALUE,
  Number.MIN_VALUE,
  [],
  {},
  [[[]]],
  { a: [1, { b: null }] },
  { "": "an empty key", " ": 1, "a.b": 2, "\u0000": 3 },
  "\u0000 \u2028 \u2029 \u{1f40b}",
  "\ud800 alone, \udc00 too",
  { "\ud800": "a key of half a character" },
  { constructor: 1, prototype: 2, toString: 3, hasOwnProperty: 4, valueOf: 5, toJSON: 6 },
  { $durable: 1, other: 2 },
  { $durable_: 1 },
  { durable: ["undefined"] },
  ["$durable"],
  { $type: "Date", __type: "x", lc: 1, type: "constructor", id: ["a"] },
];

describe("plain JSON encodes to itself", () => {
  test.each(plain.map((value) => [value]))("%j", (value) => {
    expect(encodeValue(value, "v")).toEqual(value);
    expect(stored(value)).toEqual(value);
  });

  test("any JSON without a tag look-alike", () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ noUnicodeString: false }).filter((json) => !JSON.stringify(json).includes("$durable")),
        (json) => {
          const value = JSON.parse(JSON.stringify(json)) as Json;
          expect(JSON.stringify(encodeValue(value, "v"))).toBe(JSON.stringify(value));
        },
      ),
    );
  });
});

const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);

const odd: readonly (readonly [string, unknown])[] = [
  ["undefined", undefined],
  ["undefined in an array", [undefined, 1, undefined]],
  ["undefined in an object", { a: undefined }],
  ["NaN", Number.NaN],
  ["infinities", [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]],
  ["-0", -0],
  ["-0 deep inside", { a: [{ b: -0 }] }],
  ["a bigint", 2n ** 200n],
  ["a negative bigint", -(2n ** 64n)],
  ["0n", 0n],
  ["a Date", new Date("2026-03-26T12:00:00.123Z")],
  ["the first and the last Date", [new Date(-8.64e15), new Date(8.64e15)]],
  ["an invalid Date", new Date(Number.NaN)],
  [
    "a Map",
    new Map<unknown, unknown>([
      ["a", 1],
      [1, "a"],
      [{ k: 1 }, new Map([["x", undefined]])],
      [Number.NaN, -0],
    ]),
  ],
  ["an empty Map and Set", [new Map(), new Set()]],
  ["a Set", new Set<unknown>(["a", 1, null, undefined, new Set([1n])])],
  ["a Uint8Array", bytes],
  ["an empty Uint8Array", new Uint8Array()],
  ["an Int8Array", Int8Array.of(-1, 127)],
  ["a Uint8ClampedArray", Uint8ClampedArray.of(0, 255)],
  ["an Int16Array", Int16Array.of(-300, 300)],
  ["a Uint16Array", Uint16Array.of(65_535)],
  ["an Int32Array", Int32Array.of(-1)],
  ["a Uint32Array", Uint32Array.of(2 ** 32 - 1)],
  ["a Float32Array", Float32Array.of(1.5, Number.NaN)],
  ["a Float64Array", Float64Array.of(Math.PI, -0)],
  ["a BigInt64Array", BigInt64Array.of(-1n)],
  ["a BigUint64Array", BigUint64Array.of(2n ** 64n - 1n)],
  ["an ArrayBuffer", Uint8Array.of(1, 2, 3).buffer],
  ["a DataView", new DataView(Uint8Array.of(1, 2, 3).buffer, 1, 2)],
  ["a tag", { $durable: ["undefined"] }],
  ["a tag of a Date", { $durable: ["date", "2026-03-26T12:00:00.000Z"] }],
  ["an escaped tag", { $$durable: ["undefined"] }],
  ["a twice escaped tag", { $$$durable: 1 }],
  ["tags in tags", { $durable: { $durable: { $$durable: [{ $durable: 1 }] } } }],
  ["a tag's content beside another key", { $durable: ["undefined"], $$durable: 1 }],
  ["a tag in a Map", new Map([[{ $durable: ["set", []] }, { $$durable: 0 }]])],
  ["a tag with an odd value inside", { $durable: [undefined, new Date(0)] }],
];

describe("what JSON cannot say comes back equal", () => {
  test.each(odd)("%s", (_name, value) => {
    const back = stored(value);
    expect(back).toStrictEqual(value);
    expect(encodeValue(back, "v")).toEqual(encodeValue(value, "v"));
  });

  test("an object without a prototype comes back with the usual one", () => {
    expect(stored(Object.assign(Object.create(null), { a: 1 }))).toStrictEqual({ a: 1 });
  });

  test("an own __proto__ is data", () => {
    const value = JSON.parse('{"__proto__":{"polluted":[1]},"a":{"__proto__":null}}') as unknown;
    const back = stored(value) as Record<string, unknown>;
    expect(Object.keys(back)).toEqual(["__proto__", "a"]);
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
    expect(JSON.stringify(back)).toBe(JSON.stringify(value));
    expect(back.polluted).toBeUndefined();
  });

  test("an own __proto__ with an odd value is data", () => {
    const value = Object.fromEntries([["__proto__", new Date(0)]]);
    expect(Object.getOwnPropertyDescriptor(stored(value), "__proto__")?.value).toEqual(new Date(0));
  });

  test("a typed array keeps its view of a larger buffer, and no more", () => {
    const view = new Uint16Array(bytes.buffer, 10, 3);
    const back = stored(view) as Uint16Array;
    expect(back).toStrictEqual(Uint16Array.from(view));
    expect(back.buffer.byteLength).toBe(6);
  });

  test("a Buffer of Node comes back as the Uint8Array that it is", () => {
    expect(stored(Buffer.from("abc"))).toStrictEqual(Uint8Array.of(97, 98, 99));
  });

  test("a megabyte of bytes", () => {
    const large = new Uint8Array(2 ** 20).map((_, index) => index * 7);
    expect(stored(large)).toEqual(large);
  });

  test("values of another realm", () => {
    const made = runInNewContext(
      "({ object: { a: 1 }, array: [1], date: new Date(5), map: new Map([[1, 2]]), set: new Set([3]), error: new TypeError('x'), bytes: Uint8Array.of(9), buffer: Uint8Array.of(8).buffer })",
    ) as Record<string, unknown>;
    const back = stored(made) as Record<string, unknown>;
    expect(back).toMatchObject({ object: { a: 1 }, array: [1] });
    expect(back.date).toStrictEqual(new Date(5));
    expect(back.map).toStrictEqual(new Map([[1, 2]]));
    expect(back.set).toStrictEqual(new Set([3]));
    expect(back.error).toBeInstanceOf(TypeError);
    expect(back.bytes).toStrictEqual(Uint8Array.of(9));
    expect(back.buffer).toStrictEqual(Uint8Array.of(8).buffer);
  });

  test("an object that occurs twice, which is no cycle", () => {
    const shared = { a: [1] };
    expect(stored([shared, shared, new Map([["k", shared]])])).toStrictEqual([
      shared,
      shared,
      new Map([["k", shared]]),
    ]);
  });
});

describe("errors", () => {
  test.each([
    new Error("plain"),
    new TypeError("typed"),
    new RangeError("ranged", { cause: new Error("because", { cause: "text" }) }),
    Object.assign(new Error("with fields"), { code: "E_X", at: new Date(0), __proto__x: 1 }),
    new Error("", { cause: undefined }),
  ])("%s", (error) => {
    const back = stored({ error }) as { error: Error };
    expect(back.error).toBeInstanceOf(error.constructor);
    expect(back.error.name).toBe(error.name);
    expect(back.error.message).toBe(error.message);
    expect(Object.hasOwn(back.error, "cause")).toBe(Object.hasOwn(error, "cause"));
    expect(back.error).toEqual(error);
  });

  test("of a class of their own keep their name, and are an Error", () => {
    class OddError extends Error {
      override readonly name = "OddError";
      readonly detail = { a: 1 };
    }
    const back = stored(new OddError("odd")) as OddError;
    expect(back.name).toBe("OddError");
    expect(back.detail).toEqual({ a: 1 });
    expect(back.constructor).toBe(Error);
  });

  test("name no constructor by what they are called", () => {
    const back = decodeValue({ $durable: ["error", { name: "Function", message: "return 1" }] }, "v");
    expect(back).toBeInstanceOf(Error);
    expect((back as Error).constructor).toBe(Error);
  });

  test("of several errors keep all of them", () => {
    const back = stored(new AggregateError([new Error("a"), new TypeError("b")], "both")) as AggregateError;
    expect(back.message).toBe("both");
    expect(back.errors).toEqual([new Error("a"), new TypeError("b")]);
  });
});

class Instance {
  readonly a = 1;
}

describe("what cannot be kept is refused, with its path", () => {
  const cycle: { a: unknown[] } = { a: [] };
  cycle.a.push({ back: cycle });
  const cyclicMap = new Map<string, unknown>();
  cyclicMap.set("self", cyclicMap);
  const cyclicError = new Error("x");
  cyclicError.cause = cyclicError;
  // biome-ignore lint/suspicious/noSparseArray: just such an array.
  const sparse = [1, , 3];

  test.each<[string, unknown, string]>([
    ["a function", { a: [() => 1] }, "v.a[0]"],
    ["a class", [class {}], "v[0]"],
    ["a symbol", { a: Symbol("s") }, "v.a"],
    ["a symbol as a key", { a: { [Symbol("s")]: 1 } }, "v.a"],
    ["a cycle", cycle, "v.a[0].back"],
    ["a cycle through a Map", { m: cyclicMap }, "v.m[0].value"],
    ["a cycle through a cause", { e: cyclicError }, "v.e.cause"],
    ["an instance of a class", { "odd key": new Instance() }, 'v["odd key"]'],
    ["an instance in a Set", new Set([1, new Instance()]), "v[1]"],
    ["an instance as a key of a Map", new Map([[new Instance(), 1]]), "v[0].key"],
    ["an instance that calls itself a Date", { d: { [Symbol.toStringTag]: "Date" } }, "v.d"],
    ["a sparse array", { a: sparse }, "v.a"],
    ["an array with a field", { a: Object.assign([1], { extra: 1 }) }, "v.a"],
    ["an array with as many fields as holes", { a: Object.assign(sparse.slice(), { extra: 1 }) }, "v.a"],
    ["an array with a field of undefined for its hole", [Object.assign(new Array(1), { extra: undefined })], "v[0]"],
    ["an ArrayBuffer with a field", { a: Object.assign(new ArrayBuffer(1), { extra: 1 }) }, "v.a"],
    ["an array without a prototype", { a: Object.setPrototypeOf([1], null) }, "v.a"],
    ["an instance of a subclass of Array", { a: new (class Stack extends Array {})() }, "v.a"],
    ["an instance of a subclass of Map", { a: new (class Cache extends Map {})() }, "v.a"],
    ["an instance of a subclass of Date", { a: new (class Day extends Date {})() }, "v.a"],
    ["a Map with a field", { a: Object.assign(new Map(), { extra: 1 }) }, "v.a"],
    ["a Date with a field", { a: Object.assign(new Date(), { extra: 1 }) }, "v.a"],
    ["a RegExp", { a: /x/ }, "v.a"],
    ["a URL", { a: new URL("http://x") }, "v.a"],
    ["a Promise", { a: Promise.resolve() }, "v.a"],
    ["a WeakMap", { a: new WeakMap() }, "v.a"],
    ["a boxed number", { a: Object(1) }, "v.a"],
    ["a boxed string", { a: Object("x") }, "v.a"],
    ["a generator", { a: (function* () {})() }, "v.a"],
    ["globalThis", globalThis, "v"],
    ["Math", { a: Math }, "v.a"],
    ["what a field of an error holds", Object.assign(new Error("x"), { f: () => 1 }), "v.f"],
    ["a bigint too long to be read again", [1n << 400_000n], "v[0]"],
  ])("%s", (_name, value, path) => {
    expect(refusal(() => encodeValue(value, "v"))).toEqual({ code: "invalid_request", path });
  });

  test("more than 500 levels", () => {
    const nest = (levels: number) => {
      let value: unknown = "core";
      for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value };
      return value;
    };
    expect(stored(nest(500))).toEqual(nest(500));
    expect(refusal(() => encodeValue(nest(501), "v")).code).toBe("invalid_request");
    expect(refusal(() => encodeValue(nest(20_000), "v")).code).toBe("invalid_request");
  });
});

describe("many bytes", () => {
  const random = new Uint8Array(3 * 1024 * 1024 + 1);
  for (let at = 0; at < random.length; at += 65_536) crypto.getRandomValues(random.subarray(at, at + 65_536));

  test.each([0, 1, 2, 3, 0x5fff, 0x6000, 0x6001, random.length])("%i of them are kept as base64", (length) => {
    const given = random.slice(0, length);
    const text = Buffer.from(given).toString("base64");
    expect(encodeValue(given)).toEqual({ $durable: ["bytes", "Uint8Array", text] });
    expect(Buffer.from(decodeValue(encodeValue(given)) as Uint8Array).equals(given)).toBe(true);
  });

  test("take the platform's own way where it has one, and come back the same", () => {
    let calls = 0;
    class Native extends Uint8Array {
      toBase64(): string {
        calls++;
        return Buffer.from(this).toString("base64");
      }
    }
    const { toBase64 } = Native.prototype;
    const fromBase64 = (text: string) => {
      calls++;
      return Uint8Array.from(Buffer.from(text, "base64"));
    };
    const before = JSON.stringify(encodeValue(bytes));
    const natives = [
      [Uint8Array.prototype, "toBase64", toBase64],
      [Uint8Array, "fromBase64", fromBase64],
    ] as const;
    const originals = natives.map(([target, name]) => Object.getOwnPropertyDescriptor(target, name));
    try {
      for (const [target, name, value] of natives) Object.defineProperty(target, name, { value, configurable: true });
      expect(JSON.stringify(encodeValue(bytes))).toBe(before);
      expect(decodeValue(JSON.parse(before) as Json)).toEqual(bytes);
      expect(calls).toBe(2);
    } finally {
      natives.forEach(([target, name], index) => {
        const original = originals[index];
        if (original === undefined) Reflect.deleteProperty(target, name);
        else Object.defineProperty(target, name, original);
      });
    }
  });

  test("are many times as fast as one by one", () => {
    const text = Buffer.from(random).toString("base64");
    const encoded = encodeValue(random);
    const oneByOne = fastest(() => {
      let binary = "";
      for (let at = 0; at < random.length; at += 0x8000) {
        binary += String.fromCharCode(...random.subarray(at, at + 0x8000));
      }
      return [btoa(binary), Uint8Array.from(atob(text), (character) => character.charCodeAt(0))];
    });
    expect(fastest(() => [encodeValue(random), decodeValue(encoded)])).toBeLessThan(oneByOne / 3);
  });
});

describe("what a value costs", () => {
  /** That number of values of that number of levels, around this one. */
  const nested = (levels: number, times: number, leaf = 1): Json =>
    Array.from({ length: times }, () => {
      let value: Json = leaf;
      for (let level = 0; level < levels; level++) value = [value];
      return value;
    });
  /** Each prepares its work on values of a size. */
  const works: Readonly<Record<string, (levels: number, times: number) => () => unknown>> = {
    encoding(...size) {
      const value = nested(...size);
      return () => encodeValue(value);
    },
    decoding(...size) {
      const json = encodeValue(nested(...size));
      return () => decodeValue(json);
    },
    parsing(...size) {
      const text = JSON.stringify(nested(...size));
      return () => parseJson(text, "", Number.POSITIVE_INFINITY);
    },
    "finding what changed"(...size) {
      const [before, after] = [nested(...size), nested(...size, 2)];
      return () => changeOf(anyJson, before, after);
    },
    "applying what changed"(...size) {
      const before = nested(...size);
      const delta = changeOf(anyJson, before, [[0], ...(nested(...size, 2) as readonly Json[])])?.delta;
      return () => applyDelta(before, delta as unknown as Json);
    },
  };
  for (const [name, prepare] of Object.entries(works)) {
    test(`does not grow with the square of its depth, or of its length: ${name}`, () => {
      const [deep, flat, short] = [prepare(480, 500), prepare(1, 240_000), prepare(1, 24_000)].map(fastest);
      expect(deep).toBeLessThan(4 * (flat as number));
      expect(flat).toBeLessThan(50 * (short as number));
    });
  }

  test("an object may stand in a value twice, and a cycle is still found after a value was refused", () => {
    const shared = { a: 1 };
    expect(encodeValue([shared, [shared], { shared }])).toEqual([{ a: 1 }, [{ a: 1 }], { shared: { a: 1 } }]);
    const cycle: unknown[] = [shared];
    cycle.push([cycle]);
    expect(refusal(() => encodeValue(cycle, "v"))).toEqual({ code: "invalid_request", path: "v[1][0]" });
    expect(refusal(() => encodeValue([shared, () => 1, shared], "v")).path).toBe("v[1]");
  });
});

describe("a malformed tag is refused, with its path", () => {
  test.each<[Json]>([
    [null],
    [{}],
    ["undefined"],
    [[]],
    [["unknown"]],
    [["constructor"]],
    [["number", "1"]],
    [["number", 1]],
    [["bigint", "0x10"]],
    [["bigint", ""]],
    [["bigint", 1]],
    [["bigint", "1".repeat(100_001)]],
    [["date", "yesterday"]],
    [["date", 5]],
    [["map", [["only a key"]]]],
    [["map", { a: 1 }]],
    [["set", "abc"]],
    [["bytes", "Uint8Array", "not base64!"]],
    [["bytes", "Uint16Array", "AQ=="]],
    [["bytes", "Function", "AQ=="]],
    [["bytes", "constructor", "AQ=="]],
    [["error", "text"]],
    [["error"]],
    [["error", { name: { toString: 1 } }]],
    [["error", { name: "Error", message: null }]],
  ])("%j", (tag) => {
    expect(refusal(() => decodeValue({ a: [{ $durable: tag }] }, "v"))).toEqual({
      code: "invalid_request",
      path: "v.a[0]",
    });
  });
});

test("what every object inherits is not stored", () => {
  const value = { a: 1, list: [{ b: 2 }] };
  const texts: string[] = [];
  Object.defineProperty(Object.prototype, "inherited", { value: () => 1, enumerable: true, configurable: true });
  try {
    texts.push(JSON.stringify(encodeValue(value, "v")), Object.keys(decodeValue(value, "v") as object).join());
  } finally {
    Reflect.deleteProperty(Object.prototype, "inherited");
  }
  expect(texts).toEqual(['{"a":1,"list":[{"b":2}]}', "a,list"]);
});

test("each getter is called once, and what it returned is stored", () => {
  let calls = 0;
  const value = {
    get a() {
      return ++calls;
    },
    list: [{ b: 1 }],
  };
  expect(encodeValue(value, "v")).toEqual({ a: 1, list: [{ b: 1 }] });
});

test.each(["name", "message"])("an error whose %s is no text is refused under its path", (field) => {
  const error = Object.assign(new Error("odd"), { [field]: Object.create(null) });
  expect(refusal(() => encodeValue({ a: [error] }, "v"))).toEqual({
    code: "invalid_request",
    path: `v.a[0].${field}`,
  });
});

test("what is in a map is refused under its path", () => {
  const value = new Map<unknown, unknown>([[1, { "odd key": [() => 1] }]]);
  expect(refusal(() => encodeValue({ m: value }, "v"))).toEqual({
    code: "invalid_request",
    path: 'v.m[0].value["odd key"][0]',
  });
});

test("what is decoded is fresh at every call", () => {
  const json = encodeValue({ list: [1], date: new Date(0) }, "v");
  const first = decodeValue(json, "v") as { list: number[]; date: Date };
  first.list.push(2);
  first.date.setTime(5);
  expect(decodeValue(json, "v")).toEqual({ list: [1], date: new Date(0) });
});

test("what is encoded shares nothing with the value", () => {
  const value = { list: [{ a: 1 }] };
  const json = encodeValue(value, "v");
  value.list[0] = { a: 2 };
  value.list.push({ a: 3 });
  expect(json).toEqual({ list: [{ a: 1 }] });
});

describe("of any value", () => {
  const key = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("__proto__", "constructor", "$durable", "$$durable", "$$$durable", "", "toString", "\ud800"),
  );
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.oneof(
        fc.constantFrom(null, true, false, undefined, Number.NaN, Number.POSITIVE_INFINITY, -0, 0),
        fc.double(),
        fc.maxSafeInteger(),
        fc.string({ unit: "binary" }),
        fc.bigInt(),
        fc.date({ noInvalidDate: false }),
        fc.uint8Array(),
        fc.float64Array(),
        fc.bigInt64Array(),
      ),
      fc.array(tie("value")),
      fc.array(fc.tuple(key, tie("value"))).map((entries) => Object.fromEntries(entries)),
      fc.tuple(fc.constantFrom("$durable", "$$durable"), tie("value")).map(([name, inner]) => ({ [name]: inner })),
      fc.array(fc.tuple(tie("value"), tie("value"))).map((entries) => new Map(entries)),
      fc.array(tie("value")).map((items) => new Set(items)),
    ),
  }));

  test("that is accepted, the same comes back", () => {
    fc.assert(
      fc.property(value, (given) => {
        // Vitest's own equality takes a key "constructor" for the constructor.
        expect(isDeepStrictEqual(stored(given), given)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("the same JSON comes back, whatever is stored under a tag", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), (parts) => {
        const json = { $durable: parts } as Json;
        let decoded: unknown;
        try {
          decoded = decodeValue(json, "v");
        } catch (error) {
          expect(isDurableError(error, "invalid_request")).toBe(true);
          return;
        }
        expect(() => encodeValue(decoded, "v")).not.toThrow();
      }),
    );
  });
});

describe("the JSON of a value is what its parts say, however the value was made", () => {
  /** A value and its JSON, or why it cannot be stored. */
  interface Case {
    readonly value: unknown;
    readonly json: Json | "refused";
  }
  const tagged = (...parts: Json[]): Json => ({ $durable: parts });
  const all = (cases: readonly Case[]): Json[] | undefined => {
    const found = cases.map(({ json }) => json);
    return found.includes("refused") ? undefined : found;
  };
  const whole = (cases: readonly Case[], value: unknown, json: (parts: Json[]) => Json): Case => {
    const parts = all(cases);
    return { value, json: parts === undefined ? "refused" : json(parts) };
  };
  const refused = (value: unknown): Case => ({ value, json: "refused" });

  /** As a `Set` or the key of a `Map` keeps it. */
  const member = (item: Case): Case => (Object.is(item.value, -0) ? { value: 0, json: 0 } : item);

  const scalar: fc.Arbitrary<Case> = fc.oneof(
    fc
      .oneof(
        fc.string({ unit: "binary", maxLength: 8 }),
        fc.boolean(),
        fc.constant(null),
        fc.integer(),
        fc.constant("\ud800"),
      )
      .filter((value) => value !== "refused")
      .map((value) => ({ value, json: value })),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => ({
      value,
      json: Object.is(value, -0) ? tagged("number", "-0") : value,
    })),
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map((value) => ({ value, json: tagged("bigint", String(value)) })),
    fc.date({ noInvalidDate: true }).map((value) => ({ value, json: tagged("date", value.toISOString()) })),
    fc.uint8Array({ maxLength: 5 }).map((value) => ({
      value,
      json: tagged("bytes", "Uint8Array", Buffer.from(value).toString("base64")),
    })),
    fc.constantFrom<Case>(
      { value: undefined, json: tagged("undefined") },
      { value: Number.NaN, json: tagged("number", "NaN") },
      { value: Number.NEGATIVE_INFINITY, json: tagged("number", "-Infinity") },
      { value: new Date(Number.NaN), json: tagged("date", null) },
      refused(() => 1),
      refused(Symbol("s")),
      refused(/x/),
      refused(new (class Odd {})()),
    ),
  );
  const key = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom("a", "b", "c") },
    fc.constantFrom(
      "__proto__",
      "constructor",
      "hasOwnProperty",
      "toJSON",
      "$durable",
      "$$durable",
      "",
      "7",
      "1",
      "\ud800",
    ),
    fc.string({ unit: "binary", maxLength: 8 }),
  );

  const forms = ["plain", "without prototype", "of getters", "frozen", "with a hidden field", "with a symbol"] as const;
  type Form = (typeof forms)[number];
  function objectOf(entries: readonly (readonly [string, Case])[], form: Form): Case {
    const members = new Map(entries);
    const value: object = form === "without prototype" ? Object.create(null) : {};
    for (const [name, part] of members) {
      const content = form === "of getters" ? { get: () => part.value } : { value: part.value };
      Object.defineProperty(value, name, { ...content, enumerable: true, configurable: true });
    }
    if (form === "frozen") Object.freeze(value);
    if (form === "with a hidden field") Object.defineProperty(value, "hidden", { value: () => 1, configurable: true });
    if (form === "with a symbol") return refused(Object.assign(value, { [Symbol("s")]: 1 }));
    return whole([...members.values()], value, (parts) => {
      const names = [...members.keys()].map((name) =>
        members.size === 1 && /^\$+durable$/.test(name) ? `$${name}` : name,
      );
      return Object.fromEntries(names.map((name, index) => [name, parts[index] as Json]));
    });
  }

  const arrayForms = ["plain", "frozen", "with a field", "with a hole", "of a subclass", "in itself"] as const;
  type ArrayForm = (typeof arrayForms)[number];
  function arrayOf(items: readonly Case[], form: ArrayForm): Case {
    const values = items.map(({ value }) => value);
    switch (form) {
      case "with a field":
        return refused(Object.assign(values, { field: 1 }));
      case "with a hole":
        values.length++;
        return refused(values);
      case "of a subclass":
        return refused(Object.assign(new (class Stack extends Array<unknown> {})(), values));
      case "in itself":
        values.push(values);
        return refused(values);
      case "frozen":
        Object.freeze(values);
    }
    return whole(items, values, (parts) => parts);
  }

  const { anything } = fc.letrec<{ anything: Case }>((tie) => ({
    anything: fc.oneof(
      { maxDepth: 3 },
      { weight: 4, arbitrary: scalar },
      {
        weight: 3,
        arbitrary: fc
          .tuple(fc.array(fc.tuple(key, tie("anything")), { maxLength: 3 }), weighted(forms))
          .map((given) => objectOf(...given)),
      },
      {
        weight: 3,
        arbitrary: fc
          .tuple(fc.array(tie("anything"), { maxLength: 3 }), weighted(arrayForms))
          .map((given) => arrayOf(...given)),
      },
      // The same part twice.
      tie("anything").map((part) =>
        whole([part], [part.value, { a: part.value }], ([json = null]) => [json, { a: json }]),
      ),
      fc.array(tie("anything").map(member), { maxLength: 3 }).map((items) => {
        const set = new Set(items.map(({ value }) => value));
        const kept = items.filter(
          ({ value }, index) => items.findIndex((item) => Object.is(item.value, value)) === index,
        );
        return whole(kept, set, (parts) => tagged("set", parts));
      }),
      fc
        .tuple(tie("anything").map(member), tie("anything"))
        .map(([name, part]) =>
          whole([name, part], new Map([[name.value, part.value]]), (parts) => tagged("map", [parts])),
        ),
      tie("anything").map((part) =>
        whole([part], new TypeError("odd", { cause: part.value }), ([cause = null]) =>
          tagged("error", { name: "TypeError", message: "odd", cause }),
        ),
      ),
    ),
  }));
  function weighted<T>([usual, ...others]: readonly T[]): fc.Arbitrary<T> {
    return fc.oneof({ weight: 12, arbitrary: fc.constant(usual as T) }, fc.constantFrom(...others));
  }

  test("with every kind of oddity", () => {
    let stored = 0;
    fc.assert(
      fc.property(anything, ({ value, json }) => {
        if (json === "refused") {
          const { code, path } = refusal(() => encodeValue(value, "v"));
          return code === "invalid_request" && path?.startsWith("v");
        }
        const [encoded, text] = [encodeValue(value, "v"), JSON.stringify(json)];
        const again = encodeValue(decodeValue(encoded));
        stored++;
        return JSON.stringify(encoded) === text && JSON.stringify(again) === text;
      }),
      { numRuns: 10_000 },
    );
    expect(stored).toBeGreaterThan(2_000);
  });
});
