import { exporting, importing, type Operation } from "./operation.ts";
import { run } from "./records.ts";

export const transferOperations: readonly Operation[] = [
  {
    id: "exportRun",
    method: "get",
    path: "/v1/runs/{run_id}/export",
    tag: "runs",
    summary: "Everything that is stored of a run, as lines of JSON",
    description: "An export whose last line is not of the kind `end` was cut off.",
    status: 200,
    answerType: "application/x-ndjson",
    errors: exporting,
  },
  {
    id: "importRun",
    method: "post",
    path: "/v1/import",
    tag: "runs",
    summary: "Take a run in from its export",
    description: "The same import may be begun again where it was cut off, and goes on; deleting its run gives it up.",
    role: "admin",
    bodyType: "application/x-ndjson",
    hasETag: true,
    status: 201,
    answer: run,
    errors: importing,
  },
];
