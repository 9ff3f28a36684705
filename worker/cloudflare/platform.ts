import type { ObjectStorage } from "../../adapters/durable-object/index.ts";

/**
 * What the Worker needs of the context of a call. Cloudflare's own `ExecutionContext` has this shape, as its `RateLimit` has
 * that of {@link RateLimit}, so a program needs no `@cloudflare/workers-types`.
 */
export interface ExecutionContext {
  /** Keeps the Worker awake until the work has settled, also after the answer. */
  waitUntil(work: Promise<unknown>): void;
  passThroughOnException(): void;
  readonly props: unknown;
}

/** A binding that counts calls by a key. */
export interface RateLimit {
  limit(call: { readonly key: string }): Promise<{ readonly success: boolean }>;
}

/** The binding of a class of Durable Objects. */
export interface ObjectNamespace<Id = unknown> {
  idFromName(name: string): Id;
  get(id: Id): { fetch(request: Request): Promise<Response> };
}

/** What a Durable Object with runs needs of its state. */
export interface ObjectState {
  readonly storage: ObjectStorage;
  waitUntil(work: Promise<unknown>): void;
  blockConcurrencyWhile<T>(work: () => Promise<T>): Promise<T>;
}
