import { env } from "cloudflare:workers";
import { d1Harness } from "./support/d1-harness.ts";
import { testForks } from "./support/forks-suite.ts";

testForks("D1", d1Harness(env.DB));
