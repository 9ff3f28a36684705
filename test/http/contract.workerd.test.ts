import { env } from "cloudflare:workers";
import { d1Home } from "../support/http-d1-home.ts";
import { testHttp } from "./contract/suite.ts";

testHttp(d1Home(env.DB));
