import type { JournalHost } from "../journal/host.ts";
import type { CapabilityRegistry } from "../skills/capability.ts";
import type { Presence } from "./presence.ts";

/** The environment of a pass. */
export interface Host extends JournalHost {
  readonly capabilities: CapabilityRegistry;
  /** How long a lease lasts, in milliseconds. */
  readonly leaseMs: number;
  /** Waits up to this long keep the lease; longer ones park the run. In milliseconds. */
  readonly holdMs: number;
  /** How long one pass over a run lasts before it hands over, in milliseconds. */
  readonly passMs: number;
  /** True once the platform will soon allow no more work, such as queries; passes hand over then. Default: never. */
  readonly isSpent?: () => boolean;
  /** How long a body may await something that is not a step before its run fails, in milliseconds. */
  readonly bodyQuietMs: number;
  /** The steps in flight, of all passes here. */
  readonly inFlight: { count: number };
  /** Detects dead executors before their leases lapse, if the platform can. */
  readonly presence?: Presence;
}
