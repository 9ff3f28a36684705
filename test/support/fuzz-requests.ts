import type { Role } from "../../worker/http/auth/caller.ts";
import { roles } from "../../worker/http/auth/caller.ts";
import { type Operation, operations } from "../../worker/http/contract/operations.ts";

/** What a hostile caller may know: ids and keys, its own and those of others. */
export interface FuzzWorld {
  readonly keys: Readonly<Record<Role, string>>;
  readonly runs: readonly string[];
  readonly checkpoints: readonly string[];
  readonly keyIds: readonly string[];
  /** Whole exports of runs, to be tampered with. */
  readonly exports: readonly string[];
  /** Cursors, event ids and ETags that were real once. */
  readonly tokens: readonly string[];
}

export interface FuzzRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** True if its route answers a second request under the same Idempotency-Key as the first, and changes nothing. */
  readonly isOnce: boolean;
}

/** Requests without end, the same ones for the same seed and worlds: what `mine` may do, and goes for of `theirs`. */
export function* fuzzRequests(seed: number, mine: FuzzWorld, theirs: FuzzWorld): Generator<FuzzRequest, never> {
  const dice = new Dice(seed);
  for (;;) yield new Forge(dice, mine, theirs).request();
}

/** A request under way: most of it is as the route wants it, and one or two parts are not. */
class Forge {
  private readonly dice: Dice;
  private readonly mine: FuzzWorld;
  private readonly theirs: FuzzWorld;

  constructor(dice: Dice, mine: FuzzWorld, theirs: FuzzWorld) {
    this.dice = dice;
    this.mine = mine;
    this.theirs = theirs;
  }

  request(): FuzzRequest {
    const { dice } = this;
    const operation = dice.pick(operations);
    const method = dice.chance(0.05) ? dice.pick(methods) : operation.method.toUpperCase();
    const mayHaveBody = method !== "GET" && method !== "HEAD";
    const body = mayHaveBody && (operation.body !== undefined || dice.chance(0.2)) ? this.body(operation) : undefined;
    return {
      method,
      path: this.path(operation) + this.query(operation),
      headers: this.headers(),
      isOnce: operation.isIdempotent && method === "POST",
      ...(body === undefined ? {} : { body }),
    };
  }

