import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { keepReachable } from "../../scripts/reachable.ts";

let folder = "";

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What is left of these files, by their names, if the users of the package see `door.d.ts`. */
function kept(files: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  folder = mkdtempSync(join(tmpdir(), "orca-durable-reachable-"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  keepReachable(folder, ["door.d.ts"]);
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".d.ts"));
  return Object.fromEntries(names.toSorted().map((name) => [name, readFileSync(join(folder, name), "utf8").trim()]));
}

test("what a door exports stays, with all that it refers to and its docstrings", () => {
  const files = {
    "door.d.ts": 'export { start } from "./room/start.ts";\nexport type { Same as Other } from "./room/same.ts";',
    "room/same.d.ts": "export interface Same {\n    readonly own: Own;\n}\ninterface Own {\n}\nexport {};",
    "room/start.d.ts": [
      'import { type Input, type Unused } from "../input.ts";',
      "/** Starts. */",
      "export declare function start(input: Input): typeof import('../output.ts').output;",
      "/** Not exported by the door. */",
      "export declare function stop(input: Unused): void;",
    ].join("\n"),
    "input.d.ts": "export type Input = string;\nexport type Unused = number;",
    "output.d.ts": "export declare const output: Map<string, number>;",
    "nowhere.d.ts": "export type Nothing = Input;",
  };
  expect(kept(files)).toEqual({
    "door.d.ts": files["door.d.ts"],
    "room/same.d.ts": "export interface Same {\n    readonly own: Own;\n}\ninterface Own {\n}",
    "room/start.d.ts": files["room/start.d.ts"].replace(", type Unused", "").replace(/\n\/\*\* Not.*$/s, ""),
    "input.d.ts": "export type Input = string;",
    "output.d.ts": files["output.d.ts"],
  });
});

test("of a namespace, the members that are used stay", () => {
  const files = {
    "door.d.ts": 'import * as values from "./values.ts";\nexport declare const decode: typeof values.decode;',
    "values.d.ts": "export declare function decode(): void;\nexport declare function encode(): void;",
  };
  expect(kept(files)).toEqual({
    "door.d.ts": files["door.d.ts"],
    "values.d.ts": "export declare function decode(): void;",
  });
});

test("what is exported by a star stays only behind a door", () => {
  const files = {
    "door.d.ts": 'export * from "./all.ts";\nexport type { One } from "./some.ts";',
    "all.d.ts": "export type A = 1;\nexport type B = A;",
    "some.d.ts": 'export * from "./more.ts";\nexport * from "./less.ts";',
    "more.d.ts": "export type One = 1;\nexport type Two = 2;",
    "less.d.ts": "export type Three = 3;",
  };
  expect(kept(files)).toEqual({
    "door.d.ts": files["door.d.ts"],
    "all.d.ts": files["all.d.ts"],
    "some.d.ts": 'export * from "./more.ts";',
    "more.d.ts": "export type One = 1;",
  });
});

test("a file of types that no import or export is left of is still a module", () => {
  const files = { "door.d.ts": 'export type { A } from "./a.ts";', "a.d.ts": "type A = 1;\nexport { type A };" };
  expect(kept(files)).toEqual(files);
});
