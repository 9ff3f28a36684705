import type { Executor } from "../engine/executor.ts";
import type { Host } from "../engine/host.ts";
import { DurableError } from "../errors.ts";
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

/** The scopes of all `Runs`, for the functions beside that class; no other code can read them. */
const scopes = new WeakMap<object, Scope>();

export function setScope(runs: object, scope: Scope): void {
  scopes.set(runs, scope);
}

export function scopeOf(runs: object): Scope {
  const scope = scopes.get(runs);
  if (scope === undefined) {
    throw new DurableError("internal_error", "expected the runs of a tenant, as runtime.for(tenant) returns them");
  }
  return scope;
}
