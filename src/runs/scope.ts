import type { Executor } from "../engine/executor.ts";
import type { Host } from "../engine/host.ts";
import { DurableError } from "../errors.ts";
import type { TenantId } from "../ids.ts";
import type { Runs } from "./runs.ts";

/** Where operations on runs work: on a host, with the passes there, for one tenant. */
export interface Scope {
  readonly host: Host;
  readonly executor: Executor;
  readonly tenant: TenantId;
}

/** Those of every `Runs`, for the functions beside it: it shows them to nobody else. */
const scopes = new WeakMap<Runs, Scope>();

export function setScope(runs: Runs, scope: Scope): void {
  scopes.set(runs, scope);
}

export function scopeOf(runs: Runs): Scope {
  const scope = scopes.get(runs);
  if (scope === undefined) {
    throw new DurableError("internal_error", "expected the runs of a tenant, as runtime.for(tenant) gives them");
  }
  return scope;
}
