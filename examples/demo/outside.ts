import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** A handler in the Worker begins or ends. */
export interface Call {
  readonly moment: "begins" | "ends";
  readonly runId: string;
  readonly stepId: string;
  readonly attempt: number;
  /** When it was reported, in milliseconds. */
  readonly at: number;
}

/** The world outside the Worker, which counts what was really executed. The kill does not affect it. */
export interface Outside {
  readonly url: string;
  readonly calls: readonly Call[];
  /** Published reports by their idempotency key. */
  readonly reports: ReadonlyMap<string, string>;
  close(): void;
}

/**
 * A library that lends one text, and rejects the first request of each run, so that a retry happens; a press that receives
 * reports; and a counter to which every handler reports when it begins and ends.
 */
export async function openOutside(library: string, onEvent: (event: Call | "refused") => void): Promise<Outside> {
  const calls: Call[] = [];
  const reports = new Map<string, string>();
  const known = new Set<string>();

  async function answer(request: IncomingMessage): Promise<[status: number, body: string]> {
    const { method, url = "", headers } = request;
    if (method === "POST" && url === "/calls") {
      const call: Call = { ...JSON.parse(await text(request)), at: Date.now() };
      calls.push(call);
      onEvent(call);
      return [200, ""];
    }
    if (method === "PUT" && url.startsWith("/reports/")) {
      const report = await text(request);
      reports.set(decodeURIComponent(url.slice("/reports/".length)), report);
      return [200, JSON.stringify({ place: url, bytes: Buffer.byteLength(report) })];
    }
    const reader = String(headers["x-run-id"]);
    if (known.has(reader)) return [200, library];
    known.add(reader);
    onEvent("refused");
    return [503, "the library opens in a moment"];
  }

  const server = createServer(async (request, response) => {
    const [status, body] = await answer(request);
    response.writeHead(status).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    reports,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
