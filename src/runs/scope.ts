import type { Executor } from "../engine/executor.ts";
import type { Host } from "../engine/host.ts";
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
