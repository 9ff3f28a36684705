import { isId } from "../../../src/ids.ts";
import { DurableError } from "../../../src/index.ts";

/** What a caller may do, each with what stands before it: look, start and move runs, and administer. */
export const roles = ["read", "execute", "admin"] as const;
export type Role = (typeof roles)[number];

/** Who makes a call. */
export interface Caller {
  /** The tenant whose runs these are: 1 to 200 characters of printable ASCII. */
  readonly tenant: string;
  readonly role: Role;
  /** The public id of the API key, where one was used. */
  readonly keyId?: string;
}

/** The role that a request of that method needs, unless its route asks for more. */
export function roleOfMethod(method: string): Role {
  return method === "GET" || method === "HEAD" ? "read" : "execute";
}

/** @throws `internal_error` where this is nobody: what authenticates is code of the deployment, and may be wrong. */
export function checkCaller(caller: Caller): Caller {
  if (isId(caller?.tenant) && roles.includes(caller.role)) return caller;
  throw new DurableError("internal_error", "the authentication names no tenant and role");
}

/** @throws `forbidden` where the caller's role does not reach that far. */
export function checkRole(caller: Caller, needed: Role): void {
  if (roles.indexOf(caller.role) >= roles.indexOf(needed)) return;
  throw new DurableError("forbidden", `this needs the role "${needed}", and the caller has "${caller.role}"`);
}
