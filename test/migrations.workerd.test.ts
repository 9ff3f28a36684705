import { env } from "cloudflare:workers";
import { migrationCases } from "./migrations.cases.ts";
import { d1Harness } from "./support/d1-harness.ts";
import { onStage } from "./support/stage.ts";

migrationCases(onStage(d1Harness(env.DB)));
