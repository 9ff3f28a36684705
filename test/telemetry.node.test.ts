import { memoryStore } from "../adapters/memory/index.ts";
import { testTelemetry } from "./support/telemetry-suite.ts";

testTelemetry(async () => memoryStore());
