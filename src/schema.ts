import { invalidRequest } from "./errors.ts";
import { at, type Kind } from "./json.ts";

/**
 * The part of a schema that this package needs, from any library that follows Standard Schema v1 (valibot, zod, arktype
 * and others).
 * Source: https://standardschema.dev
 */
export interface Schema<Output = unknown, Input = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** For types alone; no value has it. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a schema says of a value. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** What is wrong with a value, and where. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What {@link validate} takes. */
export const aSchema: Kind = [
  "a schema of Standard Schema v1",
  (value) => typeof (value as Schema)["~standard"].validate === "function",
];

/**
 * The value as the schema returns it.
 *
 * @throws `invalid_request` that names the place of the first issue.
 */
export async function validate<T>(schema: Schema<T>, value: unknown, path: string): Promise<T> {
  const result = await schema["~standard"].validate(value);
  if (result.issues === undefined) return result.value;
  const [first] = result.issues;
  const keys = first?.path ?? [];
  const place = keys.reduce<string>((place, part) => {
    const key = typeof part === "object" ? part.key : part;
    return at(place, typeof key === "number" ? key : String(key));
  }, path);
  throw invalidRequest(place, first?.message ?? "does not match its schema");
}
