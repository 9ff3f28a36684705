import { env } from "cloudflare:workers";
import { d1Harness } from "./support/d1-harness.ts";
import { testLedger } from "./support/ledger-suite.ts";

testLedger("D1", d1Harness(env.DB));
