import { env } from "cloudflare:workers";
import { d1Harness } from "./support/d1-harness.ts";
import { testEvents } from "./support/events-suite.ts";

testEvents("D1", d1Harness(env.DB));
