import { isoTime } from "../clock.ts";
import type { ErrorContext } from "../errors.ts";
import type { CheckpointId, RunId } from "../ids.ts";
import { type Json, present } from "../json.ts";
import type { EventType, NewEvent } from "./event.ts";
import type { Fields } from "./state.ts";

/** Every status. Source: the ORCA durability contract, section 2. */
export const runStatuses = [
  "pending",
  "running",
  "waiting_for_human",
  "waiting_for_signal",
  "replaying",
  "completed",
  "failed",
  "canceled",
] as const;

/** The status of a run. */
export type RunStatus = (typeof runStatuses)[number];

/** One execution of a skill, as callers see it. `V` is the form of the values in it. Times are ISO-8601 in UTC. */
export interface Run<V = unknown> {
  readonly runId: RunId;
  readonly threadId?: string;
  readonly sessionId?: string;
  readonly skillId: string;
  readonly skillVersion?: string;
  readonly status: RunStatus;
  readonly traceId?: string;
  readonly createdAt: string;
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly currentStepId?: string;
  /** The last checkpoint that this run wrote. */
  readonly checkpointHead?: CheckpointId;
  readonly resumeFromCheckpointId?: CheckpointId;
  readonly tenantId?: string;
  readonly environment?: string;
  readonly policySnapshotId?: string;
  /** The run that started this one as its child, and the step of it that did. */
  readonly parentRunId?: RunId;
  readonly parentStepId?: string;
  readonly versions: Fields<V>;
  readonly metadata: Fields<V>;
  readonly approvalRequest?: ApprovalRequest<V>;
  /** A graph skill's outputs, or the return value of a code-first skill; `null` until the run completes. */
  readonly result: V | null;
  readonly error?: RunError;
}

/** The gate at which a run waits for a person, and that person's decision. */
export interface ApprovalRequest<V = unknown> extends Decision {
  readonly stepId: string;
  /** What the step shows to the person who decides. */
  readonly show?: V;
  /** The capability that the step would call. Absent if the step calls none: a gate of its own, or `step.do`. */
  readonly capabilityId?: string;
  readonly status: "pending" | "approved" | "denied";
  readonly requestedAt: string;
  readonly decidedAt?: string;
}

/** Why a run failed. */
export interface RunError {
  /** A stable word, such as `step_failed` or `recovery_exhausted`. */
  readonly code: string;
  readonly message: string;
  readonly stepId?: string;
}

/**
 * A run, and what the runtime must remember about it: the body of the run's row.
 *
 * Everything in it outlives its executor. What belongs to a checkpoint is in the checkpoint's ExecutionState instead.
 */
export interface RunRecord<V = unknown> {
  readonly run: Run<V>;
  /**
   * The number of leases so far. Each lease has its own epoch, by which an executor recognizes its hold (a fencing
   * token).
   */
  readonly epoch: number;
  readonly lease?: Lease;
  /** Why steps of this run cannot go on yet. Kept until the step has settled, so that a resume shortens no sleep. */
  readonly waits: readonly Wait[];
  /** Signals that no step has consumed yet, oldest first. */
  readonly inbox: readonly Signal<V>[];
  /** Capabilities that a person has allowed in this run. */
  readonly confirmed: readonly string[];
  /** When an executor should take the run, if neither a lease nor a wait determines it. In milliseconds. */
  readonly wakeAt?: number;
  /** The number of times that the run was taken over since its last checkpoint. */
  readonly recoveries: number;
  /** The number of consecutive drains in which no executor had the run's skill. */
  readonly unservedCount: number;
  /** The number of checkpoints. */
  readonly checkpointCount: number;
  /** The revision of the last history entry. */
  readonly entryRevision: number;
  /** The revision of the head's checkpoint. */
  readonly headRevision: number;
  /**
   * The size of the head's snapshot. Absent if an earlier version wrote the head; then the next checkpoint needs none
   * before it.
   */
  readonly headSize?: SnapshotSize;
  /**
   * True once the state was changed by something other than steps: an edit, a saved checkpoint or a migration. From
   * then on a body may call a step with an input other than the recorded one.
   */
  readonly isEdited?: boolean;
  /** True until an edited fork has its edit. A crash in between leaves a fork that cannot be resumed. */
  readonly isEditPending?: boolean;
  /**
   * Present if the run has a parent or may have children: the epoch of the last end of this run that its family knows, or
   * 0. A run that has ended in another epoch is due, to tell its parent and to cancel its children.
   */
  readonly toldEpoch?: number;
  /**
   * Present if the run undoes its steps, or has undone them: false once a cancel has asked for it, true once the run has
   * recorded that it does. It does not go on from there.
   */
  readonly isRollbackBegun?: boolean;
  /** True if the result was too large for the row; it is read from the head. */
  readonly isResultInHead?: boolean;
  /**
   * The names by which the ledger knows steps that a migration renamed, by the version of the skill that has the new
   * names.
   */
  readonly ledgerNames?: Readonly<Record<string, LedgerNames>>;
  /**
   * The earlier versions of the skill of this run, each with its last revision. They determine the version of a state
   * that names none.
   */
  readonly formerVersions?: readonly FormerVersion[];
}

