import { exporting, type Family, importing } from "./operation.ts";
import { run } from "./records.ts";

export const transferOperations: Family = {
  exportRun: {
    route: "GET /v1/runs/{run_id}/export",
    summary: "Export everything that is stored of a run, as JSON lines",
    description: "If the last line is not of the kind `end`, the export is incomplete.",
    exchange: { answerType: "application/x-ndjson", errors: exporting },
  },
  importRun: {
    route: "POST /v1/import",
    summary: "Import a run from its export",
    description: "If an import is interrupted, send it again to complete it, or delete its run to abandon it.",
    exchange: { bodyType: "application/x-ndjson", status: 201, hasETag: true, answer: run, errors: importing },
  },
};
