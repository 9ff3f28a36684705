import { env } from "cloudflare:workers";
import { d1Harness } from "./support/d1-harness.ts";
import { testRaces } from "./support/race-suite.ts";

testRaces("D1", d1Harness(env.DB));
