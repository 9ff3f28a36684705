import { aCheckpointId, anArray, anything, expectKind, given, type Kinds, needed } from "../argument.ts";
import type { Snapshot } from "../codec/bodies.ts";
import { encodeState, writeState } from "../codec/state.ts";
import { DurableError, invalidRequest, isDurableError } from "../errors.ts";
import { type CheckpointId, parseRunId } from "../ids.ts";
import { change, getCheckpoint } from "../journal/held.ts";
import { aText, type Json, jsonEqual, type Kind, present, read } from "../json.ts";
import type { Checkpoint, CheckpointRecord } from "../record/checkpoint.ts";
import { demand, demandEdited, demandUnleased, type Precondition, preconditionKinds } from "../record/precondition.ts";
import { isTerminal, type RunRecord, released } from "../record/run.ts";
import type { ExecutionState } from "../record/state.ts";
import type { Runs } from "./runs.ts";
import { type Scope, scopeOf } from "./scope.ts";

/** A checkpoint from a caller. */
export interface NewCheckpointRequest extends Precondition {
  /** Default: `chk_…`. */
  readonly checkpointId?: string;
  readonly stepId?: string;
  readonly kind: string;
  readonly pendingWrites?: readonly string[];
  readonly state: ExecutionState;
}

const aWord: Kind = ["a string that is not empty", (value) => typeof value === "string" && value !== ""];

const kinds: Kinds<NewCheckpointRequest> = {
  ...preconditionKinds,
  checkpointId: aCheckpointId,
  stepId: aText,
  kind: needed(aWord),
  pendingWrites: anArray,
  state: anything,
};

/**
 * Saves a checkpoint from outside. It becomes the run's head and never changes the run's status. The holder of a lapsed
 * lease is fenced, and the run is due. Saving the same checkpoint again changes nothing.
 *
 * @throws `not_found`; `invalid_request` that names the place, such as `state.vars`; `too_large`; `conflict` while the
 * run is being executed, once it has ended, if it has another checkpoint of this id, and if it is a fork whose edit was
 * never saved; `precondition_failed`.
 * @example
 * ```ts
 * import { type Runs, saveCheckpoint } from "orca-durable";
 *
 * // The run continues with other variables once it is resumed.
 * export async function correct(runs: Runs, runId: string, vars: Readonly<Record<string, unknown>>) {
 *   const { head = "" } = await runs.listCheckpoints(runId);
 *   const { state } = await runs.loadCheckpoint(runId, head);
 *   return saveCheckpoint(runs, runId, { kind: "corrected", state: { ...state, vars } });
 * }
 * ```
 */
export async function saveCheckpoint(runs: Runs, runId: string, from: NewCheckpointRequest): Promise<CheckpointRecord> {
  const scope = scopeOf(runs);
  const { host, executor, tenant } = scope;
  const id = parseRunId(runId);
  const { kind, stepId, ...request } = given(from, kinds, "request");
  // `kinds` has seen that it is one.
  const checkpointId = request.checkpointId as CheckpointId | undefined;
  const pendingWrites = texts(request.pendingWrites ?? [], "pendingWrites");
  const state = read("state", () => encodeState(request.state, undefined, host));
  const { held, checkpoint, answer } = await change<CheckpointRecord | undefined>(scope, id, async (held, now) => {
    const { record } = held;
    demand(record, request);
    if (state.skillId !== record.run.skillId) {
      throw invalidRequest("state.skill_id", `expected a state of skill "${record.run.skillId}", the skill of the run`);
    }
    if (checkpointId !== undefined) {
      const row = await host.store.getEntry(tenant, id, checkpointId);
      if (row !== undefined) {
        const saved = await getCheckpoint(scope, id, checkpointId);
        if (isSame(saved, { kind, stepId, pendingWrites, state })) return { answer: saved.record };
        throw new DurableError("conflict", `run "${runId}" already has a different checkpoint "${checkpointId}"`, {
          hint: "save it under a new id",
        });
      }
    }
    const { status } = record.run;
    if (isTerminal(status)) {
      throw new DurableError("conflict", `run "${runId}" is ${status}, so its history is closed`, {
        hint: "resume, replay or fork it first",
      });
    }
    demandUnleased(record, now);
    demandEdited(record);
    const over = await headSnapshot(scope, record);
    return {
      change: {
        record: { ...released(record), ...present({ wakeAt: record.lease === undefined ? record.wakeAt : now }) },
        events: [],
        checkpoint: {
          ...present({ over }),
          kind,
          state,
          pendingWrites,
          ...present({ stepId, checkpointId }),
        },
      },
      answer: undefined,
    };
  });
  if (checkpoint !== undefined) await executor.interrupt(held, "a checkpoint was saved to the run");
  // A decision without a change has found the record.
  return (checkpoint?.record ?? answer) as CheckpointRecord;
}

function texts(items: readonly string[], path: string): readonly string[] {
  // Array.from looks at holes too.
  const checked = () => Array.from(items, (text, index) => expectKind(text, aText, `${path}[${index}]`));
  return read(path, checked);
}

/** The snapshot over which the new checkpoint may be a delta. If the head is damaged, it begins anew. */
async function headSnapshot(scope: Scope, { run }: RunRecord<Json>): Promise<Snapshot | undefined> {
  if (run.checkpointHead === undefined) return undefined;
  try {
    return (await getCheckpoint(scope, run.runId, run.checkpointHead)).snapshot;
  } catch (error) {
    if (isDurableError(error, "corrupt_data", "not_found")) return undefined;
    throw error;
  }
}

function isSame(
  { record, state }: Checkpoint<Json>,
  other: { kind: string; stepId: string | undefined; pendingWrites: readonly string[]; state: ExecutionState<Json> },
): boolean {
  return (
    record.kind === other.kind &&
    record.stepId === other.stepId &&
    jsonEqual(record.pendingWrites, other.pendingWrites) &&
    jsonEqual(writeState(state), writeState(other.state))
  );
}
