import type * as v from "valibot";
import { checkpointOperations, checkpointSchemas } from "./checkpoints.ts";
import { continuationOperations } from "./continuation.ts";
import { descentOperations } from "./descents.ts";
import { historyOperations, historySchemas } from "./histories.ts";
import { keyOperations, keySchemas } from "./keys.ts";
import { legacyOperations } from "./legacy.ts";
import { type Operation, operationsOf } from "./operation.ts";
import { recordSchemas } from "./records.ts";
import { runOperations, runSchemas } from "./runs.ts";
import { scheduleOperations, scheduleSchemas } from "./schedules.ts";
import { serviceOperations, serviceSchemas } from "./service.ts";
import { startOperations, startSchemas } from "./starts.ts";
import { stateSchemas } from "./state.ts";
import { transferOperations } from "./transfers.ts";
import { valueSchemas } from "./values.ts";

export type { Operation } from "./operation.ts";

/** Every route, as the OpenAPI document describes it. */
export const operations: readonly Operation[] = [
  ...operationsOf("service", serviceOperations),
  ...operationsOf("keys", keyOperations),
  ...operationsOf("runs", startOperations),
  ...operationsOf("runs", runOperations),
  ...operationsOf("runs", continuationOperations),
  ...operationsOf("runs", descentOperations),
  ...operationsOf("runs", historyOperations),
  ...operationsOf("runs", transferOperations),
  ...operationsOf("checkpoints", checkpointOperations),
  ...operationsOf("schedules", scheduleOperations),
  ...operationsOf("legacy", legacyOperations),
];

/** The schemas that have a name in the document. */
export const schemas: Readonly<Record<string, v.GenericSchema>> = {
  ...valueSchemas,
  ...recordSchemas,
  ...stateSchemas,
  ...serviceSchemas,
  ...keySchemas,
  ...startSchemas,
  ...runSchemas,
  ...historySchemas,
  ...checkpointSchemas,
  ...scheduleSchemas,
};
