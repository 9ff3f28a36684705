import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isDurableError } from "../../src/errors.ts";
import {
  at,
  canonicalJson,
  getOwn,
  type Json,
  type JsonObject,
  jsonEqual,
  maxDepth,
  memberSet,
  parseJson,
  withMember,
} from "../../src/json.ts";
import { fastest } from "../support/cpu-time.ts";

function refusal(text: string, path?: string) {
  try {
    parseJson(text, path);
  } catch (error) {
    if (isDurableError(error)) return error;
    throw error;
  }
  throw new Error(`${text} was accepted`);
}

describe("what JSON.parse takes without a loss is what it gives", () => {
  test.each([
    ["null"],
    ["true"],
    ['"text"'],
    ["[]"],
    ["{}"],
    ["  [1, 2.5, -3e2, 1E+2, 0.1]\n"],
    ['{"a":{"b":[null,false]}}'],
    ['{"a":1,"a":2}'],
    ["9007199254740991"],
    ["-9007199254740991"],
    ["9007199254740992"],
    // How these numbers are written, though not what they are exactly: sent back, they are the same text.
    ["-29429100366882190"],
    ["18446744073709552000"],
    ["1e308"],
    ["5e-324"],
    ["0.1234567890123456789"],
    ['"9007199254740993"'],
    ['{"9007199254740993":1}'],
    ['"\\ud800"'],
    ['"[[[[{{{{ 12345678901234567890 e999"'],
  ])("%s", (text) => {
    expect(parseJson(text)).toEqual(JSON.parse(text));
  });

  test("any JSON value, however it is spaced", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2, "\t"), (value, space) => {
        const text = JSON.stringify(value, null, space);
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  test("any safe integer", () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (n) => {
        expect(parseJson(`{"n":${n}}`)).toEqual({ n: n === 0 ? 0 : n });
      }),
    );
  });
});

test("an own __proto__ key stays an own key, and no prototype changes", () => {
  const json = parseJson('{"__proto__":{"polluted":true},"constructor":1}') as Record<string, Json>;
  expect(Object.keys(json)).toEqual(["__proto__", "constructor"]);
  expect(Object.getPrototypeOf(json)).toBe(Object.prototype);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  expect(getOwn({} as Record<string, Json>, "constructor")).toBeUndefined();
});

describe("integers that a number cannot hold are refused, with their place", () => {
  test.each([
    ["9007199254740993", "body"],
    ["-9007199254740993", "body"],
    ["[1, 9007199254740993]", "body[1]"],
    ['{"a":{"odd key":[0,{"n":12345678901234567890}]}}', 'body.a["odd key"][1].n'],
    [`{"n":1${"0".repeat(30)}}`, "body.n"],
    // These have an exact number, which is written as another integer.
    ["1152921504606846976", "body"],
    ["18446744073709551616", "body"],
  ])("%s", (text, path) => {
    const error = refusal(text, "body");
    expect(error).toMatchObject({ code: "invalid_request", path });
    expect(error.message).toContain(path);
    expect(error.hint).toContain("bigint");
  });

  test("every integer comes back as it was written, or is refused", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), (integer) => {
        const number = Number(integer);
        if (String(number) === String(integer)) expect(parseJson(`[${integer}]`)).toEqual([number]);
        else expect(refusal(`[${integer}]`).path).toBe("[0]");
      }),
    );
  });
});

test("any number is accepted as it is or refused with its place, among texts that look like numbers", () => {
  const digits = (maxLength: number) => fc.string({ unit: fc.constantFrom(..."0123456789"), minLength: 1, maxLength });
  const number = fc
    .tuple(
      fc.constantFrom("", "-"),
      fc.oneof(digits(6), digits(25), digits(330)),
      fc.option(fc.oneof(digits(4), digits(25))),
      fc.option(fc.tuple(fc.constantFrom("e", "E"), fc.constantFrom("", "+", "-"), digits(3))),
    )
    .map(([sign, whole, fraction, exponent]) => {
      const integer = whole.replace(/^0+(?=\d)/, "");
      return `${sign}${integer}${fraction === null ? "" : `.${fraction}`}${exponent === null ? "" : exponent.join("")}`;
    });
  const space = fc.constantFrom("", " ", "\n");
  const isKept = (literal: string) =>
    Number.isFinite(Number(literal)) &&
    (!/^-?\d+$/.test(literal) ||
      literal === "-0" ||
      BigInt(literal) === BigInt(String(Number(literal)).replace(/e.*/, "0")));
  fc.assert(
    fc.property(number, digits(30), space, fc.boolean(), (literal, text, gap, isLast) => {
      const parts = [`"${text}":{"1e999":"\\"${text}"}`, `"n":[true,null,${gap}${literal}${gap}]`];
      const json = `{${(isLast ? parts : parts.toReversed()).join(`,${gap}`)}}`;
      if (isKept(literal)) expect(parseJson(json)).toEqual(JSON.parse(json));
      else expect(refusal(json)).toMatchObject({ code: "invalid_request", path: "n[2]" });
    }),
    { numRuns: 10_000 },
  );
});

