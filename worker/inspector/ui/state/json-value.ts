import type { Json, JsonObject } from "./wire.ts";

// What JSON cannot express is encoded as an object with the single key `$durable`, whose value is an array that starts with
// the kind.

type ValueKind = "null" | "boolean" | "number" | "string" | "array" | "object" | "tag";

export function kindOf(value: Json): ValueKind {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "object") return tagOf(value as JsonObject) === undefined ? "object" : "tag";
  return typeof value as "boolean" | "number" | "string";
}

function tagOf(value: JsonObject): readonly Json[] | undefined {
  const { $durable: tag } = value;
  return Array.isArray(tag) && Object.keys(value).length === 1 ? tag : undefined;
}

/** The members of an array, of an object, or of a tag's content. */
export function membersOf(value: Json): readonly (readonly [name: string, member: Json])[] {
  if (value === null || typeof value !== "object") return [];
  if (Array.isArray(value)) return value.map((member, index) => [String(index), member as Json] as const);
  const tag = tagOf(value as JsonObject);
  if (tag === undefined) return Object.entries(value as JsonObject);
  const [kind, content = null] = tag;
  if (kind === "set" || kind === "map" || kind === "error") return membersOf(content);
  return [];
}

export function hasMembers(value: Json): boolean {
  return membersOf(value).length > 0;
}

/** True if every nested value is empty. */
export function isEmptyValue(value: Json): boolean {
  if (value === null || value === "" || value === 0) return true;
  if (typeof value !== "object" || (kindOf(value) === "tag" && !hasMembers(value))) return false;
  return membersOf(value).every(([, member]) => isEmptyValue(member));
}

/** The value in one line. */
export function previewOf(value: Json, isOpen = false): string {
  switch (kindOf(value)) {
    case "array": {
      const items = value as readonly Json[];
      if (isOpen) return "";
      return items.length === 0
        ? "[]"
        : `[${items.slice(0, 3).map(short).join(", ")}${items.length > 3 ? `, … ${items.length}` : ""}]`;
    }
    case "object": {
      if (isOpen) return "";
      const names = Object.keys(value as JsonObject);
      return names.length === 0
        ? "{}"
        : `{${names.slice(0, 4).join(", ")}${names.length > 4 ? `, … ${names.length}` : ""}}`;
    }
    case "tag":
      return tagPreview(tagOf(value as JsonObject) ?? []);
    case "string":
      return JSON.stringify((value as string).slice(0, 300));
    case "null":
    case "boolean":
    case "number":
      return String(value);
  }
}

function tagPreview([kind, content = null]: readonly Json[]): string {
  switch (kind) {
    case "date":
      return `Date ${content ?? "invalid"}`;
    case "bigint":
      return `${String(content).slice(0, 60)}n`;
    case "number":
      return String(content);
    case "undefined":
      return "undefined";
    case "set":
    case "map":
      return `${kind === "set" ? "Set" : "Map"} of ${Array.isArray(content) ? content.length : 0}`;
    case "bytes":
      return String(content);
    default:
      return String(kind);
  }
}

function short(value: Json): string {
  const kind = kindOf(value);
  if (kind === "array") return "[…]";
  if (kind === "object") return "{…}";
  const text = previewOf(value);
  return text.length > 24 ? `${text.slice(0, 23)}…` : text;
}
