import { expect } from "vitest";
import { httpStatus, type JsonObject } from "../../src/codec/index.ts";
import type { ErrorCode } from "../../src/index.ts";
import { type Role, roles } from "../../worker/http/auth/caller.ts";
import { type FuzzRequest, type FuzzWorld, fuzzRequests, gateNames } from "./fuzz-requests.ts";
import { keyOf, type Tenant } from "./http-home.ts";

/** Where hostile requests go, with the skills of http-skills.ts and the keys of http-home.ts. Nothing is stored yet. */
export interface FuzzHome {
  fetch(request: Request): Promise<Response>;
  /** Resolves once nothing is executed. */
  idle(): Promise<void>;
  /** Something else after every change of a row, and the same as long as there was none. */
  state(): Promise<string>;
}

export interface FuzzReport {
  /** How many requests were answered so, by status. */
  readonly counts: Map<number, number>;
  /** What must not be, with the request that did it. */
  readonly findings: readonly string[];
}

/** The number of requests to one home before a new one takes its place, so that it does not fill up with what succeeds. */
const roundSize = 1_000;

/** Sends hostile requests, one after the other, and looks at each answer and at what it has changed. */
export async function fuzz(open: () => Promise<FuzzHome>, seed: number, count: number): Promise<FuzzReport> {
  const counts = new Map<number, number>();
  const findings: string[] = [];
  for (let sent = 0; sent < count; sent += roundSize) {
    const home = await open();
    const mine = await worldOf(home, "alpha");
    const theirs = await worldOf(home, "beta");
    const requests = fuzzRequests(seed + sent, mine, theirs);
    let before = await home.state();
    for (let index = sent; index < Math.min(sent + roundSize, count); index++) {
      const request = requests.next().value;
      const found = (problem: string) =>
        findings.push(`request ${index} of seed ${seed}: ${problem}: ${shown(request)}`);
      const status = await send(home, request, mine, found);
      counts.set(status, (counts.get(status) ?? 0) + 1);
      await home.idle();
      const after = await home.state();
      if (after !== before && status >= 400) found(`answered ${status}, and changed a row`);
      before = after;
      if (request.isOnce && status < 300 && request.headers["idempotency-key"] !== undefined) {
        const again = await send(home, request, mine, found);
        await home.idle();
        before = await home.state();
        if (again !== status) found(`answered ${status}, and then ${again} under the same key`);
        if (before !== after) found("changed a row a second time, under the same key");
      }
    }
  }
  if ("polluted" in {}) findings.push("a request has reached Object.prototype");
  return { counts, findings };
}

/** One line: how often each status was answered. */
export function countsLine({ counts }: FuzzReport): string {
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([status, count]) => `${status}: ${count}`)
    .join("  ");
}

async function send(
  home: FuzzHome,
  request: FuzzRequest,
  mine: FuzzWorld,
  found: (problem: string) => void,
): Promise<number> {
  const { method, path, headers, body } = request;
  let response: Response;
  try {
    response = await home.fetch(
      new Request(`http://orca.test${path}`, { method, headers, ...(body === undefined ? {} : { body }) }),
    );
  } catch (error) {
    found(`not answered, but thrown: ${String(error)}`);
    return 0;
  }
  const { status } = response;
  if (response.headers.get("content-type")?.startsWith("text/event-stream")) await response.body?.cancel();
  else {
    const text = await textOf(response);
    checkFailure(status, method, response.headers, text, found);
    const isMine = Object.values(mine.keys).some((key) => headers["x-api-key"] === key);
    if (isMine && text.includes(secretOf("beta"))) found(`answered with what is of another tenant: ${text}`);
  }
  if (status >= 500) found(`answered ${status}`);
  if (response.headers.has("set-cookie")) found("set a cookie");
  return status;
}

