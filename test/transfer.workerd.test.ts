import { env } from "cloudflare:workers";
import { d1Harness } from "./support/d1-harness.ts";
import { onStage } from "./support/stage.ts";
import { transferCases } from "./transfer.cases.ts";

transferCases(onStage(d1Harness(env.DB)));
