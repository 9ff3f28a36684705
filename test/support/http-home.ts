import * as v from "valibot";
import { expect } from "vitest";
import { httpStatus, type Json, type JsonObject, terminalStatuses } from "../../src/codec/index.ts";
import { type Caller, type Role, roles } from "../../worker/http/auth/caller.ts";
import { type Operation, operations } from "../../worker/http/contract/operations.ts";
import { failureAnswer, runEvent } from "../../worker/http/contract/records.ts";

/** A place where the app is served, with the skills of http-skills.ts: a Worker over D1, Node over memory, a page. */
export interface HttpHome {
  fetch(request: Request): Promise<Response>;
  /** Takes due runs, as a cron trigger does. */
  drain(): Promise<void>;
}

/** The tenants that a home knows. Each has one key for each role, which {@link keyOf} names. */
export const tenants = ["alpha", "beta", "listed", "paged", "unchanged", "late"] as const;
export type Tenant = (typeof tenants)[number];

export function keyOf(tenant: Tenant, role: Role = "admin"): string {
  return role === "admin" ? `key-of-${tenant}` : `key-of-${tenant}-to-${role}`;
}

/** The callers by key, for the `apiKeys` of a home. */
export function homeKeys(): readonly (readonly [key: string, caller: Caller])[] {
  return tenants.flatMap((tenant) => roles.map((role) => [keyOf(tenant, role), { tenant, role }] as const));
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** What was sent. */
  readonly text: string;
  /** Empty where no JSON was sent. */
  readonly body: JsonObject;
}

export interface CallOptions {
  /** Sent as JSON; a string is sent as it is. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Calls the app for one tenant, and holds each answer against what the document says of its route. */
interface HistoryEvent {
  readonly event_type: string;
  readonly payload: JsonObject;
}

export class Client {
  readonly tenant: Tenant;
  readonly role: Role;
  private readonly home: HttpHome;

  constructor(home: HttpHome, tenant: Tenant = "alpha", role: Role = "admin") {
    this.home = home;
    this.tenant = tenant;
    this.role = role;
  }

  get(path: string, options: CallOptions = {}): Promise<Answer> {
    return this.call("GET", path, options);
  }

  post(path: string, body?: unknown, options: CallOptions = {}): Promise<Answer> {
    return this.call("POST", path, { ...options, ...(body === undefined ? {} : { body }) });
  }