function checkFailure(
  status: number,
  method: string,
  headers: Headers,
  text: string,
  found: (problem: string) => void,
): void {
  if (status < 400 || method === "HEAD") return;
  if (/\bat .+\.[jt]s:\d|node_modules|SQLITE_|D1_ERROR|TypeError|RangeError/.test(text)) {
    found(`answered with something of its inside: ${text}`);
  }
  try {
    const { error, trace_id } = JSON.parse(text) as { error: { code: ErrorCode; status: number }; trace_id: string };
    if (error.status !== status || httpStatus[error.code] !== status) found(`answered ${status} with ${text}`);
    if (headers.get("x-trace-id") !== trace_id) found(`answered with another trace id than ${text}`);
  } catch {
    found(`answered ${status} with what is no failure: ${text}`);
  }
}

function shown({ method, path, headers, body }: FuzzRequest): string {
  const sent = body instanceof Uint8Array ? `bytes ${body.join(" ")}` : body;
  return JSON.stringify({ method, path, headers, body: sent }).slice(0, 4_000);
}

// workerd warns of text() where the type is one that it does not take for text.
async function textOf(response: Response): Promise<string> {
  return new TextDecoder().decode(await response.arrayBuffer());
}

/** What stands in every run of the tenant, and no other tenant may see. */
function secretOf(tenant: Tenant): string {
  return `secret of ${tenant}`;
}

/** Runs of one tenant in every status, with all that is known of them. */
async function worldOf(home: FuzzHome, tenant: Tenant): Promise<FuzzWorld> {
  const answers: JsonObject[] = [];
  const call = async (method: string, path: string, body?: unknown): Promise<string> => {
    const response = await home.fetch(
      new Request(`http://orca.test${path}`, {
        method,
        headers: { "x-api-key": keyOf(tenant) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
    const text = await textOf(response);
    expect(response.status, text).toBeLessThan(300);
    await home.idle();
    tokens.add(response.headers.get("etag") ?? '"0"');
    if (response.headers.get("content-type")?.startsWith("application/json")) answers.push(JSON.parse(text));
    return text;
  };
  const tokens = new Set<string>();
  const name = (kind: string) => `${tenant}-${kind}`;
  const create = (kind: string, skill_id: string, start: boolean) =>
    call("POST", "/v1/runs", { run_id: name(kind), skill_id, inputs: { value: [secretOf(tenant)] }, start });
  await create("done", "http.chain", true);
  await create("gated", "http.gated", true);
  await create("listening", "http.listening", true);
  await call("POST", "/v1/runs", {
    run_id: name("named"),
    skill_id: "http.named-gates",
    inputs: { names: gateNames, value: [secretOf(tenant)] },
  });
  await create("sleeping", "http.sleeping", true);
  await create("failed", "http.failing-first", true);
  await create("pending", "http.chain", false);
  await create("canceled", "http.listening", true);
  await call("POST", `/v1/runs/${name("canceled")}/cancel`);
  await call("POST", `/v1/runs/${name("done")}/fork`, { run_id: name("fork") });
  await create("deleted", "http.chain", false);
  await call("POST", `/v1/runs/${name("deleted")}/cancel`);
  await call("DELETE", `/v1/runs/${name("deleted")}`);
  await call("POST", "/v1/keys", { name: "issued", role: "read" });
  const runs = [
    "done",
    "gated",
    "named",
    "listening",
    "sleeping",
    "failed",
    "pending",
    "canceled",
    "fork",
    "deleted",
  ].map(name);
  const exports: string[] = [];
  for (const run of runs.slice(0, -1)) {
    await call("GET", `/v1/runs/${run}/checkpoints`);
    await call("GET", `/v1/runs/${run}/events?limit=2`);
    exports.push(await call("GET", `/v1/runs/${run}/export`));
  }
  await call("GET", "/v1/runs?cursor=&limit=1");
  const checkpoints = new Set<string>();
  const keyIds: string[] = [];
  // Whatever an answer says by these names, wherever it says it.
  JSON.stringify(answers, (name, value: unknown) => {
    if (typeof value !== "string") return value;
    if (name === "checkpoint_id") checkpoints.add(value);
    if (name === "key_id") keyIds.push(value);
    if (["next_cursor", "next_after", "event_id"].includes(name)) tokens.add(value);
    return value;
  });
  const keys = Object.fromEntries(roles.map((role) => [role, keyOf(tenant, role)])) as Record<Role, string>;
  return { keys, runs, checkpoints: [...checkpoints], keyIds, exports, tokens: [...tokens] };
}