  private path(operation: Operation): string {
    const { dice } = this;
    if (dice.chance(0.03)) return dice.pick(strangePaths);
    return operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
      if (dice.chance(0.12)) return dice.pick(rawSegments);
      if (dice.chance(0.12)) return encodeURIComponent(well(this.text()));
      if (name === "run_id") return encodeURIComponent(dice.pick(dice.chance(0.2) ? this.theirs.runs : this.mine.runs));
      if (name === "checkpoint_id") return encodeURIComponent(dice.pick(this.mine.checkpoints));
      if (name === "key_id") return dice.pick([...this.mine.keyIds, ...this.theirs.keyIds]);
      return dice.pick(skillIds);
    });
  }

  private query({ query }: Operation): string {
    const { dice } = this;
    const names = Object.keys(query?.entries ?? {});
    if (dice.chance(names.length > 0 ? 0.3 : 0.9)) return "";
    const pairs: string[] = [];
    for (let count = 1 + dice.below(3); count > 0; count--) {
      const name =
        names.length > 0 && dice.chance(0.85) ? dice.pick(names) : dice.pick(["__proto__", "limit", "q", ""]);
      const value = dice.chance(0.4)
        ? dice.pick(strangeNumbers)
        : dice.chance(0.3)
          ? dice.pick(this.mine.tokens)
          : this.text();
      pairs.push(`${name}=${dice.chance(0.2) ? dice.pick(rawSegments) : encodeURIComponent(well(value))}`);
    }
    return `?${pairs.join("&")}`;
  }

  private headers(): Record<string, string> {
    const { dice, mine, theirs } = this;
    const headers: Record<string, string> = {};
    const key = dice.weighted<string | undefined>([
      [40, mine.keys.admin],
      [3, mine.keys.execute],
      [2, mine.keys.read],
      [1, theirs.keys[dice.pick(roles)]],
      [1, undefined],
      [1, ascii(this.text())],
      [1, `orca_${dice.hex(16)}_${dice.hex(64)}`],
    ]);
    if (key !== undefined) {
      if (dice.chance(0.9)) headers["x-api-key"] = key;
      else headers.authorization = dice.pick([`Bearer ${key}`, `bearer  ${key}`, `Basic ${key}`, key]);
    }
    if (dice.chance(0.25)) headers["if-match"] = dice.pick(['"0"', '"1"', "*", 'W/"1"', '"', "1", ...mine.tokens]);
    if (dice.chance(0.1)) headers["if-none-match"] = dice.pick(['"1"', "*", '"', ...mine.tokens]);
    if (dice.chance(0.2))
      headers["idempotency-key"] = dice.pick([
        "once",
        `${dice.below(50)}`,
        "",
        " ",
        "x".repeat(300),
        ascii(this.text()),
      ]);
    if (dice.chance(0.1))
      headers["last-event-id"] = dice.pick(["0-0", "-1-0", "9e9-9", ...mine.tokens, ascii(this.text())]);
    if (dice.chance(0.3)) headers["content-type"] = dice.pick(contentTypes);
    if (dice.chance(0.1)) headers[dice.pick(strangeHeaders)] = ascii(this.text());
    return headers;
  }

  private body(operation: Operation): string | Uint8Array<ArrayBuffer> {
    const { dice } = this;
    const text = this.json(operation);
    if (dice.chance(0.1)) return dice.pick(strangeBodies());
    if (dice.chance(0.1)) return text.slice(0, dice.below(text.length + 1));
    if (dice.chance(0.05)) return `${text}${dice.pick(["}", "]", "\u0000", " x", text])}`;
    if (dice.chance(0.05)) return scrambled(dice, new TextEncoder().encode(text));
    return text;
  }

  private json(operation: Operation): string {
    const { dice } = this;
    if (operation.bodyType === "application/x-ndjson") return this.tampered();
    const fields = Object.keys((operation.body as { entries?: object } | undefined)?.entries ?? {});
    const members = fields.filter(() => dice.chance(0.7)).map((name) => member(name, this.field(name)));
    if (dice.chance(0.15)) members.push(member("__proto__", '{"polluted":true}'));
    if (dice.chance(0.1)) members.push(member("constructor", '{"prototype":{"polluted":true}}'));
    if (dice.chance(0.1)) members.push(member(this.text(), this.junk()));
    if (dice.chance(0.05) && members[0] !== undefined) members.push(members[0]);
    return `{${members.join(",")}}`;
  }

  /** The JSON of a field: as its route wants it, or not. */
  private field(name: string): string {
    const { dice, mine, theirs } = this;
    if (dice.chance(0.35)) return this.junk();
    switch (name) {
      case "skill_id":
        return JSON.stringify(dice.pick(skillIds));
      case "step_id":
        return JSON.stringify(dice.pick([...gateNames, "send", this.text()]));
      case "name":
        return JSON.stringify(dice.pick(["go", "ci", this.text()]));
      case "run_id":
        return JSON.stringify(dice.pick([...mine.runs, ...theirs.runs, this.text()]));
      case "checkpoint_id":
        return JSON.stringify(dice.pick([...mine.checkpoints, ...theirs.checkpoints, this.text()]));
      case "start":
        return "false";
      case "state":
        return `{"skill_id":"http.chain","inputs":${this.junk()},"vars":{"a":${this.junk()}},"events":${this.junk()}}`;
      case "pending_writes":
        return `["vars.a",${this.junk()}]`;
      case "inputs":
      case "metadata":
      case "options":
      case "edit":
        return `{${member(this.text(), this.junk())},"inputs":${this.junk()}}`;
      case "role":
        return JSON.stringify(dice.pick(["read", "execute", "admin", "root"]));
      default:
        return JSON.stringify(this.text());
    }
  }

  private junk(): string {
    const { dice } = this;
    return dice.chance(0.5) ? dice.pick(strangeJson) : JSON.stringify(this.text());
  }

  /** Text, short or long, that some interpreter or other would take for its own. */
  private text(): string {
    const { dice, mine, theirs } = this;
    return dice.weighted([
      [6, dice.pick(strangeTexts)],
      [2, dice.pick([...mine.runs, ...theirs.runs, ...theirs.checkpoints, ...theirs.tokens])],
      [1, "x".repeat(dice.pick([199, 200, 201, 5_000]))],
      [1, String.fromCharCode(...Array.from({ length: 1 + dice.below(12) }, () => dice.below(0x10000)))],
    ]);
  }

  /** An export, with some of its lines gone, doubled, swapped or changed. */
  private tampered(): string {
    const { dice, mine } = this;
    const lines = dice.pick(mine.exports).trimEnd().split("\n");
    for (let count = 1 + dice.below(3); count > 0; count--) {
      const at = dice.below(lines.length);
      const line = lines[at] ?? "";
      switch (dice.below(5)) {
        case 0:
          lines.splice(at, 1);
          break;
        case 1:
          lines.splice(at, 0, line);
          break;
        case 2:
          lines[at] = line.slice(0, dice.below(line.length + 1));
          break;
        case 3:
          lines[at] = line.replace(/:("[^"]*"|\d+|true|false|null)/, () => `:${this.junk()}`);
          break;
        default: {
          const values = [...line.matchAll(/:("[^"]*"|\d+)/g)];
          const value = values.length === 0 ? undefined : dice.pick(values);
          if (value?.index !== undefined) {
            lines[at] = `${line.slice(0, value.index)}:${this.junk()}${line.slice(value.index + value[0].length)}`;
          }
        }
      }
    }
    return lines.join("\n");
  }
}

/** Numbers that a seed determines. Source: mulberry32, public domain. */
class Dice {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** At least 0 and less than 1. */
  private next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = this.state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  weighted<T>(choices: readonly (readonly [weight: number, choice: T])[]): T {
    let at = this.next() * choices.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, choice] of choices) {
      at -= weight;
      if (at < 0) return choice;
    }
    return (choices.at(-1) as readonly [number, T])[1];
  }

  hex(length: number): string {
    return Array.from({ length }, () => this.below(16).toString(16)).join("");
  }
}

