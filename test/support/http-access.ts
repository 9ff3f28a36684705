import { describe, expect, test } from "vitest";
import { operations } from "../../worker/operations.ts";
import { Client, type HttpHome, keyOf } from "./http-home.ts";

/** Who may call, and the id under which a request is known. */
export function testAccess(home: HttpHome): void {
  const client = new Client(home);
  const request = (path: string, init: RequestInit = {}) => home.fetch(new Request(`http://orca.test${path}`, init));

  describe("a key", () => {
    const closed = operations
      .filter(({ isOpen }) => isOpen !== true)
      .map(({ method, path }) => [method.toUpperCase(), path.replaceAll(/\{\w+\}/g, "x")] as const);

    test.each([...closed, ["GET", "/no/such/route"] as const, ["DELETE", "/v1/runs"] as const])(
      "is needed for %s %s, and must be the right one",
      async (method, path) => {
        const missing = await request(path, { method });
        expect(missing.status).toBe(401);
        expect(missing.headers.get("www-authenticate")).toBe("Bearer");
        expect(await missing.json()).toMatchObject({ error: { code: "unauthorized", type: "DurableError" } });
        const wrong = await request(path, { method, headers: { "x-api-key": "wrong" } });
        expect(wrong.status).toBe(403);
        expect(await wrong.json()).toMatchObject({ error: { code: "forbidden", status: 403 } });
      },
    );

    test.each([
      [{ "x-api-key": "" }, 401],
      [{ authorization: "" }, 401],
      [{ authorization: "Bearer" }, 401],
      [{ authorization: `Basic ${keyOf("alpha")}` }, 401],
      [{ authorization: "Bearer wrong" }, 403],
      [{ "x-api-key": `${keyOf("alpha")}x` }, 403],
      [{ "x-api-key": keyOf("alpha").toUpperCase() }, 403],
      [{ "x-api-key": "wrong", authorization: `Bearer ${keyOf("alpha")}` }, 403],
      [{ "x-api-key": keyOf("alpha") }, 200],
      [{ authorization: `Bearer ${keyOf("alpha")}` }, 200],
      [{ authorization: `bearer  ${keyOf("alpha")}` }, 200],
    ])("sent as %j answers %d", async (headers, status) => {
      const sent = new Headers(
        Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined),
      );
      expect((await request("/v1/runs", { headers: sent })).status).toBe(status);
    });

    test("is not needed for the health and the document", async () => {
      expect(await (await request("/v1/health")).json()).toEqual({ status: "ok" });
      const document = await (await request("/openapi.json")).json();
      expect(document).toMatchObject({ openapi: "3.1.0", info: { title: "orca-durable" } });
    });
  });

  describe("the trace id", () => {
    test("is echoed in the header, the body and the run", async () => {
      const headers = { "x-trace-id": "trace of ours" };
      const started = await client.post("/v1/skills/http.chain/execute/async", { inputs: {} }, { headers });
      expect(started.headers.get("x-trace-id")).toBe("trace of ours");
      expect(started.body.trace_id).toBe("trace of ours");
      const missing = await client.get("/v1/runs/nowhere", { headers });
      expect(missing.body.trace_id).toBe("trace of ours");
    });

    test("of the body names the run, and the answer where no header does", async () => {
      const body = { inputs: {}, trace_id: "from the body" };
      const path = "/v1/skills/http.chain/execute/async";
      const alone = await client.post(path, body);
      expect([alone.body.trace_id, alone.headers.get("x-trace-id")]).toEqual(["from the body", "from the body"]);
      const both = await client.post(path, body, { headers: { "x-trace-id": "from the header" } });
      expect([both.body.trace_id, both.headers.get("x-trace-id")]).toEqual(["from the body", "from the header"]);
    });

    test.each(["", "x".repeat(201), "caf\u00e9"])("%j is not taken, and a new one made", async (given) => {
      const answer = await client.get("/v1/runs/nowhere", { headers: { "x-trace-id": given } });
      expect(answer.headers.get("x-trace-id")).toMatch(/^trace_[0-9a-f]{32}$/);
    });

    test("is in every answer", async () => {
      const paths = ["/v1/health", "/openapi.json", "/v1/runs", "/v1/runs/nowhere", "/nothing", "/v1/runs/%ff"];
      const ids = new Set<string | null>();
      for (const path of paths) ids.add((await client.get(path)).headers.get("x-trace-id"));
      expect(ids.size).toBe(paths.length);
      expect((await request("/v1/runs")).headers.get("x-trace-id")).toMatch(/^trace_/);
    });
  });
}
