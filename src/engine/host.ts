import type { JournalHost } from "../journal/host.ts";
import type { CapabilityRegistry } from "../skills/capability.ts";
import type { Presence } from "./presence.ts";

/** What a pass works with. */
export interface Host extends JournalHost {
  readonly capabilities: CapabilityRegistry;
  /** How long a lease lasts, in milliseconds. */
  readonly leaseMs: number;
  /** Waits up to this long are waited out with the lease held; longer ones park the run. In milliseconds. */
  readonly holdMs: number;
  /** How long one pass over a run goes on before it hands over, in milliseconds. */
  readonly passMs: number;
  /** True once the platform will soon allow no more work, such as queries; passes hand over then. */
  readonly isSpent: () => boolean;
  /** How long a body may await something else than a step before its run fails, in milliseconds. */
  readonly bodyQuietMs: number;
  /** The steps that are in flight, of all passes here. */
  readonly inFlight: { count: number };
  /** Knows of dead executors before their leases lapse, where the platform can. */
  readonly presence?: Presence;
}
