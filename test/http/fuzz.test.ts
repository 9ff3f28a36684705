import { expect, test } from "vitest";
import { countsLine, type FuzzHome, fuzz } from "../support/fuzz.ts";
import { fuzzMemoryHome } from "../support/fuzz-memory-home.ts";
import { fuzzCount, fuzzSeed } from "../support/fuzz-options.ts";

const count = fuzzCount(10_000);

test(`${count} hostile requests over memory`, { timeout: 1_200_000 }, async () => {
  const report = await fuzz(fuzzMemoryHome, fuzzSeed, count);
  console.log(`memory, seed ${fuzzSeed}: ${countsLine(report)}`);
  expect(report.findings.slice(0, 20)).toEqual([]);
  expect([...report.counts.values()].reduce((sum, some) => sum + some, 0)).toBe(count);
});

/** What is planted is found by these requests, whichever seed the others have. */
const plantedSeed = 20_261_102;

type Answer = (response: Response, request: Request) => Response | Promise<Response>;

/** A home whose answers, beyond what sets the scene, are spoiled. */
async function spoiled(answer: Answer): Promise<FuzzHome> {
  const home = await fuzzMemoryHome();
  return {
    ...home,
    fetch: async (request) => {
      const response = await home.fetch(request);
      return response.status < 400 && request.method !== "GET" ? response : answer(response, request);
    },
  };
}

const failed = (status: number, message: string) =>
  Response.json({ error: { code: "not_found", message, type: "DurableError", status }, trace_id: "t" }, { status });

test.each<[string, string, () => Promise<FuzzHome>]>([
  ["answered 500", "an answer of 500", () => spoiled((it) => (it.status === 404 ? failed(500, "") : it))],
  [
    "something of its inside",
    "a stack",
    () => spoiled((it) => (it.status === 404 ? failed(404, "Error\n    at f (/app/worker/app.ts:1:2)") : it)),
  ],
  [
    "another trace id",
    "a trace id that is not the header's",
    () => spoiled((it) => (it.status === 404 ? failed(404, "") : it)),
  ],
  [
    "what is no failure",
    "an answer that is not JSON",
    () => spoiled((it) => (it.status === 404 ? new Response("no", { status: 404 }) : it)),
  ],
  [
    "what is of another tenant",
    "a run of another tenant",
    () =>
      spoiled((it, { headers }) => (headers.get("x-api-key") === "key-of-alpha" ? new Response("secret of beta") : it)),
  ],
  [
    "changed a row",
    "a row that a rejected request changes",
    async () => {
      let changes = 0;
      const home = await spoiled((it) => {
        if (it.status === 404) changes++;
        return it;
      });
      return { ...home, state: async () => String(changes) };
    },
  ],
  [
    "under the same key",
    "a key that is ignored",
    async () => {
      const home = await fuzzMemoryHome();
      const fetch = (request: Request) => {
        const headers = new Headers(request.headers);
        headers.delete("idempotency-key");
        return home.fetch(new Request(request, { headers }));
      };
      return { ...home, fetch };
    },
  ],
  [
    "thrown",
    "an answer that is thrown",
    () =>
      spoiled((it) => {
        if (it.status === 404) throw new Error("down");
        return it;
      }),
  ],
])("what is looked for is found: %s", async (finding, _what, open) => {
  const { findings } = await fuzz(open, plantedSeed, 400);
  expect(findings.filter((one) => one.includes(finding))).not.toEqual([]);
});
