import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/codec/index.ts";
import { Client, type HttpHome, keyOf, runPath, type SentEvent, sentEvents } from "../../support/http-home.ts";

/** What happened to a run, page by page and as it happens. */
export function testStreams(home: HttpHome): void {
  const client = new Client(home);

  const allEvents = async (runId: string) =>
    (await client.expect(200, client.get(`${runPath(runId, "events")}?limit=500`))).events as readonly JsonObject[];
  const placeOf = ({ event_id }: JsonObject) => (event_id as string).split(":").slice(-2).join("-");

  /** A run that is executed until it is canceled. */
  const held = (name: string) => client.start("http.held", { latch: `held for ${name}, and never let go` });

  test.each(["admin", "read"] as const)("the stream of changes announces a run that changes, to %s", async (role) => {
    const stopping = new AbortController();
    const { signal } = stopping;
    const request = new Request("http://orca.test/v1/changes", {
      headers: { "x-api-key": keyOf("alpha", role) },
      signal,
    });
    const response = await home.fetch(request);
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    const reader = response.body?.getReader();
    const decoder = new TextDecoder();
    const runId = await client.create("http.chain");
    let text = "";
    while (!text.includes(`"${runId}"`)) {
      const part = await reader?.read();
      if (part === undefined || part.done) throw new Error(`the stream ended after ${text}`);
      text += decoder.decode(part.value, { stream: true });
    }
    await reader?.cancel();
    stopping.abort();
  });

  describe("events", () => {
    test("come in pages that add up to the history", async () => {
      const runId = await client.settled("http.chain", { value: 1 });
      const events = await allEvents(runId);
      expect(events.map(({ event_type }) => event_type)).toEqual(await client.events(runId));
      for (const limit of [1, 3, 500]) {
        const paged: JsonObject[] = [];
        for (let after: string | undefined = ""; after !== undefined; ) {
          const place = after === "" ? "" : `&after=${after}`;
          const page: JsonObject = await client.expect(
            200,
            client.get(`${runPath(runId, "events")}?limit=${limit}${place}`),
          );
          paged.push(...(page.events as readonly JsonObject[]));
          const { has_more, next_after } = page.pagination as { has_more: boolean; next_after?: string };
          expect(has_more).toBe(next_after !== undefined);
          after = next_after;
        }
        expect(paged).toEqual(events);
      }
      const [first, ...rest] = events;
      const after = encodeURIComponent(first?.event_id as string);
      const page = await client.expect(200, client.get(`${runPath(runId, "events")}?after=${after}`));
      expect(page.events).toEqual(rest);
    });

    const malformed = ["x", "1", "-1-0", "1-0-0", "other:1:0", "1e3-0", "9999999999999999-0", "%00", "' OR 1=1--"];
    test.each(malformed)("after %j are a 400, and so is their stream", async (after) => {
      const runId = await client.create("http.chain");
      const query = `?after=${encodeURIComponent(after)}`;
      await client.refusal("invalid_request", client.get(`${runPath(runId, "events")}${query}`));
      await client.refusal("invalid_request", client.get(`${runPath(runId, "stream")}${query}`));
      const headers = { "last-event-id": after };
      await client.refusal("invalid_request", client.get(runPath(runId, "stream"), { headers }));
    });

    test("of a run that does not exist are a 404, and so are those of another tenant's run", async () => {
      const runId = await client.create("http.chain");
      const beta = new Client(home, "beta");
      for (const name of ["events", "stream"]) {
        await client.refusal("not_found", client.get(runPath("nowhere", name)));
        await beta.refusal("not_found", beta.get(runPath(runId, name)));
      }
    });
  });

  describe("a stream", () => {
    test("of an ended run has all its events, and its end", async () => {
      const runId = await client.settled("http.chain", { value: 1 });
      const answer = await client.get(runPath(runId, "stream"));
      expect(answer.status).toBe(200);
      expect(answer.text.startsWith("retry: 1000\n\n")).toBe(true);
      const sent = sentEvents(answer.text);
      const events = await allEvents(runId);
      expect(sent.slice(0, -1)).toEqual(events.map((one) => ({ id: placeOf(one), data: JSON.stringify(one) })));
      expect(sent.at(-1)).toEqual({ event: "end", data: '{"status":"completed"}' });
    });

    test("begins after the given event; the header wins over the query", async () => {
      const runId = await client.settled("http.chain", { value: 1 });
      const events = await allEvents(runId);
      for (const [index, event] of events.slice(0, -1).entries()) {
        const headers = { "last-event-id": placeOf(event) };
        const { text } = await client.get(`${runPath(runId, "stream")}?after=0-0`, { headers });
        const rest = events.slice(index + 1).map(placeOf);
        expect(sentEvents(text).map(({ id, event }) => id ?? event)).toEqual([...rest, "end"]);
      }
      const { text } = await client.get(`${runPath(runId, "stream")}?after=${placeOf(events.at(-2) as JsonObject)}`);
      expect(sentEvents(text)).toHaveLength(2);
    });

    test("is not started again if the run has ended and nothing is new", async () => {
      const runId = await client.settled("http.chain", { value: 1 });
      const last = (await allEvents(runId)).at(-1) as JsonObject;
      for (const place of [placeOf(last), last.event_id as string, "999999-0"]) {
        const answer = await client.get(runPath(runId, "stream"), { headers: { "last-event-id": place } });
        expect(answer.status).toBe(204);
      }
    });

    test("ends with any terminal status", async () => {
      const failed = await client.start("http.failing-first");
      await client.reached(failed, "failed");
      const canceled = await client.create("http.chain");
      await client.post(runPath(canceled, "cancel"));
      for (const [runId, status] of [
        [failed, "failed"],
        [canceled, "canceled"],
      ] as const) {
        const sent = sentEvents((await client.get(runPath(runId, "stream"))).text);
        expect(sent.at(-1)).toEqual({ event: "end", data: JSON.stringify({ status }) });
      }
    });

    test("HEAD answers as the stream does, and waits for nothing", async () => {
      const runId = await held("a HEAD");
      const request = new Request(`http://orca.test${runPath(runId, "stream")}`, {
        method: "HEAD",
        headers: { "x-api-key": keyOf("alpha") },
      });
      const response = await home.fetch(request);
      expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
      expect(await response.text()).toBe("");
      await client.expect(200, client.post(runPath(runId, "cancel")));
    });

    test("that is cut twenty times delivers each event once and in order, while the run goes on", async () => {
      const runId = await held("a stream that is cut");
      const happening = (async () => {
        for (let index = 0; index < 40; index++) {
          await client.expect(200, client.post(runPath(runId, "signal"), { name: "note", payload: index }));
        }
        await client.expect(200, client.post(runPath(runId, "cancel")));
      })();
      const received: SentEvent[] = [];
      let cuts = 0;
      for (let isEnded = false; !isEnded; ) {
        const last = received.at(-1)?.id;
        // At another byte each time: between messages, within one, before the first.
        const maxBytes = cuts < 20 ? 5 + ((cuts * 137) % 500) : Number.POSITIVE_INFINITY;
        const { text, isCut } = await readStream(runId, last, maxBytes);
        if (isCut) cuts++;
        for (const message of sentEvents(text)) {
          if (message.event === "end") isEnded = true;
          // What is shown live has no id, and is not sent again.
          else if (message.event !== "live") received.push(message);
        }
      }
      await happening;
      expect(cuts).toBe(20);
      const events = await allEvents(runId);
      expect(received).toEqual(events.map((event) => ({ id: placeOf(event), data: JSON.stringify(event) })));
      expect(events.length).toBeGreaterThan(42);
    });
  });

  /** What a connection brings until it closes, or until this number of bytes has arrived. */
  async function readStream(runId: string, last: string | undefined, maxBytes: number) {
    const request = new Request(`http://orca.test${runPath(runId, "stream")}`, {
      headers: { "x-api-key": keyOf("alpha"), ...(last === undefined ? {} : { "last-event-id": last }) },
    });
    const { status, body } = await home.fetch(request);
    expect(status).toBe(200);
    const reader = (body as ReadableStream<Uint8Array>).getReader();
    const bytes: number[] = [];
    for (;;) {
      const { done, value } = await reader.read();
      bytes.push(...(value ?? []));
      const isCut = bytes.length >= maxBytes;
      if (isCut) await reader.cancel();
      if (done || isCut) return { text: new TextDecoder().decode(new Uint8Array(bytes.slice(0, maxBytes))), isCut };
    }
  }
}
