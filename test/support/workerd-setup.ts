import { applyD1Migrations, reset } from "cloudflare:test";
import { env } from "cloudflare:workers";

// Files share one database in an order that differs from run to run. Each begins with one that has the migrations alone: no
// row, and no table or trigger that another file made.
await reset();
await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
