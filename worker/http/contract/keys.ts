import * as v from "valibot";
import { roles } from "../auth/caller.ts";
import { administering, type Family, issuing } from "./operation.ts";
import { extended, text, textOrNull } from "./values.ts";

/** `POST /v1/keys` */
export const newApiKey = v.object({
  name: v.pipe(
    text,
    v.regex(/^[ -~\u00a0-\ud7ff\ue000-\uffff]{1,200}$/, "expected 1 to 200 characters without control characters"),
  ),
  role: v.picklist(roles, `expected one of ${roles.join(", ")}`),
});

const keyFields = {
  key_id: text,
  name: text,
  role: v.picklist(roles),
  tenant: text,
  created_at: text,
  revoked_at: textOrNull,
  hint: v.pipe(text, v.description("The last characters of the key.")),
};

const apiKey = v.object(keyFields);
export type KeyAnswer = v.InferOutput<typeof apiKey>;

export const apiKeyList = v.object({ keys: v.array(apiKey) });
export type KeyListAnswer = v.InferOutput<typeof apiKeyList>;

export const issuedApiKey = extended(keyFields, {
  key: v.pipe(text, v.description("The key itself. No other answer contains it.")),
});
export type IssuedKeyAnswer = v.InferOutput<typeof issuedApiKey>;

export const keyOperations: Family = {
  listKeys: {
    route: "GET /v1/keys",
    summary: "List the API keys of the caller's tenant, including revoked keys",
    exchange: { answer: apiKeyList, errors: administering },
  },
  issueKey: {
    route: "POST /v1/keys",
    summary: "Issue an API key for the caller's tenant",
    description: "Only this answer contains the key: the service stores its hash.",
    exchange: { body: newApiKey, status: 201, answer: issuedApiKey, errors: issuing },
  },
  revokeKey: {
    route: "DELETE /v1/keys/{key_id}",
    summary: "Revoke an API key of the caller's tenant, immediately and permanently",
    exchange: { status: 204, errors: administering },
  },
};

/** The schemas that have a name in the document. */
export const keySchemas = { ApiKeyList: apiKeyList, IssuedApiKey: issuedApiKey };
