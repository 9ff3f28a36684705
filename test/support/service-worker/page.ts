import { indexedDbStore } from "../../../adapters/indexeddb/index.ts";
import { createRuntime, type Run } from "../../../src/index.ts";
import { createClient } from "../../../worker/client/index.ts";
import { createPage } from "../../../worker/page.ts";
import { httpCapabilities, httpSkills } from "../http-skills.ts";
import { callers, openLatch } from "./notes.ts";
import { shownCapabilities, shownSkills } from "./skills.ts";

/** A request as it comes from Node. Bytes are a string with one character for each. */
export interface RelayedRequest {
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Where the body is to be had, if it is not here. */
  readonly bodyAt?: string;
}

export interface RelayedResponse {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body?: string;
  /** Where the page has sent the body, if it is not here. Where it is at neither place, it comes by `relayPiece`. */
  readonly bodyAt?: string;
}

/** What a test can do with a page of the site. Its address says whether it executes, and by what name. */
export interface SitePage {
  /** Sends it through `fetch`; the id is for its pieces, and to abort it. */
  relay(id: number, request: RelayedRequest): Promise<RelayedResponse>;
  abort(id: number): void;
  /** Takes what is due, of all tenants, without being a page that serves. */
  drain(): Promise<void>;
  /** The run, read past the service worker, who must not hear that somebody looks. */
  look(runId: string): Promise<LookedUp>;
  /** The ids of the run's events as the client gets them, until the run has ended. */
  watch(runId: string): Promise<string[]>;
  callers(runId: string): Promise<string[]>;
  openLatch(latch: string): Promise<void>;
}

export interface LookedUp extends Pick<Run, "status" | "result"> {
  /** The types of its events. */
  readonly events: readonly string[];
}

declare global {
  interface Window {
    readonly site: SitePage;
    /** Of Node: takes the next piece of a body; `null` after the last. */
    relayPiece(id: number, piece: string | null): Promise<void>;
  }
}

const query = new URLSearchParams(location.search);
const script = query.get("worker") ?? "";
const skills = [...httpSkills, ...shownSkills];
const capabilities = [...httpCapabilities, ...shownCapabilities(query.get("name") ?? "page")];

const store = indexedDbStore();
const looking = createRuntime({ store, executes: false }).for("me");

if (query.get("serves") === "yes") {
  const holdMs = Number(query.get("holdMs") ?? 5_000);
  await createPage({ tenant: "me", skills, capabilities, serviceWorker: script, holdMs }).ready;
} else {
  await navigator.serviceWorker.register(script);
  while (navigator.serviceWorker.controller === null) await new Promise((resolve) => setTimeout(resolve, 10));
}

const aborts = new Map<number, AbortController>();

const site: SitePage = {
  async relay(id, { path, method, headers, body, bodyAt }) {
    const controller = new AbortController();
    aborts.set(id, controller);
    const response = await fetch(path, {
      ...{ method, headers, signal: controller.signal },
      ...(body === undefined ? {} : { body: bytesOf(body) }),
      ...(bodyAt === undefined ? {} : { body: offeredAt(bodyAt), duplex: "half" }),
    });
    const head = { status: response.status, headers: [...response.headers] };
    const comesInPieces = /event-stream|ndjson/.test(response.headers.get("content-type") ?? "");
    if (!comesInPieces) {
      const bytes = new Uint8Array(await response.arrayBuffer());
      aborts.delete(id);
      // A message to Node takes seconds for millions of bytes.
      if (bytes.length <= 64 * 1024) return { ...head, body: textOf(bytes) };
      const at = `/bodies/${crypto.randomUUID()}`;
      await fetch(at, { method: "PUT", body: bytes });
      return { ...head, bodyAt: at };
    }
    void relayPieces(id, response.body);
    return head;
  },
  abort: (id) => aborts.get(id)?.abort(),
  async drain() {
    await createRuntime({ store, skills, capabilities }).drain();
  },
  async look(runId) {
    const { status, result } = await looking.get(runId);
    return { status, result, events: (await looking.events(runId)).map(({ eventType }) => eventType) };
  },
  async watch(runId) {
    const ids: string[] = [];
    for await (const event of createClient(location.origin).watch(runId)) ids.push(event.event_id);
    return ids;
  },
  callers,
  openLatch,
};

/** A body whose pieces are there for the asking, and no piece before. */
function offeredAt(path: string): ReadableStream<Uint8Array> {
  return new ReadableStream(
    {
      async pull(controller) {
        const piece = new Uint8Array(await (await fetch(path)).arrayBuffer());
        if (piece.length === 0) controller.close();
        else controller.enqueue(piece);
      },
    },
    { highWaterMark: 0 },
  );
}

async function relayPieces(id: number, body: ReadableStream<Uint8Array> | null): Promise<void> {
  const reader = body?.getReader();
  try {
    for (let next = await reader?.read(); next?.value !== undefined; next = await reader?.read()) {
      await window.relayPiece(id, textOf(next.value));
    }
  } finally {
    // A body that breaks off ends for Node too: that it is not whole is for the reader to see.
    await window.relayPiece(id, null);
    aborts.delete(id);
  }
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function textOf(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8_192) text += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  return text;
}

Object.assign(window, { site });
