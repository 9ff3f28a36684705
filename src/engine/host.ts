import type { RunId } from "../ids.ts";
import type { Held } from "../journal/change.ts";
import type { JournalHost } from "../journal/host.ts";
import type { Json } from "../json.ts";
import type { RunRecord } from "../record/run.ts";
import type { Fields } from "../record/state.ts";
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
  /** Present if a skill that is registered here has child runs: then the executor sets it. */
  family?: Family | undefined;
}

/** The start of a child run by a step of its parent. */
export interface ChildBirth {
  readonly runId: RunId;
  readonly parentStepId: string;
  readonly skillId: string;
  readonly skillVersion?: string;
  readonly inputs: Fields;
}

/** What parents and children do to each other's runs. A skill with child runs brings it. */
export interface Family {
  /** The host and the executor that have this family. */
  readonly place: object;
  /** The child, which is started unless it exists; `undefined` if it was deleted. */
  readonly child: (parent: RunRecord<Json>, birth: ChildBirth) => Promise<Held | undefined>;
  /**
   * Does what a run owes since it has ended: it cancels its children if it was canceled, and wakes its parent. What fails
   * is reported, and the run stays due. Never rejects, and changes nothing more if it is repeated.
   */
  readonly pay: (record: RunRecord<Json>) => Promise<undefined>;
  /** Names, for a person, the children that have not ended and the parent. */
  readonly kin: (record: RunRecord<Json>) => Promise<string>;
  /** Cancels the children of a run that undoes its steps; they undo theirs. */
  readonly stop: (record: RunRecord<Json>) => Promise<unknown>;
}

/** Makes the family of an executor, which calls it with its host and itself. */
export type FamilyOf = (place: object) => Family;
