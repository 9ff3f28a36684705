import { env } from "cloudflare:workers";
import { d1Harness } from "./support/d1-harness.ts";
import { onStage } from "./support/stage.ts";
import { versionCases } from "./versions.cases.ts";

versionCases(onStage(d1Harness(env.DB)));