  async call(method: string, path: string, { body, headers = {} }: CallOptions = {}): Promise<Answer> {
    const request = new Request(`http://orca.test${path}`, {
      method,
      headers: { "x-api-key": keyOf(this.tenant, this.role), ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const response = await this.home.fetch(request);
    const text = await response.text();
    const { status, headers: sent } = response;
    const isJson = sent.get("content-type")?.startsWith("application/json") === true;
    const answer = { status, headers: sent, text, body: (isJson ? JSON.parse(text) : {}) as JsonObject };
    expectDescribed(method, path, answer);
    return answer;
  }

  /** The body of an answer that must have this status. */
  async expect(status: number, answer: Promise<Answer>): Promise<JsonObject> {
    const found = await answer;
    expect(found.status, found.text).toBe(status);
    return found.body;
  }

  /** The error of an answer that must be a failure with this code. */
  async refusal(code: keyof typeof httpStatus, answer: Promise<Answer>): Promise<JsonObject> {
    const error = (await this.expect(httpStatus[code], answer)).error as JsonObject;
    expect(error.code, JSON.stringify(error)).toBe(code);
    return error;
  }

  /** A run of that skill, started. */
  async start(skillId: string, inputs: JsonObject = {}): Promise<string> {
    const body = await this.expect(202, this.post(`/v1/skills/${skillId}/execute/async`, { inputs }));
    return body.run_id as string;
  }

  /** A run of that skill, pending. */
  async create(skillId: string, inputs: JsonObject = {}): Promise<string> {
    const body = await this.expect(201, this.post("/v1/runs", { skill_id: skillId, inputs, start: false }));
    return body.run_id as string;
  }

  run(runId: string): Promise<JsonObject> {
    return this.expect(200, this.get(runPath(runId)));
  }

  /** The run once it has one of these statuses. */
  async reached(runId: string, ...statuses: readonly string[]): Promise<JsonObject> {
    for (const end = Date.now() + 100_000; ; ) {
      const run = await this.run(runId);
      if (statuses.includes(run.status as string)) return run;
      if (Date.now() > end) throw new Error(`run ${runId} stays ${String(run.status)}: ${JSON.stringify(run.error)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async settled(skillId: string, inputs: JsonObject = {}): Promise<string> {
    const runId = await this.start(skillId, inputs);
    await this.reached(runId, "completed");
    return runId;
  }

  /** Lets the steps go on that hold until this latch is open. */
  async release(latch: string): Promise<void> {
    await this.settled("http.release", { latch });
  }

  async checkpoints(runId: string): Promise<readonly JsonObject[]> {
    return (await this.expect(200, this.get(runPath(runId, "checkpoints")))).checkpoints as readonly JsonObject[];
  }

  /** The types of everything that happened to the run, in order. */
  async events(runId: string): Promise<readonly string[]> {
    return (await this.#happened(runId)).map(({ event_type }) => event_type);
  }

  /** The ids of the steps that were recorded, in order. */
  async recorded(runId: string): Promise<readonly unknown[]> {
    const events = await this.#happened(runId);
    return events.filter(({ event_type }) => event_type === "step.completed").map(({ payload }) => payload.step_id);
  }

  async #happened(runId: string): Promise<readonly HistoryEvent[]> {
    const body = await this.expect(200, this.get(`${runPath(runId, "history")}?limit=500`));
    const history = body.history as unknown as readonly { readonly events: readonly HistoryEvent[] }[];
    return history.flatMap(({ events }) => events);
  }
}

/** The path of a run, or of something of it. */
export function runPath(runId: string, ...rest: readonly string[]): string {
  return ["/v1/runs", runId, ...rest].map((part, index) => (index === 0 ? part : encodeURIComponent(part))).join("/");
}

const documented = operations.map((operation) => ({
  operation,
  pattern: new RegExp(`^${operation.path.replaceAll(/\{\w+\}/g, "[^/?]+")}(\\?|$)`),
}));

/** What the app has answered so far: `<operation> <status or error code>`. */
export const answered: Set<string> = new Set();

function expectDescribed(method: string, path: string, { status, headers, text, body }: Answer): void {
  const operation = documented.find((one) => one.operation.method === method.toLowerCase() && one.pattern.test(path));
  if (status < 400) {
    if (operation === undefined) throw new Error(`${method} ${path} is not described`);
    expectAnswer(operation.operation, { status, headers, text, body });
  } else {
    expect(headers.get("content-type")).toMatch(/^application\/json/);
    expectSame(failureAnswer, body);
    const { error, trace_id } = body as unknown as v.InferOutput<typeof failureAnswer>;
    expect(error.status).toBe(status);
    expect(httpStatus[error.code]).toBe(status);
    expect(headers.get("x-trace-id")).toBe(trace_id);
    expect(JSON.stringify(body)).not.toMatch(/\bat .+:\d+:\d+/);
    if (operation !== undefined) {
      expect(operation.operation.errors).toContain(error.code);
      answered.add(`${operation.operation.id} ${error.code}`);
    }
  }
}

function expectAnswer(operation: Operation, { status, headers, text, body }: Answer): void {
  const { also = {}, answer, answerType = "application/json", hasETag } = operation;
  expect([operation.status, ...Object.keys(also).map(Number)]).toContain(status);
  answered.add(`${operation.id} ${status}`);
  if (hasETag) expect(headers.get("etag")).toMatch(/^"\d+"$/);
  else expect(headers.get("etag")).toBeNull();
  if (status === 204 || status === 304) {
    expect([text, headers.get("content-type")]).toEqual(["", null]);
    return;
  }
  expect(headers.get("content-type")?.split(";")[0]).toBe(answerType);
  if (answer !== undefined) expectSame(answer, body);
  if (answerType === "application/x-ndjson") {
    for (const line of text.trimEnd().split("\n")) expect(JSON.parse(line)).toBeTypeOf("object");
  }
  if (answerType === "text/event-stream") {
    for (const { event, data } of sentEvents(text)) {
      expectSame(event === undefined ? runEvent : streamEnd, JSON.parse(data) as Json);
    }
  }
}

const streamEnd = v.object({ status: v.picklist(terminalStatuses) });

/** One message of a stream of server-sent events. */
export interface SentEvent {
  readonly event?: string;
  readonly id?: string;
  readonly data: string;
}

/** The messages that arrived whole, without comments. */
export function sentEvents(text: string): readonly SentEvent[] {
  const blocks = text.split("\n\n").slice(0, -1);
  return blocks.flatMap((block) => {
    const fields = Object.fromEntries(
      block.split("\n").flatMap((line) => {
        const [, name = "", value = ""] = /^([a-z]+): (.*)$/.exec(line) ?? [];
        return name === "" ? [] : [[name, value]];
      }),
    ) as Partial<SentEvent>;
    return fields.data === undefined ? [] : [{ ...fields, data: fields.data }];
  });
}

/** That the body is what its schema says, and has nothing that the schema does not know. */
function expectSame(schema: v.GenericSchema, body: Json): void {
  expect(v.parse(schema, body)).toEqual(body);
}
