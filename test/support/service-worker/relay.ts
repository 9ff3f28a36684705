import type { Page } from "playwright";
import type { HttpHome } from "../http-home.ts";
import type { RelayedRequest } from "./page.ts";
import type { Site } from "./site.ts";

/** A body of more bytes is not put into a message to the page: it gets it from the server, piece by piece. */
const inlineBytes = 64 * 1024;

/** Sends requests from Node through the `fetch` of a page. What its service worker does not answer reaches the server. */
export async function relay(page: Page, site: Site, basePath = ""): Promise<HttpHome> {
  const streams = new Map<number, ReadableStreamDefaultController<Uint8Array>>();
  let last = 0;
  await page.exposeFunction("relayPiece", (id: number, piece: string | null) => {
    if (piece !== null) return streams.get(id)?.enqueue(Buffer.from(piece, "latin1"));
    streams.get(id)?.close();
    streams.delete(id);
  });
  const abort = (id: number) => page.evaluate((id) => window.site.abort(id), id);

  /** The body that comes in pieces, which the page begins to send before it has answered. */
  function streamOf(id: number): ReadableStream<Uint8Array> {
    return new ReadableStream({
      start: (controller) => void streams.set(id, controller),
      cancel() {
        streams.delete(id);
        return abort(id);
      },
    });
  }

  return {
    async fetch(request) {
      const id = ++last;
      const stream = streamOf(id);
      request.signal.addEventListener("abort", () => void abort(id));
      const given = await relayed(request, site, basePath);
      const answer = await page.evaluate(([id, given]) => window.site.relay(id, given), [id, given] as const);
      const { status, body, bodyAt } = answer;
      const whole = bodyAt === undefined ? body && Buffer.from(body, "latin1") : site.taken(bodyAt);
      if (whole !== undefined) streams.delete(id);
      const hasNoBody = status === 204 || status === 304 || request.method === "HEAD";
      const headers = new Headers();
      for (const [name, value] of answer.headers) headers.append(name, value);
      return new Response(hasNoBody ? null : (whole ?? stream), { status, headers });
    },
    drain: () => page.evaluate(() => window.site.drain()),
  };
}

async function relayed(request: Request, site: Site, basePath: string): Promise<RelayedRequest> {
  const { pathname, search } = new URL(request.url);
  return {
    path: `${basePath}${pathname}${search}`,
    method: request.method,
    headers: Object.fromEntries(request.headers),
    ...(request.body === null ? {} : await bodyOf(request.body, site)),
  };
}

async function bodyOf(body: ReadableStream<Uint8Array>, site: Site): Promise<Pick<RelayedRequest, "body" | "bodyAt">> {
  const reader = body.getReader();
  const read: Uint8Array[] = [];
  for (let bytes = 0; bytes <= inlineBytes; ) {
    const { done, value } = await reader.read();
    if (done) return { body: Buffer.concat(read).toString("latin1") };
    read.push(value);
    bytes += value.length;
  }
  const rest = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = read.shift() ?? (await reader.read()).value;
        if (next === undefined) controller.close();
        else controller.enqueue(next);
      },
    },
    // Nothing is read before the page asks for it.
    { highWaterMark: 0 },
  );
  return { bodyAt: site.offer(rest.getReader()) };
}
