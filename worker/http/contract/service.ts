import * as v from "valibot";
import { roles } from "../auth/caller.ts";
import { always, type Family, keyed } from "./operation.ts";
import { text, textOrNull } from "./values.ts";

export const health = v.object({ status: v.literal("ok") });
export type HealthAnswer = v.InferOutput<typeof health>;

export const home = v.object({
  service: v.literal("orca-durable"),
  health: v.literal("/v1/health"),
  document: v.pipe(v.nullable(v.literal("/openapi.json")), v.description("Null if this service has no document.")),
});
export type HomeAnswer = v.InferOutput<typeof home>;

export const whoami = v.object({ tenant: text, role: v.picklist(roles) });
export type WhoamiAnswer = v.InferOutput<typeof whoami>;

export const skillList = v.object({
  skills: v.array(
    v.object({
      skill_id: text,
      versions: v.pipe(v.array(text), v.description("The last version is the default of a new run.")),
      description: textOrNull,
      form: v.picklist(["graph", "code"]),
      steps: v.pipe(
        v.optional(v.array(v.object({ step_id: text, depends_on: v.array(text) }))),
        v.description("Present if the form is `graph`."),
      ),
    }),
  ),
});
export type SkillListAnswer = v.InferOutput<typeof skillList>;

export const serviceOperations: Family = {
  getHome: {
    route: "GET /",
    summary: "See what this service is",
    description: "Leads to the inspector, if there is one.",
    isOpen: true,
    exchange: { answer: home, also: { 302: "The inspector is at the `Location`" }, errors: always },
  },
  getHealth: {
    route: "GET /v1/health",
    summary: "Check that the service is up",
    isOpen: true,
    exchange: { answer: health, errors: always },
  },
  getDocument: {
    route: "GET /openapi.json",
    summary: "Get this document",
    isOpen: true,
    exchange: { errors: [...always, "not_found"] },
  },
  getReference: {
    route: "GET /reference",
    summary: "Get this document as a page",
    isOpen: true,
    exchange: { answerType: "text/html", errors: [...always, "not_found"] },
  },
  whoAmI: {
    route: "GET /v1/whoami",
    summary: "Get the tenant and the role of the caller",
    exchange: { answer: whoami, errors: keyed },
  },
  listSkills: {
    route: "GET /v1/skills",
    summary: "List the skills of this service",
    exchange: { answer: skillList, errors: keyed },
  },
};

/** The schemas that have a name in the document. */
export const serviceSchemas = { Home: home, SkillList: skillList };
