import { env } from "cloudflare:workers";
import { d1Harness } from "./support/d1-harness.ts";
import { testStore } from "./support/store-suite.ts";

testStore("D1", d1Harness(env.DB));
