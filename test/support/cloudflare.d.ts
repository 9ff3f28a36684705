// What the workerd tests use of the two runtime modules. Their own declarations bring the Workers' globals along, which
// contradict the DOM's.

declare module "cloudflare:workers" {
  import type { D1Migration } from "cloudflare:test";
  import type { D1Database, RateLimit } from "@cloudflare/workers-types";

  export const env: {
    readonly DB: D1Database;
    readonly API_KEY: string;
    readonly TEST_MIGRATIONS: D1Migration[];
    readonly TEST_RATE_LIMIT: RateLimit;
    /** In the project `objects`. */
    readonly OBJECTS: { idFromName(name: string): unknown; get(id: unknown): ObjectStub };
    readonly FUZZ_RUNS: { idFromName(name: string): unknown; get(id: unknown): ObjectStub };
    readonly PERIL_RUNS: { idFromName(name: string): unknown; get(id: unknown): ObjectStub };
    readonly HTTP_RUNS: { idFromName(name: string): unknown; get(id: unknown): ObjectStub };
  };

  export interface ObjectStub {
    fetch(request: Request): Promise<Response>;
  }

  export class DurableObject {
    constructor(state: object, env: object);
  }

  /** The entry worker (worker/main.ts), called from outside. */
  export const exports: {
    readonly default: { fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> };
  };
}

declare module "cloudflare:test" {
  import type { ObjectStub } from "cloudflare:workers";
  import type { D1Database, ExecutionContext, ScheduledController } from "@cloudflare/workers-types";
  import type { ObjectStorage } from "../../adapters/durable-object/index.ts";
  import type { StoreObject } from "./objects/worker.ts";

  export interface D1Migration {
    name: string;
    queries: string[];
  }
  export function applyD1Migrations(db: D1Database, migrations: D1Migration[]): Promise<void>;
  export function createExecutionContext(): ExecutionContext;
  export function waitOnExecutionContext(context: ExecutionContext): Promise<void>;
  export function createScheduledController(options?: { scheduledTime?: Date; cron?: string }): ScheduledController;
  /** Calls back inside of that object. */
  export function runInDurableObject<R, Instance = StoreObject>(
    stub: ObjectStub,
    callback: (object: Instance, state: { readonly storage: ObjectStorage }) => R | Promise<R>,
  ): Promise<R>;
  /** Removes the object from memory, and keeps what it stored. */
  export function evictDurableObject(stub: ObjectStub): Promise<void>;
  /** Runs and removes the alarm of the object. False if it has none. */
  export function runDurableObjectAlarm(stub: ObjectStub): Promise<boolean>;
  /** Deletes what every binding holds, the tables of DB included. */
  export function reset(): Promise<void>;
}
