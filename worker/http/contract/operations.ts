import { checkpointOperations } from "./checkpoints.ts";
import { continuationOperations } from "./continuation.ts";
import { descentOperations } from "./descents.ts";
import { historyOperations } from "./histories.ts";
import { keyOperations } from "./keys.ts";
import { legacyOperations } from "./legacy.ts";
import type { Operation } from "./operation.ts";
import { runOperations } from "./runs.ts";
import { serviceOperations } from "./service.ts";
import { startOperations } from "./starts.ts";
import { transferOperations } from "./transfers.ts";

export { type Operation, roleOf } from "./operation.ts";

/** Every route, as the OpenAPI document describes it. */
export const operations: readonly Operation[] = [
  ...serviceOperations,
  ...keyOperations,
  ...startOperations,
  ...runOperations,
  ...continuationOperations,
  ...descentOperations,
  ...historyOperations,
  ...transferOperations,
  ...checkpointOperations,
  ...legacyOperations,
];
