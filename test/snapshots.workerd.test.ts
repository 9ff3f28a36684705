import { env } from "cloudflare:workers";
import { snapshotCases } from "./snapshots.cases.ts";
import { d1Harness } from "./support/d1-harness.ts";
import { onStage } from "./support/stage.ts";

snapshotCases(onStage(d1Harness(env.DB)));
