import type { Context } from "hono";
import { DurableError } from "../../../src/errors.ts";
import type { HealthAnswer, HomeAnswer, WhoamiAnswer } from "../contract/service.ts";
import { skillListAnswer } from "../contract/wire.ts";
import { Hono } from "../hono.ts";
import type { ApiReference } from "../reference.ts";
import type { AppEnv } from "../request.ts";

/** The paths that answer 404 in an app without the option `reference`. */
export const referencePaths = ["/openapi.json", "/reference"] as const;

/** The paths that need no key. */
export const openPaths: ReadonlySet<string> = new Set(["/", "/v1/health", ...referencePaths]);

/** Routes about the service and the caller. */
export const serviceRoutes = new Hono<AppEnv>()
  .get("/", (c) => {
    // Relative, since the app may be served under another path.
    if (c.var.hasInspector) return c.body(null, 302, { location: "inspector" });
    const document = c.var.reference === undefined ? null : "/openapi.json";
    return c.json<HomeAnswer>({ service: "orca-durable", health: "/v1/health", document });
  })
  .get("/v1/health", (c) => c.json<HealthAnswer>({ status: "ok" }))
  .get("/openapi.json", (c) => c.json<object>(referenceOf(c).document))
  .get("/reference", async (c) => {
    const { html, policy } = await referenceOf(c).page();
    return c.html(html, 200, { "content-security-policy": policy });
  })
  .get("/v1/whoami", (c) => {
    const { tenant, role } = c.var.caller;
    return c.json<WhoamiAnswer>({ tenant, role });
  })
  .get("/v1/skills", async (c) => c.json(skillListAnswer(await c.var.runs.skills())));

function referenceOf(c: Context<AppEnv>): ApiReference {
  const { reference } = c.var;
  if (reference !== undefined) return reference;
  throw new DurableError("not_found", `this service has no ${c.req.path}`, {
    hint: "pass `apiReference` of `orca-durable/reference` as the option `reference` of the app",
  });
}
