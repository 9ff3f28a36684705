import { env } from "cloudflare:workers";
import { d1Store } from "../../adapters/d1/index.ts";
import { testBothSides } from "./contract/runs-api.ts";

testBothSides("D1", d1Store(env.DB));
