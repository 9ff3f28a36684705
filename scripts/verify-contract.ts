import { contractNodes } from "./contract-nodes.ts";
import { contractReport, verify } from "./verifier.ts";

process.exitCode = await verify(
  { nodes: contractNodes, reportFile: "artifacts/durability_contract_report.json", report: contractReport },
  process.argv.slice(2),
);