/**
 * The size of a state: its bytes and values in the ORCA v1 form, and the bytes of UTF-8 that a load reads (the keyframe and
 * the deltas, each counted as at least a few hundred).
 */
export type SnapshotSize = readonly [bytes: number, values: number, loadBytes: number];

/** The name by which the ledger knows a renamed step. A step that is not in here has its own name. */
export interface LedgerNames {
  /** In a graph the names are step ids. In a body all steps of a name go together: `charge`, `charge#2` and so on. */
  readonly form: "graph" | "code";
  readonly names: Readonly<Record<string, string>>;
}

export interface FormerVersion {
  readonly version: string;
  /** The last revision whose state is of that version. */
  readonly until: number;
}

/** One executor's hold on a run. */
export interface Lease {
  readonly executor: string;
  /** In milliseconds. From then on any executor may take the run; until one does, the holder still has it. */
  readonly endsAt: number;
}

/** Why one step cannot go on. Times are in milliseconds. */
export type Wait =
  | {
      readonly kind: "approval";
      readonly stepId: string;
      readonly capabilityId?: string;
      readonly since: number;
      readonly reason: GateReason;
      /** What it shows. Present if its skill checks what an approval carries. */
      readonly show?: Json;
      /** Attempts at the step that failed before its gate was opened; 0 if absent. */
      readonly attempts?: number;
      /** As in a `retry`. */
      readonly request?: string;
      /**
       * The decision at this gate; the step goes on with it. A `confirmation` is kept for the whole run instead.
       */
      readonly decision?: Decision & { readonly at: string; readonly data?: Json };
    }
  | { readonly kind: "signal"; readonly stepId: string; readonly name: string; readonly until?: number }
  | { readonly kind: "sleep"; readonly stepId: string; readonly until: number }
  | {
      readonly kind: "retry";
      readonly stepId: string;
      readonly until: number;
      /** Attempts that failed so far. */
      readonly attempts: number;
      readonly error: string;
      /** Of the error; `step_failed` if absent. */
      readonly code?: string;
      /** Identifies the action and its input, which are the same at each attempt. Absent if the ledger has no entry. */
      readonly request?: string;
    };

/**
 * Why a person is asked: the capability needs a confirmation once in a run, the step is a gate itself, a recorded
 * action would be repeated, or it is unknown whether an action happened.
 */
export type GateReason = "confirmation" | "approval" | "replay" | "attempted";

/** What a person decides at a gate, beside yes or no. */
export interface Decision {
  readonly approver?: string;
  readonly notes?: string;
}

/** A message to a run. */
export interface Signal<V = unknown> {
  readonly name: string;
  readonly payload: V;
  readonly receivedAt: string;
}

/** The most bytes of signals that may wait in a run's inbox. */
export const maxInboxBytes = 64 * 1024;

/** The statuses of a run that has ended. */
export const terminalStatuses = ["completed", "failed", "canceled"] as const satisfies readonly RunStatus[];

/**
 * True if nothing happens to the run any more unless a caller asks for it.
 *
 * @example
 * ```ts
 * import { isTerminal, type Runs } from "orca-durable";
 *
 * export async function isOver(runs: Runs, runId: string) {
 *   return isTerminal((await runs.get(runId)).status);
 * }
 * ```
 */
export function isTerminal(status: RunStatus): boolean {
  return (terminalStatuses as readonly RunStatus[]).includes(status);
}

/** The context of an error of that run, or of one of its steps. */
export function contextOf({ run }: RunRecord<unknown>, stepId?: string): ErrorContext {
  const { tenantId, runId, skillId, traceId } = run;
  return { runId, skillId, ...present({ tenantId, stepId, traceId }) };
}

/** An event of a run at that time, in milliseconds. */
export function event(type: EventType, at: number, payload: Fields<Json> = {}): NewEvent<Json> {
  return { type, at: isoTime(at), payload };
}

/** The record under a new lease of that executor. Its new epoch tells older holders that they have lost the run. */
export function leased<V>(
  record: RunRecord<V>,
  holder: { readonly executor: string; readonly leaseMs: number },
  now: number,
): RunRecord<V> {
  const { wakeAt: _, ...rest } = record;
  return {
    ...rest,
    epoch: record.epoch + 1,
    lease: { executor: holder.executor, endsAt: now + holder.leaseMs },
    unservedCount: 0,
  };
}

/** True while only the holder may change what the lease protects. */
export function isLeaseLive(record: RunRecord<unknown>, now: number): boolean {
  return record.lease !== undefined && record.lease.endsAt > now;
}

