import { describe, expect, test } from "vitest";
import { memoryStore } from "../adapters/memory/index.ts";
import { createRuntime } from "../src/index.ts";
import { createApp } from "../worker/app.ts";
import { isOurs, underBase } from "../worker/service-worker-paths.ts";

const origin = "https://site.test";

describe("a request is the service's", () => {
  test.each([
    ["/v1/runs", "", true],
    ["/v1/runs/a/b?c", "", true],
    ["/v1", "", true],
    ["/openapi.json", "", true],
    ["/run_async", "", true],
    ["/run_status/x", "", true],
    ["/reference", "", true],
    ["/inspector/element.js", "", true],
    ["/", "", false],
    ["/v1x", "", false],
    ["/v2/runs", "", false],
    ["/a/v1/runs", "", false],
    ["/openapi.json.map", "", false],
    ["/runs", "", false],
    ["/durable/v1/runs", "/durable", true],
    ["/durable/anything", "/durable", true],
    ["/durable", "/durable", false],
    ["/durablex/v1/runs", "/durable", false],
    ["/v1/runs", "/durable", false],
  ])("%s under the base path %j: %s", (path, basePath, expected) => {
    expect(isOurs({ url: origin + path, method: "GET", mode: "cors" }, origin, basePath)).toBe(expected);
  });

  test("only of its own origin", () => {
    for (const url of ["https://other.test/v1/runs", "http://site.test/v1/runs", "https://site.test:8443/v1/runs"]) {
      expect(isOurs({ url, method: "GET", mode: "cors" }, origin, "")).toBe(false);
    }
  });

  test.each([
    ["GET", true],
    ["HEAD", true],
    ["POST", false],
    ["DELETE", false],
  ])("as a navigation with %s: %s", (method, expected) => {
    expect(isOurs({ url: `${origin}/v1/runs`, method, mode: "navigate" }, origin, "")).toBe(expected);
  });
});

describe("a request under a base path", () => {
  test("loses it, and keeps all else", async () => {
    const headers = { "x-trace-id": "t", "content-type": "application/json" };
    const given = new Request(`${origin}/durable/v1/runs?a=%20b`, { method: "POST", headers, body: "{}" });
    const request = await underBase(given, "/durable");
    expect([request.url, request.method]).toEqual([`${origin}/v1/runs?a=%20b`, "POST"]);
    expect(Object.fromEntries(request.headers)).toEqual(headers);
    expect(await request.text()).toBe("{}");
  });

  test("is another for a navigation, of which no copy can be made", async () => {
    const navigation = Object.defineProperty(new Request(`${origin}/durable/reference`), "mode", { value: "navigate" });
    expect(await underBase(navigation, "/durable")).toMatchObject({ url: `${origin}/reference`, method: "GET" });
  });
});

test("a request without streams, as Firefox has it, is read all the same", async () => {
  const runtime = createRuntime({ store: memoryStore() });
  const app = createApp({
    authenticate: () => ({ tenant: "me", role: "admin" }),
    runs: (tenant) => runtime.for(tenant),
  });
  const body = JSON.stringify({ skill_id: "any", run_id: "made", start: false });
  const request = new Request(`${origin}/v1/runs`, { method: "POST", body });
  Object.defineProperty(request, "body", { value: undefined });
  expect(await (await app.fetch(request)).json()).toMatchObject({ run_id: "made", status: "pending" });
});
