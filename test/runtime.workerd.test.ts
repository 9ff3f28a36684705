import { env } from "cloudflare:workers";
import { d1Harness } from "./support/d1-harness.ts";
import { runtimeCases } from "./support/runtime-cases.ts";

runtimeCases(d1Harness(env.DB));
