import { isJsonObject, type Json, type JsonObject } from "../json.ts";

/** One place in which two JSON values differ. `path` is a JSON pointer (RFC 6901). */
export type Difference =
  | { readonly op: "add"; readonly path: string; readonly after: Json }
  | { readonly op: "remove"; readonly path: string; readonly before: Json }
  | { readonly op: "replace"; readonly path: string; readonly before: Json; readonly after: Json };

/**
 * The changes from the first value to the second, place by place: objects member by member, whatever the names, and
 * arrays item by item, so that an insertion at the front is a change of each later item. Its time is proportional to
 * the two values.
 */
export function difference(before: Json, after: Json): readonly Difference[] {
  const differences: Difference[] = [];
  compare(before, after, "", differences);
  return differences;
}

function compare(before: Json, after: Json, path: string, found: Difference[]): void {
  if (before === after) return;
  if (Array.isArray(before) && Array.isArray(after)) compareItems(before, after, path, found);
  else if (isJsonObject(before) && isJsonObject(after)) compareMembers(before, after, path, found);
  else found.push({ op: "replace", path, before, after });
}

function compareItems(before: readonly Json[], after: readonly Json[], path: string, found: Difference[]): void {
  const shared = Math.min(before.length, after.length);
  for (let index = 0; index < shared; index++) {
    compare(before[index] as Json, after[index] as Json, `${path}/${index}`, found);
  }
  // From the end, so that each can be applied after the ones before it.
  for (let index = before.length - 1; index >= shared; index--) {
    found.push({ op: "remove", path: `${path}/${index}`, before: before[index] as Json });
  }
  for (let index = shared; index < after.length; index++) {
    found.push({ op: "add", path: `${path}/${index}`, after: after[index] as Json });
  }
}

function compareMembers(before: JsonObject, after: JsonObject, path: string, found: Difference[]): void {
  for (const key of Object.keys(before)) {
    const place = `${path}/${escaped(key)}`;
    if (Object.hasOwn(after, key)) compare(before[key] as Json, after[key] as Json, place, found);
    else found.push({ op: "remove", path: place, before: before[key] as Json });
  }
  for (const key of Object.keys(after)) {
    if (!Object.hasOwn(before, key))
      found.push({ op: "add", path: `${path}/${escaped(key)}`, after: after[key] as Json });
  }
}

function escaped(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}
