import { env } from "cloudflare:workers";
import { d1Harness } from "./support/d1-harness.ts";
import { testDrains } from "./support/drain-suite.ts";

testDrains("D1", d1Harness(env.DB));
