/** The roles of callers. Each role includes those before it: read, start and change runs, administer. */
export const roles = ["read", "execute", "admin"] as const;
/** What a caller may do; each role includes those before it. */
export type Role = (typeof roles)[number];

/** The caller of a request. */
export interface Caller {
  /** The tenant whose runs the caller can access: 1 to 200 printable ASCII characters. */
  readonly tenant: string;
  readonly role: Role;
  /** The public id of the API key, if a key was used. */
  readonly keyId?: string;
}
