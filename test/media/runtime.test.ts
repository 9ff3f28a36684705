import { harness } from "#medium";
import { onStage } from "../support/stage.ts";
import { checkpointCases } from "./runtime/checkpoints.ts";
import { descentCases } from "./runtime/descent.ts";
import { faultCases } from "./runtime/faults.ts";
import { gateCases } from "./runtime/gates.ts";
import { leaseCases } from "./runtime/leases.ts";
import { missingCases } from "./runtime/missing.ts";
import { repeatCases } from "./runtime/repeats.ts";
import { resumeCases } from "./runtime/resume.ts";
import { runCases } from "./runtime/runs.ts";
import { signalCases } from "./runtime/signals.ts";
import { timeCases } from "./runtime/times.ts";
import { transitionCases } from "./runtime/transitions.ts";

// Everything that the runtime promises, as tests over the stores of one medium.

const on = onStage(harness);
runCases(on);
checkpointCases(on);
resumeCases(on);
descentCases(on);
gateCases(on);
signalCases(on);
timeCases(on);
repeatCases(on);
leaseCases(on);
faultCases(on);
missingCases(on);
transitionCases(on);
