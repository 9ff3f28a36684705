import { env } from "cloudflare:workers";
import { d1Harness } from "./support/d1-harness.ts";
import { testWorkflows } from "./support/workflow-suite.ts";

testWorkflows("D1", d1Harness(env.DB));
