import type { ChildBirth, Family } from "../engine/host.ts";
import { DurableError, isDurableError, isUnreadableData } from "../errors.ts";
import type { RunId, TenantId } from "../ids.ts";
import type { Held } from "../journal/change.ts";
import { heldRow, preempt } from "../journal/commit.ts";
import { change, readRun } from "../journal/held.ts";
import { type Json, present } from "../json.ts";
import {
  contextOf,
  isTerminal,
  isTold,
  type RunRecord,
  type RunStatus,
  setAside,
  type Wait,
  withoutLease,
} from "../record/run.ts";
import { endOfChild } from "../record/waiting.ts";
import { bear } from "./birth.ts";
import { childEffects } from "./children.ts";
import { cancelRun } from "./continuation.ts";
import type { Place, Scope } from "./scope.ts";
import { takeDue } from "./take.ts";

// What a parent and its children do to each other's rows. Each row is changed by commits of its own, so a duty between two of
// them is data: the commit by which a run ends makes its row due, and it stays due until its duties are done.

/** What `FamilyOf` makes, for an executor that passes its place. */
export function familyOf(place: object): Family {
  const at = (record: RunRecord<Json>): Scope => ({ ...asPlace(place), tenant: record.run.tenantId as TenantId });
  return {
    place,
    child: (parent, birth) => findOrStart(at(parent), parent, birth),
    async pay(record) {
      if (!isTerminal(record.run.status) || isTold(record)) return undefined;
      const scope = at(record);
      try {
        await pay(scope, record);
      } catch (error) {
        scope.host.onError(error, contextOf(record));
        // A parent or a child of a newer format is left to a process that can read it.
        if (isDurableError(error, "unsupported_version")) await postponeDuty(scope, record).catch(scope.host.onError);
      }
      return undefined;
    },
    kin: (record) => kinOf(at(record), record),
    stop: (record) => cancelChildren(at(record), record),
  };
}

/** The executor calls {@link familyOf} with its host and itself. */
export function asPlace(place: object): Place {
  return place as Place;
}

async function findOrStart(
  scope: Scope,
  { run }: RunRecord<Json>,
  { parentStepId, ...birth }: ChildBirth,
): Promise<Held | undefined> {
  const { runId: parentRunId, traceId, threadId, sessionId, environment } = run;
  const found = await readRun(scope, birth.runId);
  if (found !== undefined) return found;
  const request = { ...birth, ...present({ traceId, threadId, sessionId, environment }) };
  try {
    return (await bear(scope, "start", request, { parentRunId, parentStepId })).held;
  } catch (error) {
    // An executor that had the parent before has started it meanwhile, or it was deleted.
    if (!isDurableError(error, "conflict")) throw error;
    return readRun(scope, birth.runId);
  }
}

const mostNamed = 5;

async function kinOf(scope: Scope, { run: { runId, parentRunId } }: RunRecord<Json>): Promise<string> {
  const { host, tenant } = scope;
  const open: string[] = [];
  for await (const { childRunId } of childEffects(scope, runId)) {
    if (open.length > mostNamed || host.isSpent?.()) break;
    const status = (await host.store.getRun(tenant, childRunId))?.status;
    if (status !== undefined && !isTerminal(status as RunStatus)) open.push(`"${childRunId}"`);
  }
  const named = open.slice(0, mostNamed).join(", ");
  const children = open.length > mostNamed ? `${named} and more` : named || "none";
  const parent = parentRunId === undefined ? "" : `; its parent: "${parentRunId}"`;
  return `its children that have not ended: ${children}${parent}`;
}

async function pay(scope: Scope, record: RunRecord<Json>): Promise<void> {
  const { run, epoch } = record;
  if (run.status === "canceled" && !(await cancelChildren(scope, record))) return;
  if (run.parentRunId !== undefined) await tell(scope, run.parentRunId, run.runId);
  await change(scope, run.runId, ({ record }) =>
    // It may have been resumed, and may have ended again, with duties of its own.
    record.epoch === epoch && !isTold(record)
      ? { change: { record: { ...withoutLease(record), toldEpoch: epoch }, events: [] }, answer: undefined }
      : { answer: undefined },
  );
}

