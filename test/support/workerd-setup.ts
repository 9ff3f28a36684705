import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { d1Harness } from "./d1-harness.ts";

// Files share one database in an order that differs from run to run. Each begins with an empty one.
await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
await d1Harness(env.DB).fresh();
