import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime } from "../../src/index.ts";
import { checkBasePath, isOurs, servedPaths, underBase } from "../../worker/browser/service-worker-paths.ts";
import { type AppOptions, createApp } from "../../worker/http/index.ts";

const origin = "https://site.test";

const options: AppOptions<object> = {
  authenticate: () => ({ tenant: "me", role: "admin" }),
  runs: (tenant) => createRuntime({ serves: false, store: memoryStore() }).for(tenant),
};
const app = createApp({ ...options, inspector: { html: "", script: "", style: "" } });

const root = servedPaths(app, { basePath: "", hasReference: true });

describe("a request belongs to the service", () => {
  test.each([
    ["/v1/runs", "", true],
    ["/v1/runs?limit=1", "", true],
    ["/v1/runs/a?c", "", true],
    ["/v1/runs/a/stream", "", true],
    ["/v1/runs/a%2Fb/checkpoints/c", "", true],
    ["/v1/%72uns", "", true],
    ["/v1/health", "", true],
    ["/openapi.json", "", true],
    ["/run_async", "", true],
    ["/run_status/x", "", true],
    ["/reference", "", true],
    ["/inspector", "", true],
    ["/inspector/element.js", "", true],
    ["/", "", false],
    // Of the site itself, beside the service.
    ["/v1", "", false],
    ["/v1/", "", false],
    ["/v1/login", "", false],
    ["/v1/runs/", "", false],
    ["/v1/runs/a/b", "", false],
    ["/v1/runs/a/stream/b", "", false],
    ["/v1/runs//cancel", "", false],
    ["/v1/RUNS", "", false],
    ["/run_async/x", "", false],
    ["/run_status", "", false],
    ["/reference/index.html", "", false],
    ["/inspector/other.js", "", false],
    ["/%E0%A4%A", "", false],
    ["/v1x", "", false],
    ["/v2/runs", "", false],
    ["/a/v1/runs", "", false],
    ["/openapi.json.map", "", false],
    ["/openapi-json", "", false],
    ["/runs", "", false],
    ["/durable/v1/runs", "/durable", true],
    ["/durable/anything", "/durable", true],
    ["/durable", "/durable", false],
    ["/durablex/v1/runs", "/durable", false],
    ["/v1/runs", "/durable", false],
  ])("%s under the base path %j: %s", (path, basePath, expected) => {
    const request = { url: origin + path, method: "GET", mode: "cors" } as const;
    expect(isOurs(request, origin, { ...root, basePath })).toBe(expected);
  });

  test("on every route of the app, but for the first page, which is the site's own", () => {
    const routes = app.routes.filter(({ method, path }) => method !== "ALL" && path !== "/");
    expect(routes.length).toBeGreaterThan(40);
    for (const { method, path } of routes) {
      const url = origin + path.replaceAll(/:\w+/g, "an-id");
      expect([path, isOurs({ url, method, mode: "cors" }, origin, root)]).toEqual([path, true]);
    }
  });

  test("on the inspector's paths only if it has an inspector", () => {
    for (const path of ["/inspector", "/inspector/element.js", "/inspector/page.css"]) {
      const request = { url: origin + path, method: "GET", mode: "navigate" } as const;
      expect(isOurs(request, origin, root)).toBe(true);
      expect(isOurs(request, origin, servedPaths(createApp(options), { basePath: "", hasReference: true }))).toBe(
        false,
      );
    }
  });

  test("on the paths of the reference only if it has one", () => {
    for (const path of ["/openapi.json", "/reference"]) {
      const request = { url: origin + path, method: "GET", mode: "navigate" } as const;
      expect(isOurs(request, origin, root)).toBe(true);
      expect(isOurs(request, origin, servedPaths(app, { basePath: "", hasReference: false }))).toBe(false);
    }
  });

  test("only from its own origin", () => {
    for (const url of ["https://other.test/v1/runs", "http://site.test/v1/runs", "https://site.test:8443/v1/runs"]) {
      expect(isOurs({ url, method: "GET", mode: "cors" }, origin, root)).toBe(false);
    }
  });

  test.each([
    ["GET", true],
    ["HEAD", true],
    ["POST", false],
    ["DELETE", false],
  ])("as a navigation with %s: %s", (method, expected) => {
    expect(isOurs({ url: `${origin}/v1/runs`, method, mode: "navigate" }, origin, root)).toBe(expected);
  });
});

test.each(["durable", "/durable/", "/", "/a//b", "/a?b", "https://site.test/a"])(
  "%j is not a base path",
  (basePath) => {
    expect(() => checkBasePath(basePath)).toThrow(
      expect.objectContaining({ code: "invalid_definition", path: "basePath" }),
    );
  },
);

test.each(["", "/durable", "/a/b"])("%j is a base path", (basePath) => {
  expect(() => checkBasePath(basePath)).not.toThrow();
});

describe("a request under a base path", () => {
  test("loses the base path, and keeps everything else", async () => {
    const headers = { "x-trace-id": "t", "content-type": "application/json" };
    const given = new Request(`${origin}/durable/v1/runs?a=%20b`, { method: "POST", headers, body: "{}" });
    const request = await underBase(given, "/durable");
    expect([request.url, request.method]).toEqual([`${origin}/v1/runs?a=%20b`, "POST"]);
    expect(Object.fromEntries(request.headers)).toEqual(headers);
    expect(await request.text()).toBe("{}");
  });

  test("is a new request for a navigation, which cannot be copied", async () => {
    const navigation = Object.defineProperty(new Request(`${origin}/durable/reference`), "mode", { value: "navigate" });
    expect(await underBase(navigation, "/durable")).toMatchObject({ url: `${origin}/reference`, method: "GET" });
  });
});

test("a request without a stream as its body, as in Firefox, is read", async () => {
  const body = JSON.stringify({ skill_id: "any", run_id: "made", start: false });
  const request = new Request(`${origin}/v1/runs`, { method: "POST", body });
  Object.defineProperty(request, "body", { value: undefined });
  expect(await (await app.fetch(request)).json()).toMatchObject({ run_id: "made", status: "pending" });
});
