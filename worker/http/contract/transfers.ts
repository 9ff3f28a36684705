import { exporting, importing, type Operation } from "./operation.ts";
import { run } from "./records.ts";

export const transferOperations: readonly Operation[] = [
  {
    id: "exportRun",
    method: "get",
    path: "/v1/runs/{run_id}/export",
    tag: "runs",
    summary: "Export everything that is stored of a run, as JSON lines",
    description: "If the last line is not of the kind `end`, the export is incomplete.",
    status: 200,
    answerType: "application/x-ndjson",
    errors: exporting,
  },
  {
    id: "importRun",
    method: "post",
    path: "/v1/import",
    tag: "runs",
    summary: "Import a run from its export",
    description: "If an import is interrupted, send it again to complete it, or delete its run to abandon it.",
    role: "admin",
    bodyType: "application/x-ndjson",
    hasETag: true,
    status: 201,
    answer: run,
    errors: importing,
  },
];
