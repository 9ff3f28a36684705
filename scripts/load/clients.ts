/** The latencies of answers in milliseconds, by kind of request. */
export type Latencies = Map<string, number[]>;

export interface Load {
  readonly latencies: Latencies;
  /** The ids of the acknowledged runs. */
  readonly acknowledged: readonly string[];
}

type Body = Readonly<Record<string, unknown>>;

/** Starts `runs` runs (every other one is created and then resumed), polls each to its end, and finds it in the list. */
export async function loadService(url: string, key: string, runs: number, clients: number): Promise<Load> {
  const latencies: Latencies = new Map();
  const acknowledged: string[] = [];
  const call = async (what: string, method: string, path: string, body?: Body, headers = {}): Promise<Body> => {
    const init = { method, headers: { "x-api-key": key, ...headers }, ...(body && { body: JSON.stringify(body) }) };
    const [response, text] = await timed(latencies, what, async () => {
      const response = await fetch(url + path, init);
      return [response, await response.text()] as const;
    });
    if (!response.ok) throw new Error(`${method} ${path} was answered with ${response.status}: ${text}`);
    return JSON.parse(text) as Body;
  };
  const one = async (index: number) => {
    const inputs = { to: `reader ${index}` };
    const once = { "idempotency-key": `start ${index}` };
    const isResumed = index % 2 === 1;
    const start = () =>
      isResumed
        ? call("create", "POST", "/v1/runs", { skill_id: "letter", inputs, start: false }, once)
        : call("start", "POST", "/v1/skills/letter/execute/async", { inputs }, once);
    // Some callers do not trust the first answer and send the same request twice at once.
    const answers = await Promise.all(index % 5 === 0 ? [start(), start()] : [start()]);
    const ids = new Set(answers.map(({ run_id }) => String(run_id)));
    acknowledged.push(...ids);
    const [runId = ""] = ids;
    if (isResumed) await call("resume", "POST", `/v1/runs/${runId}/resume`, {});
    while ((await call("poll", "GET", `/v1/runs/${runId}`)).status !== "completed") await pause(20);
    await call("list", "GET", "/v1/runs?cursor=&limit=20");
  };
  await inLanes(runs, clients, one);
  return { latencies, acknowledged };
}

/** Sends `requests` requests to a route. */
export async function loadRoute(url: string, requests: number, clients: number): Promise<Latencies> {
  const latencies: Latencies = new Map();
  await inLanes(requests, clients, () =>
    timed(latencies, "bare Hono", async () => {
      const response = await fetch(url);
      if (!response.ok) throw new Error(`${url} was answered with ${response.status}`);
      await response.text();
    }),
  );
  return latencies;
}

async function inLanes(count: number, lanes: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function timed<T>(latencies: Latencies, what: string, call: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const answer = await call();
  const times = latencies.get(what) ?? [];
  times.push(performance.now() - startedAt);
  latencies.set(what, times);
  return answer;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
