import { advancedScenarios } from "./advanced-nodes.ts";
import { advancedReport, verify } from "./verifier.ts";

process.exitCode = await verify(
  {
    nodes: advancedScenarios.flatMap(({ nodes }) => nodes),
    reportFile: "artifacts/durability_advanced_report.json",
    report: (results, now) => advancedReport(advancedScenarios, results, now),
  },
  process.argv.slice(2),
);
