import type { JsonObject } from "../../src/codec/index.ts";

/** The answer of the Worker. */
export interface Answer<Body> {
  readonly status: number;
  readonly body: Body;
  /** From the header Retry-After, in milliseconds. */
  readonly retryAfterMs: number;
}

/** What the demo reads of a run, as it is on the wire. */
export interface WireRun {
  readonly run_id: string;
  readonly status: string;
  readonly checkpoint_head: string;
  readonly metadata: JsonObject;
  readonly result: { readonly report: string } | null;
}

export interface WireCheckpoint {
  readonly checkpoint_id: string;
  readonly kind: string;
  readonly step_id: string | null;
}

export interface WireEvent {
  readonly event_type: string;
  readonly payload: JsonObject;
}

/** Calls the Worker at that URL as any HTTP client would. */
export function clientOf(url: string, key: string) {
  async function call<Body>(method: "GET" | "POST", path: string, body?: unknown): Promise<Answer<Body>> {
    const response = await fetch(url + path, {
      method,
      headers: { "x-api-key": key, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return {
      status: response.status,
      body: (await response.json()) as Body,
      retryAfterMs: 1_000 * Number(response.headers.get("retry-after") ?? 0),
    };
  }

  async function get<Body>(path: string): Promise<Body> {
    const { status, body } = await call<Body>("GET", path);
    if (status !== 200) throw new Error(`GET ${path} answers ${status}: ${JSON.stringify(body)}`);
    return body;
  }

  return {
    call,
    run: (runId: string) => get<WireRun>(`/v1/runs/${runId}`),
    async checkpoints(runId: string): Promise<readonly WireCheckpoint[]> {
      return (await get<{ checkpoints: WireCheckpoint[] }>(`/v1/runs/${runId}/checkpoints`)).checkpoints;
    },
    async events(runId: string): Promise<readonly WireEvent[]> {
      const { history } = await get<{ history: { events: WireEvent[] }[] }>(`/v1/runs/${runId}/history?limit=500`);
      return history.flatMap((entry) => entry.events);
    },
  };
}

export type Client = ReturnType<typeof clientOf>;
