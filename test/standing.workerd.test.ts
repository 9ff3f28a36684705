import { env } from "cloudflare:workers";
import { d1Harness } from "./support/d1-harness.ts";
import { testStanding } from "./support/standing-suite.ts";

testStanding("D1", d1Harness(env.DB));
