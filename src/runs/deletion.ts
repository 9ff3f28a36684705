import { readRunBody } from "../codec/bodies.ts";
import { DurableError, isUnreadableData } from "../errors.ts";
import type { RunId } from "../ids.ts";
import { erase, heldRow } from "../journal/commit.ts";
import { changedTooOften, missingRun } from "../journal/held.ts";
import { type Json, present } from "../json.ts";
import { demand, demandUnleased, type Precondition } from "../record/precondition.ts";
import { isTold, type RunRecord } from "../record/run.ts";
import type { RunRow } from "../store.ts";
import type { Scope } from "./scope.ts";

const tries = 20;

/**
 * Deletes a run: its history, states and effects are gone, its id stays taken, and no late write brings it back. Its
 * descendants own the data that they need and go on. A damaged run can be deleted too, and so can the rest of an
 * abandoned import.
 *
 * @throws `conflict` while the run is being executed, and if its parent waits for it or its children live because of it: a
 * run with a parent or children must have ended, and they must know it.
 */
export async function deleteRun(scope: Scope, runId: RunId, precondition: Precondition): Promise<void> {
  const isDeleted = await eraseWhere(scope, runId, async (row, now) => {
    const record = readableRecord(row);
    if (record !== undefined) {
      demand(record, precondition);
      demandUnleased(record, now);
      if (!isTold(record)) {
        const hint = await scope.host.family?.kin(record);
        throw new DurableError("conflict", `run "${runId}" has a family: cancel it and drain`, present({ hint }));
      }
      return true;
    }
    // A row that cannot be read names no executor. The revision of a damaged run, or of the rest of an import, is unknown.
    if (precondition.expectedRevision === undefined) return true;
    throw new DurableError("precondition_failed", `run "${runId}" is damaged and has no readable revision`, {
      hint: "delete it without If-Match",
    });
  });
  if (!isDeleted) missingRun(runId);
}

/** Erases a run as long as its row, in whatever form it is found, may be erased. False if it may not, or is gone. */
export async function eraseWhere(
  scope: Scope,
  runId: RunId,
  mayErase: (row: RunRow, now: number) => boolean | Promise<boolean>,
): Promise<boolean> {
  const { host, executor, tenant } = scope;
  for (let attempt = 0; attempt < tries; attempt++) {
    const row = await host.store.getRun(tenant, runId);
    if (row === undefined || (row.status === undefined && !isImport(row))) return false;
    if (!(await mayErase(row, host.clock.now()))) return false;
    if (await erase(host, row)) {
      await executor.interrupt({ row }, "the run was deleted");
      return true;
    }
  }
  throw changedTooOften(runId);
}

// Of a row without a status: the rest of an abandoned import, and no tombstone.
function isImport(row: RunRow): boolean {
  return unlessDamaged(() => readRunBody(row.body, `run "${row.runId}"`).isImport) === true;
}

/** The record of a row; `undefined` if there is none, or it is damaged or of a newer version. */
export function readableRecord(row: RunRow | undefined): RunRecord<Json> | undefined {
  return unlessDamaged(() => row && heldRow(row)?.record);
}

function unlessDamaged<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isUnreadableData(error)) return undefined;
    throw error;
  }
}
