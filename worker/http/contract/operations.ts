import { checkpointOperations } from "./checkpoint-operations.ts";
import { legacyOperations } from "./legacy-operations.ts";
import type { Operation } from "./operation.ts";
import { readOperations } from "./read-operations.ts";
import { runOperations } from "./run-operations.ts";
import { serviceOperations } from "./service-operations.ts";
import { startOperations } from "./start-operations.ts";

export { type Operation, roleOf } from "./operation.ts";

/** Every route, as the OpenAPI document describes it. */
export const operations: readonly Operation[] = [
  ...serviceOperations,
  ...startOperations,
  ...runOperations,
  ...readOperations,
  ...checkpointOperations,
  ...legacyOperations,
];