/**
 * The record of a run without an executor. Only for the holder, which releases its run; others need {@link released}.
 */
export function withoutLease<V>({ lease: _, wakeAt: __, ...record }: RunRecord<V>): RunRecord<V> {
  return record;
}

/**
 * The record without a hold on it. The new epoch fences the former holder, live or lapsed: an executor that stood still
 * while others changed the run writes nothing when it goes on.
 */
export function released<V>(record: RunRecord<V>): RunRecord<V> {
  return { ...withoutLease(record), epoch: record.epoch + 1 };
}

/** True if what is recorded may be of another input than a step is called with now. */
export function hasOtherInputs({ isEdited, formerVersions }: RunRecord<unknown>): boolean {
  return isEdited === true || formerVersions !== undefined;
}

/** When the wait ends by itself, in milliseconds. */
export function endOf(wait: Wait): number {
  return "until" in wait && wait.until !== undefined ? wait.until : Number.POSITIVE_INFINITY;
}

/** True if the step would no longer wait. What others decide about a wait stands in the record alone. */
export function isOver(record: RunRecord<unknown>, wait: Wait, now: number): boolean {
  const own = record.waits.find(({ stepId }) => stepId === wait.stepId) ?? wait;
  switch (wait.kind) {
    case "approval":
      if (wait.reason === "confirmation") return record.confirmed.includes(wait.capabilityId ?? "");
      return own.kind === "approval" && own.decision !== undefined;
    case "signal":
      return record.inbox.some((signal) => signal.name === wait.name) || endOf(own) <= now;
    case "sleep":
    case "retry":
      return wait.until <= now;
  }
}

/** The wait of that kind of the step, if there is one. */
export function waitOf<K extends Wait["kind"]>(
  record: RunRecord<unknown>,
  stepId: string,
  kind: K,
): Extract<Wait, { kind: K }> | undefined {
  return record.waits.find((wait): wait is Extract<Wait, { kind: K }> => wait.stepId === stepId && wait.kind === kind);
}

/** The record with that wait of its step, which replaces any other. */
export function withWait<V>(record: RunRecord<V>, wait: Wait): RunRecord<V> {
  return { ...record, waits: [...record.waits.filter((other) => other.stepId !== wait.stepId), wait] };
}

/**
 * The waits that a resume from that checkpoint keeps. From the head it shortens no sleep, restarts no timeout and forgets
 * no decision; failed attempts are forgotten, and open gates ask again. An older checkpoint is from before the waits, and
 * is the only source of truth.
 */
export function keptWaits({ run, waits }: RunRecord<unknown>, from: CheckpointId): readonly Wait[] {
  if (from !== run.checkpointHead) return [];
  return waits.filter(
    (wait) =>
      wait.kind === "sleep" || wait.kind === "signal" || (wait.kind === "approval" && wait.decision !== undefined),
  );
}

/** The shortest and the longest pause of a run that is set aside, in milliseconds. */
export const asideMs = { shortest: 30_000, longest: 60 * 60 * 1000 } as const;

/**
 * The record of a run that an executor could not take, because it lacks the skill or cannot read the state. The run is
 * due again after longer and longer pauses, so that it does not block others.
 */
export function setAside<V>(record: RunRecord<V>, now: number): RunRecord<V> {
  const { unservedCount } = record;
  const pause = Math.min(asideMs.shortest * 2 ** unservedCount, asideMs.longest);
  return { ...released(record), wakeAt: now + pause, unservedCount: unservedCount + 1 };
}

/** True if no parent and no child has still to learn of the end of a run that has ended. */
export function isTold({ toldEpoch, epoch }: RunRecord<unknown>): boolean {
  return (toldEpoch ?? epoch) === epoch;
}

/**
 * When an executor should look at the run next, in milliseconds; `undefined` for never.
 *
 * | status | lease | set aside | due |
 * |---|---|---|---|
 * | completed, failed, canceled | | | never; if its parent or its children do not know it yet, since its end, or at `wakeAt` |
 * | any other | held | | when the lease ends |
 * | any other | none | yes | at `wakeAt`: no timer makes it due for executors that cannot serve it |
 * | any other | none | no | at the earliest of `wakeAt` and the ends of its waits; never if it waits for a person, a signal or a resume alone |
 */
export function dueAt(record: RunRecord<unknown>): number | undefined {
  const { run, lease, wakeAt, unservedCount } = record;
  if (isTerminal(run.status)) {
    return isTold(record) ? undefined : (wakeAt ?? Date.parse(run.finishedAt ?? run.createdAt));
  }
  const ends = unservedCount > 0 ? [] : record.waits.map(endOf);
  const time = lease?.endsAt ?? Math.min(wakeAt ?? Number.POSITIVE_INFINITY, ...ends);
  // Stores hold whole milliseconds, and a duration need not be of any.
  return time === Number.POSITIVE_INFINITY ? undefined : Math.ceil(time);
}
