import type { Executor } from "../engine/executor.ts";
import type { Host } from "../engine/host.ts";
import { invalidRequest } from "../errors.ts";
import type { TenantId } from "../ids.ts";

/** A host, with its passes under way. */
export interface Place {
  readonly host: Host;
  readonly executor: Executor;
}

/** The scope of operations on runs: a place, and one tenant. */
export interface Scope extends Place {
  readonly tenant: TenantId;
}

/** The scopes of `Runs`, for the functions beside the class; no other code can read one. */
export const scopes = /* @__PURE__ */ new WeakMap<object, Scope>();

/** @throws `invalid_request` if these are not the runs of a runtime, such as a client. */
export function scopeOf(runs: object): Scope {
  const scope = scopes.get(runs);
  if (scope === undefined) throw invalidRequest("runs", "expected the runs of runtime.for(tenant), not a client");
  return scope;
}
