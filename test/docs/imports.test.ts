import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { importViolations, shippedFiles } from "../../scripts/imports.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

test("imports go one way", () => {
  const files = shippedFiles(root);
  expect(files.length).toBeGreaterThan(0);
  expect(importViolations(files)).toEqual([]);
});

test("only src/journal commits to the store of a host", () => {
  // Conformance plays the host, and a store of D1 makes each commit again when a claim was taken meanwhile.
  const files = shippedFiles(root).filter(({ path }) => !/^(src\/conformance|adapters)\//.test(path));
  const committing = files.filter(({ text }) => /\bstore\.commit\(/.test(text.replaceAll(/^\s*(\*|\/\/).*$/gm, "")));
  expect(committing.map(({ path }) => path)).toEqual(["src/journal/commit.ts"]);
});

describe("the check of imports", () => {
  const violations = (path: string, text: string) => importViolations([{ path, text }]);

  test.each([
    ["src/json.ts", `import { isTerminal } from "./record/lifecycle.ts";`],
    ["src/record/lifecycle.ts", `import type { Store } from "../store.ts";`],
    ["src/record/lifecycle.ts", `import { write } from "../journal/commit.ts";`],
    ["src/codec/values.ts", `import { write } from "../journal/commit.ts";`],
    ["src/store.ts", `import { transition } from "./record/lifecycle.ts";`],
    ["src/engine/pass.ts", `import { createRuntime } from "../runtime.ts";`],
    ["src/runtime.ts", `import { cases } from "./conformance/index.ts";`],
    ["src/runtime.ts", `import { memoryStore } from "../adapters/memory/index.ts";`],
    ["src/index.ts", `export { app } from "../worker/http/index.ts";`],
    ["src/index.ts", `export * from "./conformance/index.ts";`],
    ["src/json.ts", `import * as v from "valibot";`],
    ["src/json.ts", `import { readFile } from "node:fs";`],
    ["src/conformance/index.ts", `import { test } from "vitest";`],
    ["adapters/memory/index.ts", `import type { Run } from "../../src/record/run.ts";`],
    ["adapters/memory/index.ts", `import { transition } from "../../src/index.ts";`],
    ["adapters/memory/index.ts", `import { openDB } from "idb";`],
    ["adapters/d1/index.ts", `import { memoryStore } from "../memory/index.ts";`],
    ["adapters/d1/index.ts", `import { app } from "../../worker/http/index.ts";`],
    ["adapters/d1/database.ts", `import type { D1Database } from "@cloudflare/workers-types";`],
    ["worker/cloudflare/platform.ts", `import type { RateLimit } from "@cloudflare/workers-types";`],
    ["adapters/indexeddb/index.ts", `import { Buffer } from "node:buffer";`],
    ["worker/http/index.ts", `import { d1Store } from "../../adapters/d1/index.ts";`],
    ["worker/http/routes/runs.ts", `import { env } from "cloudflare:workers";`],
    ["worker/http/index.ts", `import { d1Keys } from "../cloudflare/d1-keys.ts";`],
    ["worker/http/index.ts", `import type { D1Database } from "@cloudflare/workers-types";`],
    ["worker/http/index.ts", `import { inspectorPage } from "../inspector/page.ts";`],
    ["worker/http/contract/runs.ts", `import { query } from "../request.ts";`],
    ["worker/http/contract/runs.ts", `import type { AppEnv } from "../request.ts";`],
    ["worker/http/contract/runs.ts", `import { Hono } from "hono";`],
    ["worker/cloudflare/index.ts", `import { indexedDbStore } from "../../adapters/indexeddb/index.ts";`],
    ["worker/cloudflare/index.ts", `import { createClient } from "../client/index.ts";`],
    ["worker/browser/service-worker.ts", `import { d1Store } from "../../adapters/d1/index.ts";`],
    ["worker/browser/page.ts", `import { createApp } from "../http/index.ts";`],
    ["worker/client/index.ts", `import { createApp } from "../http/index.ts";`],
    ["worker/client/index.ts", `import { type createApp } from "../http/index.ts";`],
    ["worker/client/watch.ts", `export { run } from "../http/contract/records.ts";`],
    ["worker/client/index.ts", `import type { AppEnv } from "../http/request.ts";`],
    ["worker/inspector/element.ts", `import { run } from "../http/contract/records.ts";`],
    ["worker/inspector/routes.ts", `import type { AppEnv } from "../http/request.ts";`],
    ["worker/cloudflare/index.ts", `import { demo } from "../../examples/demo/skill.ts";`],
    ["worker/inspector/ui/state/run-page.ts", `import { runView } from "../views/run-view.ts";`],
    ["worker/inspector/ui/state/app.ts", `import type { TemplateResult } from "lit/html.js";`],
    ["worker/inspector/ui/state/wire.ts", `import { run } from "../../../http/contract/records.ts";`],
    ["worker/inspector/ui/state/wire.ts", `import type { createApp } from "../../../http/index.ts";`],
    ["worker/inspector/ui/views/shell.ts", `import { OrcaInspector } from "../../element.ts";`],
    ["worker/inspector/ui/views/run-view.ts", `import { calls } from "../../../client/calls.ts";`],
    ["worker/inspector/element.ts", `import { calls } from "../client/calls.ts";`],
    ["worker/inspector/ui/run.ts", `import { html } from "lit/html.js";`],
    ["worker/client/calls.ts", `import type { App } from "../inspector/ui/state/app.ts";`],
    ["src/unknown.ts", ""],
    ["worker/http/index.ts", `import { createRuntime } from "../../src/index";`],
  ])("refuses in %s: %s", (path, text) => {
    expect(violations(path, text)).toHaveLength(1);
  });

  test("refuses a circle, of values or of types, and prints it", () => {
    const files = (a: string, b: string, c: string) => [
      { path: "src/json.ts", text: a },
      { path: "src/ids.ts", text: b },
      { path: "src/errors.ts", text: c },
    ];
    const [toIds, toErrors, toJson] = [
      `import { a } from "./ids.ts";`,
      `import type { b } from "./errors.ts";`,
      `export type { c } from "./json.ts";`,
    ];
    expect(importViolations(files(toIds, toErrors, ""))).toEqual([]);
    expect(importViolations(files(toIds, toErrors, toJson))).toEqual([
      "a circle of imports: src/json.ts -> src/ids.ts -> src/errors.ts -> src/json.ts",
    ]);
    expect(importViolations([{ path: "src/json.ts", text: `import { a } from "./json.ts";` }])).toHaveLength(1);
  });

  test.each([
    ["over several lines", `import {\n  type A,\n  b,\n} from\n  "node:fs";`],
    ["of types alone", `import type { A } from "node:fs";`],
    ["for its effect", `import "node:fs";`],
    ["re-exported", `export { a } from "node:fs"; `],
    ["re-exported whole", `export * as a from "node:fs";`],
    ["at run time", `export const a = () => import("node:fs");`],
    ["inside a type", `export type A = import("node:fs").Stats;`],
    ["in the old form", `import a = require("node:fs");`],
    ["computed", "export const a = (b: string) => import(b);"],
    ["in a file that does not parse", `import { from "./errors.ts";`],
  ])("sees an import %s", (_form, text) => {
    expect(violations("src/json.ts", text)).toHaveLength(1);
  });

  test.each([
    ["src/record/run.ts", `import type { RunId } from "../ids.ts";`],
    ["src/codec/bodies.ts", `import { a } from "./values.ts"; import { b } from "../json.ts";`],
    ["src/engine/pass.ts", `import { a } from "../store.ts"; import { b } from "../record/lifecycle.ts";`],
    ["src/runtime.ts", `import { a } from "./engine/pass.ts"; import { b } from "./store.ts";`],
    ["src/conformance/store/fence.ts", `import { a } from "../../store.ts"; import { b } from "../case.ts";`],
    ["adapters/indexeddb/index.ts", `import { openDB } from "idb"; import type { Store } from "../../src/store.ts";`],
    ["adapters/d1/index.ts", `import type { D1Database } from "./database.ts"; import { a } from "../sql/writes.ts";`],
    [
      "worker/http/index.ts",
      `import { Hono } from "hono"; import { cors } from "hono/cors"; import { a } from "../../src/index.ts";`,
    ],
    [
      "worker/cloudflare/index.ts",
      `import { a } from "../http/index.ts"; import { b } from "../../adapters/d1/index.ts";`,
    ],
    ["worker/http/contract/keys.ts", `import { roles } from "../auth/caller.ts"; import * as v from "valibot";`],
    [
      "worker/http/routes/runs.ts",
      `import { runQuery } from "../contract/runs.ts"; import { query } from "../request.ts";`,
    ],
    ["worker/client/index.ts", `import type { createApp } from "../http/index.ts";`],
    ["worker/client/watch.ts", `export type { EventAnswer } from "../http/contract/records.ts";`],
    [
      "worker/inspector/ui/state/service.ts",
      `import { a } from "../../../client/calls.ts"; import type { B } from "../../../http/contract/records.ts";`,
    ],
    [
      "worker/inspector/ui/views/run-view.ts",
      `import { html } from "lit/html.js"; import { a } from "../state/app.ts";`,
    ],
    ["src/json.ts", `// import { a } from "node:fs";\nexport const text = 'import { a } from "node:fs"';`],
  ])("accepts in %s: %s", (path, text) => {
    expect(violations(path, text)).toEqual([]);
  });
});