test.each(["1e309", "-1e309", "[1e400]", `1${"0".repeat(309)}`, "1E+999"])(
  "%s is refused, since it overflows",
  (text) => {
    expect(refusal(text)).toMatchObject({ code: "invalid_request" });
  },
);

describe("a syntax error is refused with its line and column", () => {
  test.each([
    ["", 1, 1],
    ["   ", 1, 4],
    ["{", 1, 2],
    ["[1,]", 1, 4],
    ["[1 2]", 1, 4],
    ['{"a":1,}', 1, 8],
    ["{'a':1}", 1, 2],
    ['{"a" 1}', 1, 6],
    ["[1,\n2,\n x]", 3, 2],
    ['{\n  "a": tru\n}', 2, 8],
    ['"a\nb"', 1, 3],
    ['"\\x"', 1, 2],
    ["01", 1, 2],
    ["1.", 1, 2],
    ["NaN", 1, 1],
    ["[undefined]", 1, 2],
    ["{} {}", 1, 4],
    ["[1]]", 1, 4],
  ])("%j at %i:%i", (text, line, column) => {
    const error = refusal(text, "body");
    expect(error).toMatchObject({ code: "invalid_request", path: "body", details: { line, column } });
    expect(error.message).toContain(`line ${line}, column ${column}`);
  });

  test("every text is parsed or refused by a typed error", () => {
    const jsonLike = fc.string({ unit: fc.constantFrom(...'[]{}",:0123456789.eE+-truefalsn\\ \n\u00e9') });
    fc.assert(
      fc.property(jsonLike, (text) => {
        let expected: Json | undefined;
        try {
          expected = JSON.parse(text) as Json;
        } catch {
          expect(refusal(text).code).toBe("invalid_request");
          return;
        }
        try {
          expect(parseJson(text)).toEqual(expected);
        } catch (error) {
          expect(isDurableError(error, "invalid_request")).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("the number of values", () => {
  test.each<[string, string, number]>([
    ["a scalar", "1", 1],
    ["an empty array", " [ ] ", 1],
    ["arrays in arrays", "[[],[ [] ],{}]", 5],
    ["members", '{"a":1,"b":[true,null],"c":"[,]"}', 6],
  ])("of %s is counted", (_name, text, values) => {
    expect(parseJson(text, "", values)).toEqual(JSON.parse(text));
    if (values > 1) expect(() => parseJson(text, "body", values - 1)).toThrow(`body: too many values: ${values}`);
  });

  test("is bounded before anything is made of the text", () => {
    const parse = JSON.parse;
    const text = `[${"[],".repeat(1_000_000)}[]]`;
    let isParsed = false;
    JSON.parse = (...given) => {
      isParsed = true;
      return parse(...given) as unknown;
    };
    try {
      expect(refusal(text, "body")).toMatchObject({ code: "too_large", path: "body" });
      expect(isParsed).toBe(false);
    } finally {
      JSON.parse = parse;
    }
  });
});

describe("nesting", () => {
  const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

  test("is accepted up to 500 levels", () => {
    expect(maxDepth).toBe(500);
    expect(parseJson(nested(500))).toBeInstanceOf(Array);
  });

  test.each([501, 502, 100_000])("of %i levels is refused", (levels) => {
    expect(refusal(nested(levels), "body")).toMatchObject({ code: "invalid_request" });
  });

  test.each(["[", "]}", '"[', '\\"[', "\\", "\\\\[{"])("is not what %j in a string is", (part) => {
    const texts = [part.repeat(10_000), part];
    expect(parseJson(JSON.stringify(texts))).toEqual(texts);
  });

  test.each([501, 20_000, 200_000])("of %i levels is refused though strings between them close as many", (levels) => {
    const text = `${'{"x":"}","y":'.repeat(levels)}1${"}".repeat(levels)}`;
    expect(refusal(text, "body")).toMatchObject({ code: "invalid_request" });
    const escaped = `${'{"x":"\\\\\\"}]","y":'.repeat(levels)}1${"}".repeat(levels)}`;
    expect(refusal(escaped, "body")).toMatchObject({ code: "invalid_request" });
  });
});

describe("equality", () => {
  test.each<[Json, Json, boolean]>([
    [{ a: 1, b: 2 }, { b: 2, a: 1 }, true],
    [{ a: 1 }, { a: 1, b: null }, false],
    [{ a: 1, b: null }, { a: 1, c: null }, false],
    [[1, 2], [2, 1], false],
    [[1], [1, 2], false],
    [[], {}, false],
    [null, {}, false],
    ["1", 1, false],
    [parseJson('{"__proto__":1}'), {}, false],
    [{ constructor: 1 }, {}, false],
  ])("%j and %j: %s", (a, b, equal) => {
    expect(jsonEqual(a, b)).toBe(equal);
    expect(jsonEqual(b, a)).toBe(equal);
  });

  test("two values are equal where their canonical texts are", () => {
    const small = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>;
    fc.assert(
      fc.property(small, small, (a, b) => {
        expect(jsonEqual(a, b)).toBe(canonicalJson(a) === canonicalJson(b));
        expect(jsonEqual(a, JSON.parse(canonicalJson(a)))).toBe(true);
      }),
    );
  });
});

test.each([
  ["", "a", "a"],
  ["a", "b", "a.b"],
  ["a", 3, "a[3]"],
  ["a", "odd key", 'a["odd key"]'],
  ["a", "", 'a[""]'],
  ["a", "__proto__", "a.__proto__"],
  ["", 'x"y', '["x\\"y"]'],
])("the path from %j to %j is %s", (path, key, expected) => {
  expect(at(path, key)).toBe(expected);
});

describe("a record with a member set", () => {
  const hostile = JSON.parse('{"__proto__":{"polluted":1},"constructor":1,"a":2}') as JsonObject;

  test.each(["b", "a", "__proto__", "constructor", ""])("has all the others as they were: %j", (key) => {
    const before = JSON.stringify(hostile);
    const after = withMember<Json>(hostile, key, "new");
    expect(Object.entries(after)).toEqual(Object.entries({ ...hostile, [key]: "new" }));
    expect(Object.getPrototypeOf(after)).toBe(Object.prototype);
    expect(JSON.stringify(hostile)).toBe(before);
  });

  test("shows nothing of what came later, and two may come from one", () => {
    const one = withMember<Json>(hostile, "b", 1);
    const two = withMember(one, "7", 2);
    const three = withMember(two, "c", 3);
    const other = withMember(one, "d", 4);
    const replaced = withMember(three, "b", 5);
    const texts = [one, two, three, other, replaced].map((record) => JSON.stringify(record));
    const start = '"__proto__":{"polluted":1},"constructor":1,"a":2';
    expect(texts).toEqual([
      `{${start},"b":1}`,
      `{"7":2,${start},"b":1}`,
      `{"7":2,${start},"b":1,"c":3}`,
      `{${start},"b":1,"d":4}`,
      `{"7":2,${start},"b":5,"c":3}`,
    ]);
    expect(["7", "c", "d"].map((key) => [key in one, Object.hasOwn(two, key), getOwn(three, key), other[key]])).toEqual(
      [
        [false, true, 2, undefined],
        [false, false, 3, undefined],
        [false, false, undefined, 4],
      ],
    );
    expect(() => Object.assign(one, { e: 1 })).toThrow(TypeError);
  });

  test("takes a time that does not grow with the record", () => {
    const timeOf = (count: number) =>
      fastest(() => {
        let record: Readonly<Record<string, number>> = {};
        for (let number = 0; number < count; number++) record = withMember(record, `member ${number}`, number);
        expect(Object.keys(record)).toHaveLength(count);
      });
    // Sixteen times as many take sixteen times as long, and would take 256 times as long if each were a copy.
    expect(timeOf(32_000)).toBeLessThan(64 * Math.max(timeOf(2_000), 1_000));
  });

  test("is known by what it was made of, and by nothing else", () => {
    const one = withMember<Json>(hostile, "b", 1);
    const two = withMember<Json>(one, "c", 1);
    expect(memberSet(one, two)).toMatchObject({ key: "c", count: 4 });
    expect([memberSet(hostile, two), memberSet(two, one), memberSet(two, two)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});
