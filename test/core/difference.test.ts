import fc from "fast-check";
import { expect, test } from "vitest";
import { type Json, type JsonObject, jsonEqual, setOwn } from "../../src/json.ts";
import { type Difference, difference } from "../../src/runs/difference.ts";

/** The value after these differences, applied one after another. */
function applied(json: Json, differences: readonly Difference[]): Json {
  const root = { value: structuredClone(json) } as Record<string, Json>;
  for (const change of differences) {
    const keys = ["value", ...change.path.split("/").slice(1).map(unescaped)];
    const last = keys.pop() as string;
    let place = root as JsonObject;
    for (const key of keys) place = place[key] as JsonObject;
    if (Array.isArray(place)) {
      if (change.op === "remove") place.splice(Number(last), 1);
      else place[Number(last)] = structuredClone(change.after);
    } else if (change.op === "remove") delete (place as Record<string, Json>)[last];
    else setOwn(place, last, structuredClone(change.after));
  }
  return root.value as Json;
}

function unescaped(token: string): string {
  return token.replaceAll("~1", "/").replaceAll("~0", "~");
}

const key = fc.oneof(fc.constantFrom("__proto__", "constructor", "", "/", "~", "~1", "a/b~c", "0"), fc.string());
const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<Json>(null, true, false, 0, 1, "", "text"),
    fc.array(tie("json"), { maxLength: 4 }),
    fc.dictionary(key, tie("json"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

test("the differences of two values, applied to the first, make the second", () => {
  fc.assert(
    fc.property(json, json, (before, after) => {
      const differences = difference(before, after);
      expect(jsonEqual(applied(before, differences), after)).toBe(true);
      for (const change of differences) {
        if (change.op !== "add") expect(valueAt(before, change.path)).toEqual(change.before);
      }
    }),
    { numRuns: 500 },
  );
});

test("equal values have none, however they were built", () => {
  fc.assert(
    fc.property(json, (value) => {
      expect(difference(value, structuredClone(value))).toEqual([]);
    }),
  );
});

test("a deep value and a wide one are compared once, place by place", () => {
  let deep: Json = 0;
  let other: Json = 1;
  for (let level = 0; level < 500; level++) [deep, other] = [{ in: deep }, { in: other }];
  expect(difference(deep, other)).toEqual([{ op: "replace", path: "/in".repeat(500), before: 0, after: 1 }]);
  const wide = Array.from({ length: 200_000 }, (_, index) => index);
  expect(difference(wide, [...wide.slice(0, -1), -1])).toHaveLength(1);
});

function valueAt(json: Json, path: string): Json | undefined {
  const keys = path.split("/").slice(1).map(unescaped);
  return keys.reduce<Json | undefined>((place, key) => (place as JsonObject | undefined)?.[key], json);
}
