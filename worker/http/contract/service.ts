import * as v from "valibot";
import { roles } from "../auth/caller.ts";
import { always, keyed, type Operation } from "./operation.ts";
import { text, textOrNull } from "./values.ts";

export const health = v.object({ status: v.literal("ok") });

export const whoami = v.object({ tenant: text, role: v.picklist(roles) });

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

/** The schemas that have a name in the document. */
export const serviceSchemas = { SkillList: skillList };

export type HealthAnswer = v.InferOutput<typeof health>;
export type WhoamiAnswer = v.InferOutput<typeof whoami>;
export type SkillListAnswer = v.InferOutput<typeof skillList>;

export const serviceOperations: readonly Operation[] = [
  {
    id: "getHealth",
    method: "get",
    path: "/v1/health",
    tag: "service",
    summary: "Check that the service is up",
    isOpen: true,
    status: 200,
    answer: health,
    errors: always,
  },
  {
    id: "getDocument",
    method: "get",
    path: "/openapi.json",
    tag: "service",
    summary: "Get this document",
    isOpen: true,
    status: 200,
    errors: always,
  },
  {
    id: "getReference",
    method: "get",
    path: "/reference",
    tag: "service",
    summary: "Get this document as a page",
    isOpen: true,
    status: 200,
    answerType: "text/html",
    errors: always,
  },
  {
    id: "whoAmI",
    method: "get",
    path: "/v1/whoami",
    tag: "service",
    summary: "Get the tenant and the role of the caller",
    status: 200,
    answer: whoami,
    errors: keyed,
  },
  {
    id: "listSkills",
    method: "get",
    path: "/v1/skills",
    tag: "service",
    summary: "List the skills of this service",
    status: 200,
    answer: skillList,
    errors: keyed,
  },
];