/** Gates of a run in each world. */
export const gateNames = ["Freigabe für Müller", "a/b 😀", "ü".repeat(256)] as const;

const skillIds = ["http.chain", "http.listening", "http.named-gates", "no.such.skill"];

// Those that a Request may have; workerd has none that it does not know.
const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT"];

const strangePaths = [
  "/",
  "//",
  "/v1",
  "/v1/",
  "/v1/runs/",
  "/v1//runs",
  "/V1/RUNS",
  "/v1/runs/x/y/z/w",
  "/v1/runs/..%2f..%2fetc%2fpasswd",
  "/v1/runs/%",
  "/v1/runs/%ff%fe",
  "/v1/runs/%00",
  "/__proto__",
  "/constructor",
  "/.env",
  "/v1/runs;jsessionid=1",
  `/${"a/".repeat(2_000)}`,
  `/v1/runs/${"a".repeat(10_000)}`,
];

const rawSegments = [
  "%00",
  "%ff",
  "%c0%ae%c0%ae",
  "%2e%2e%2f%2e%2e",
  "..%5c..",
  "%",
  "%zz",
  "%F0%9F%92%A9",
  "%27%20OR%20%271%27%3D%271",
  "%22%3B%20DROP%20TABLE%20runs%3B--",
  "__proto__",
  "constructor",
  "toString",
  "null",
  "undefined",
  "NaN",
  "-1",
  "%20",
  "a%0d%0aset-cookie%3Aa",
  "{run_id}",
  ":run_id",
  "*",
];

