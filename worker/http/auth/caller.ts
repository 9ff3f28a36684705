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
