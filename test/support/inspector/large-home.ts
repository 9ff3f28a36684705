import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { ReadableStream as NodeStream } from "node:stream/web";
import { memoryStore } from "../../../adapters/memory/index.ts";
import { createRuntime, defineSkill } from "../../../src/index.ts";
import { createApp } from "../../../worker/http/index.ts";
import { inspectorPage } from "../../../worker/inspector/page.ts";

export interface LargeHome {
  readonly url: string;
  readonly runCount: number;
  readonly stepCount: number;
  /** The id of the run with this number of steps. */
  readonly longRun: string;
  close(): Promise<void>;
}

/** A service over memory in this process, with very many runs, and one of very many steps. */
export async function largeHome(runCount: number, stepCount: number): Promise<LargeHome> {
  const longRun = "the-long-run";
  const skill = defineSkill({
    id: "long.walk",
    version: "1",
    run: async (step) => {
      for (let index = 0; index < stepCount; index++) await step.do(`step ${index}`, async () => index);
      return stepCount;
    },
  });
  const runtime = createRuntime({
    serves: false,
    store: memoryStore(),
    skills: [skill],
    capabilities: [],
    leaseMs: 600_000,
  });
  const runs = runtime.for("me");
  await runs.start({ skillId: "long.walk", runId: longRun, inputs: {} });
  await runtime.idle();
  for (let index = 1; index < runCount; index++) {
    await runs.create({
      skillId: `skill.${index % 7}`,
      runId: `run-${String(index).padStart(6, "0")}`,
      inputs: { index },
    });
  }
  const app = createApp({
    authenticate: () => ({ tenant: "me", role: "admin" }),
    runs: (tenant) => runtime.for(tenant),
    inspector: inspectorPage,
  });
  const server = createServer(async (request, response) => {
    const body = request.method === "GET" ? {} : { body: await buffer(request) };
    const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)] as [string, string]);
    const answer = await app.fetch(
      new Request(`http://${request.headers.host}${request.url}`, {
        method: request.method ?? "GET",
        headers,
        ...body,
      }),
    );
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (answer.body === null) return void response.end();
    const sent = Readable.fromWeb(answer.body as NodeStream);
    // `pipe` alone would leave a stream open whose page has gone.
    response.on("close", () => sent.destroy());
    sent.pipe(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    runCount,
    stepCount,
    longRun,
    async close() {
      server.close();
      server.closeAllConnections();
      await runtime.stop();
    },
  };
}
