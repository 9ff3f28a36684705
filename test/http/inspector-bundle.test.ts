import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { inspectorModule, inspectorScript } from "../../scripts/inspector.ts";
import { createRuntime } from "../../src/index.ts";
import { apiKeys, createApp } from "../../worker/http/index.ts";
import type * as element from "../../worker/inspector/element.ts";
import { inspectorPage } from "../../worker/inspector/page.ts";

const mostBytes = 48 * 1024;

const runtime = createRuntime({ serves: false, store: memoryStore(), skills: [], capabilities: [] });
const options = {
  authenticate: ({ request }: { readonly request: Request }) => apiKeys([["key", "tenant"]])(request),
  runs: (tenant: string) => runtime.for(tenant),
};
const app = createApp({ ...options, inspector: inspectorPage });

test("the bundle is the one of these sources; otherwise: npm run inspector", async () => {
  const committed = readFileSync("worker/inspector/bundle.generated.ts", "utf8");
  expect((await inspectorModule()) === committed).toBe(true);
});

test("the bundle is at most 48 kB gzipped", async () => {
  expect(gzipSync(await inspectorScript(), { level: 9 }).length).toBeLessThanOrEqual(mostBytes);
});

test("the bundle is one module that imports nothing and evaluates no text", async () => {
  const script = await inspectorScript();
  expect(script).not.toMatch(/\bimport\s*[("'{*]/);
  expect(script).not.toMatch(/\beval\(|new Function\b/);
});

test("the element can be imported without a document, and is then not defined", async () => {
  const place = await mkdtemp(join(tmpdir(), "orca-durable-inspector-"));
  try {
    const file = join(place, "element.mjs");
    await writeFile(file, await inspectorScript());
    const { OrcaInspector } = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as typeof element;
    expect([typeof OrcaInspector, OrcaInspector.observedAttributes]).toEqual([
      "function",
      ["base", "api-key", "routing"],
    ]);
    expect([typeof document, typeof customElements]).toEqual(["undefined", "undefined"]);
  } finally {
    await rm(place, { recursive: true });
  }
});

test.each([
  ["/inspector", "text/html"],
  ["/inspector/element.js", "text/javascript"],
  ["/inspector/page.css", "text/css"],
])("%s needs no key, has a strict policy, and is not sent twice", async (path, type) => {
  const answer = await app.request(path);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toContain(type);
  const policy = answer.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self'");
  expect(policy).not.toContain("unsafe");
  const again = await app.request(path, { headers: { "if-none-match": answer.headers.get("etag") ?? "" } });
  expect([again.status, await again.text()]).toEqual([304, ""]);
});

test("the page has no inline script or style, and names no other origin", () => {
  expect(inspectorPage.html).not.toMatch(/<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|https?:/);
});

test("an app without the option `inspector` has no inspector", async () => {
  const answer = await createApp(options).request("/inspector", { headers: { "x-api-key": "key" } });
  expect(answer.status).toBe(404);
});
