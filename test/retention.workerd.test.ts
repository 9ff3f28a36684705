import { env } from "cloudflare:workers";
import { retentionCases } from "./retention.cases.ts";
import { d1Harness } from "./support/d1-harness.ts";
import { onStage } from "./support/stage.ts";

retentionCases(onStage(d1Harness(env.DB)));
