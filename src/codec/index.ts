// For tools: values and states in their stored form and on the wire, and the tables of the ORCA v1 contract.
export { httpStatus } from "../errors.ts";
export { type Json, type JsonObject, type Path, parseJson } from "../json.ts";
export { type CheckpointKind, checkpointKinds, stateSnapshotRef } from "../record/checkpoint.ts";
export { type EventType, eventPosition, eventTypes } from "../record/event.ts";
export {
  type LifecycleEvent,
  type LifecycleEventType,
  lifecycle,
  type Transition,
  transition,
} from "../record/lifecycle.ts";
export { maxInboxBytes, runStatuses, terminalStatuses } from "../record/run.ts";
export type { RuntimeEvent, StepResult } from "../record/state.ts";
export { writeCheckpointRecord } from "./entry.ts";
export { encodeRun, writeRun } from "./run.ts";
export { decodeState, encodeState, initialState, readState, writeState } from "./state.ts";
export { decodeValue, encodeValue, type ValueLimits } from "./values.ts";
