import { env } from "cloudflare:workers";
import { d1Home } from "./support/http-d1-home.ts";
import { testRoutes } from "./support/http-routes.ts";

testRoutes(d1Home(env.DB));