const strangeTexts = [
  "",
  " ",
  "' OR '1'='1",
  "'; DROP TABLE runs; --",
  '" OR 1=1 --',
  "1); DELETE FROM api_keys; --",
  "%' UNION SELECT key_hash FROM api_keys --",
  "\\",
  "\u0000",
  "../../../etc/passwd",
  "..\\..\\windows\\system32",
  "file:///etc/passwd",
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "$durable",
  "#{7*7}",
  "{{7*7}}",
  "<script>alert(1)</script>",
  "javascript:alert(1)",
  "a\r\nset-cookie: a=b",
  "\u202eabc",
  "💩",
  "\ud800",
  "\udfff x",
  "NaN",
  "Infinity",
  "null",
  "true",
  "0x10",
  "1e309",
  "-0",
  "2026-99-99T99:99:99Z",
];

const strangeNumbers = [
  "-1",
  "0",
  "1",
  "501",
  "1e3",
  "0x1",
  "1.5",
  "٣",
  "+1",
  " 1",
  "9007199254740993",
  "9".repeat(400),
  "NaN",
];

const strangeJson = [
  "null",
  "true",
  "0",
  "-0",
  "1e400",
  "-1",
  "0.1",
  "9007199254740993",
  "123456789012345678901234567890",
  '""',
  "[]",
  "{}",
  "[[]]",
  "[null,{}]",
  "1e21",
  "253402300800000",
  '"9999-12-31T23:59:59.999Z"',
  `"${"é".repeat(300)}"`,
  `[${'"a",'.repeat(2_000)}0]`,
  '{"a":{"b":{"c":[1,2,3]}}}',
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '{"$durable":"date","value":"never"}',
  '{"$durable":"map","value":7}',
  '{"$durable":["error",{"name":"X","stack":"at a.ts:1:1"}]}',
  '{"$durable":"bigint","value":"x"}',
  '"\\ud800"',
  '"\\u0000"',
  `${"[".repeat(40)}${"]".repeat(40)}`,
];

const contentTypes = [
  "application/json",
  "application/json; charset=utf-16",
  "text/plain",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=x",
  "application/x-ndjson",
  "application/json;;;",
  "",
];

const strangeHeaders = [
  "x-trace-id",
  "traceparent",
  "tracestate",
  "origin",
  "accept",
  "accept-encoding",
  "access-control-request-method",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-http-method-override",
  "content-encoding",
  "range",
  "if-modified-since",
  "cookie",
  "__proto__",
];

function strangeBodies(): readonly (string | Uint8Array<ArrayBuffer>)[] {
  return [
    "",
    " ",
    "\ufeff{}",
    "{",
    "[",
    '"',
    "{'a':1}",
    "{a:1}",
    '{"a":1,}',
    "[1,]",
    "NaN",
    "undefined",
    "// comment",
    "a=1&b=2",
    "<xml/>",
    '{"inputs":{"a":1}}{"inputs":{}}',
    `${"[".repeat(20_000)}`,
    `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`,
    `{"inputs":${"[".repeat(5_000)}${"]".repeat(5_000)}}`,
    `{"skill_id":"http.chain","inputs":{"a":${'{"b":'.repeat(600)}1${"}".repeat(600)}}}`,
    `{"inputs":{"a":"${"x".repeat(200_000)}"}}`,
    new Uint8Array([0xff, 0xfe, 0x00, 0x80]),
    new Uint8Array([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d]),
    new Uint8Array([0x1f, 0x8b, 0x08, 0x00, 0x00]),
  ];
}

function member(name: string, json: string): string {
  return `${JSON.stringify(name)}:${json}`;
}

/** The bytes with some of them changed. */
function scrambled(dice: Dice, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const changed = bytes.slice();
  for (let count = 1 + dice.below(4); count > 0 && changed.length > 0; count--) {
    changed[dice.below(changed.length)] = dice.below(256);
  }
  return changed;
}

/** What may stand in a header: other characters are refused before a request leaves its sender, or warned of. */
function ascii(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, "?").trim();
}

/** What may be percent-encoded. */
function well(text: string): string {
  return text.toWellFormed();
}