async function postponeDuty(scope: Scope, { run, epoch }: RunRecord<Json>): Promise<void> {
  await change(scope, run.runId, ({ record }, now) =>
    record.epoch === epoch
      ? { change: { record: setAside(record, now), events: [] }, answer: undefined }
      : { answer: undefined },
  );
}

/** False if the platform allows no more work: the rest stays due. */
async function cancelChildren(scope: Scope, { run, epoch, isRollbackBegun }: RunRecord<Json>): Promise<boolean> {
  const children: RunId[] = [];
  for await (const { childRunId, isDetached } of childEffects(scope, run.runId)) {
    if (!isDetached) children.push(childRunId);
  }
  // A run that was resumed may have started some of them since.
  if ((await readRun(scope, run.runId))?.record.epoch !== epoch) return true;
  let failure: unknown;
  for (const child of children) {
    if (scope.host.isSpent?.()) return false;
    try {
      await cancelChild(scope, child, isRollbackBegun !== undefined);
    } catch (error) {
      if (!isUnreadableData(error)) throw error;
      // The others are canceled all the same. A damaged child stays as it is.
      if (error.code === "corrupt_data") scope.host.onError(error);
      else failure = error;
    }
  }
  if (failure !== undefined) throw failure;
  return true;
}

/** Cancels that run, and prevents its start if it has not begun. */
export async function cancelChild(scope: Scope, runId: RunId, rollback = false): Promise<void> {
  const { host, tenant } = scope;
  for (;;) {
    const row = await host.store.getRun(tenant, runId);
    if (row !== undefined) {
      const held = heldRow(row);
      if (held === undefined || isTerminal(held.record.run.status)) return;
      try {
        await cancelRun(scope, runId, { rollback });
      } catch (error) {
        if (!isDurableError(error, "invalid_transition", "not_found")) throw error;
        // Where its skill is not registered, it is not known what it can undo.
        if (rollback && error.missing === "skill") return cancelChild(scope, runId, false);
      }
      return;
    }
    // The parent has noted the child and was canceled before its start. A tombstone takes the id, so that an executor that
    // has lost the parent cannot start it any more.
    if (await preempt(host, tenant, runId)) return;
  }
}

/** Ends the wait of the parent for this child, if it waits: the parent reads the outcome itself. */
async function tell(scope: Scope, parentRunId: RunId, runId: RunId): Promise<void> {
  const isFor = (wait: Wait) => wait.kind === "signal" && wait.name === endOfChild(runId) && wait.until === undefined;
  let held: Held;
  try {
    const told = await change(scope, parentRunId, ({ record }, now) => {
      if (isTerminal(record.run.status) || !record.waits.some(isFor)) return { answer: false };
      const waits = record.waits.map((wait) => (isFor(wait) ? { ...wait, until: now } : wait));
      return { change: { record: { ...record, waits }, events: [] }, answer: true };
    });
    if (!told.answer) return;
    held = told.held;
  } catch (error) {
    // It was deleted, or it is damaged and never goes on.
    if (isDurableError(error, "not_found", "corrupt_data")) return;
    throw error;
  }
  await goOn(scope, held);
}

/**
 * Lets a run that was just made due go on at once. A pass that has it learns of the change; without a lease it is free, even if
 * a pass that has released it is still under way here.
 */
export async function goOn(scope: Scope, held: Held): Promise<void> {
  scope.executor.notify(held);
  await takeDue(scope, held.row, () => false);
}

/** The error of a step whose child is gone. */
export function missingChild(runId: RunId): DurableError {
  return new DurableError("not_found", `the child run "${runId}" was deleted, or canceled before it began`, {
    missing: "run",
    details: { runId },
  });
}
