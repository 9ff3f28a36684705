import { env } from "cloudflare:workers";
import { d1Harness } from "./support/d1-harness.ts";
import { testFences } from "./support/fence-suite.ts";
import { testOwnership } from "./support/ownership-suite.ts";

testOwnership("D1", d1Harness(env.DB));
testFences("D1", d1Harness(env.DB));
