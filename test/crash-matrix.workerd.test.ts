import { env } from "cloudflare:workers";
import { testCrashes } from "./support/crash-matrix.ts";
import { d1Harness } from "./support/d1-harness.ts";

testCrashes("D1", d1Harness(env.DB), { lanes: 8, isThorough: false });
