import { Hono } from "hono";
import type { JsonObject } from "../../../src/json.ts";
import openApi from "../contract/openapi.generated.json" with { type: "json" };
import type { HealthAnswer, WhoamiAnswer } from "../contract/service.ts";
import { skillListAnswer } from "../contract/wire.ts";
import { type ReferencePage, referencePage } from "../reference.ts";
import type { AppEnv } from "../request.ts";

/** As any JSON: otherwise the types of the app and of its client would have each word of it. */
const document: JsonObject = asJson(openApi);

function asJson(json: unknown): JsonObject {
  return json as JsonObject;
}

// Made once it is asked for.
let reference: Promise<ReferencePage> | undefined;

/** The paths that need no key. */
export const openPaths: ReadonlySet<string> = new Set(["/v1/health", "/openapi.json", "/reference"]);

/** Routes about the service and the caller. */
export const serviceRoutes = new Hono<AppEnv>()
  .get("/v1/health", (c) => c.json<HealthAnswer>({ status: "ok" }))
  .get("/openapi.json", (c) => c.json<object>(document))
  .get("/reference", async (c) => {
    reference ??= referencePage(document);
    const { html, policy } = await reference;
    return c.html(html, 200, { "content-security-policy": policy });
  })
  .get("/v1/whoami", (c) => {
    const { tenant, role } = c.var.caller;
    return c.json<WhoamiAnswer>({ tenant, role });
  })
  .get("/v1/skills", async (c) => c.json(skillListAnswer(await c.var.runs.skills())));
