import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/codec/index.ts";
import { readOutput, readOutputPage } from "../../../src/steps.ts";
import { createClient } from "../../../worker/client/index.ts";
import { Client, type HttpHome, keyOf, runPath } from "../../support/http-home.ts";

/** The output of a step, page by page and as it is written. */
export function testOutputs(home: HttpHome): void {
  const client = new Client(home);
  const far = createClient("http://orca.test", { apiKey: keyOf("alpha"), fetch: (request) => home.fetch(request) });
  const page = (runId: string, query: string) => client.expect(200, client.get(`${runPath(runId, "output")}?${query}`));

  describe("the output of a step", () => {
    test("comes in pages, from any offset", async () => {
      const runId = await client.settled("http.telling", { words: ["a", "b", "c", "d", "e"] });
      const all = await page(runId, "step=tell");
      expect(all).toMatchObject({ run_id: runId, step_id: "tell", status: "completed" });
      const chunks = all.chunks as readonly JsonObject[];
      expect(chunks.map(({ chunk }) => chunk)).toEqual(["a", "b", "c", "d", "e"]);
      for (const [index, { offset }] of chunks.entries()) {
        expect((await page(runId, `step=tell&from=${offset}`)).chunks).toEqual(chunks.slice(index));
        const { pagination, chunks: part } = await page(runId, `step=tell&from=${offset}&limit=2`);
        expect(part).toEqual(chunks.slice(index, index + 2));
        const { next_from } = pagination as JsonObject;
        expect((await page(runId, `step=tell&from=${next_from}`)).chunks).toEqual(chunks.slice(index + 2));
      }
      expect(await page(runId, "step=other")).toMatchObject({ chunks: [], status: "completed" });
    });

    test("is followed by a client as by a runtime, and values are live again", async () => {
      const runId = await client.start("http.telling", { words: [], latch: "the output is read" });
      const reader = readOutput(far, runId, "tell");
      expect(await reader.next()).toMatchObject({ value: { chunk: new Date(0) } });
      expect(await readOutputPage(far, runId, "tell")).toMatchObject({ items: [{ chunk: new Date(0) }] });
      await client.start("http.release", { latch: "the output is read" });
      expect(await reader.next()).toEqual({ done: true, value: "completed" });
    });

    test("of a run that does not exist is a 404; without a step, or with a wrong place, it is a 400", async () => {
      const runId = await client.create("http.chain");
      const beta = new Client(home, "beta");
      await client.refusal("not_found", client.get(`${runPath("nowhere", "output")}?step=tell`));
      await beta.refusal("not_found", beta.get(`${runPath(runId, "output")}?step=tell`));
      for (const query of ["", "?step=", "?step=tell&from=-1", "?step=tell&from=x", "?step=tell&limit=0"]) {
        await client.refusal("invalid_request", client.get(`${runPath(runId, "output")}${query}`));
      }
      await expect(readOutput(far, "nowhere", "tell").next()).rejects.toMatchObject({ code: "not_found" });
    });
  });
}
