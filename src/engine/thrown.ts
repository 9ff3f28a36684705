import { bytesAtMost, encodeValue } from "../codec/values.ts";
import { isDurableError } from "../errors.ts";
import { cutText, type Json, sizeOf } from "../json.ts";

/** Why a step failed. */
export interface StepError {
  /** A stable word. */
  readonly code: string;
  readonly message: string;
  /** The thrown value, encoded. */
  readonly thrown: Json;
  /** The thrown value itself, with its stack, which is not stored. */
  readonly raw: unknown;
}

/**
 * Throw this, or any error of this name, if trying again cannot help.
 *
 * @example
 * ```ts
 * import { defineCapability, NonRetryableError } from "orca-durable";
 *
 * export const lookUp = defineCapability({ id: "user.look-up", version: "1" }, async ({ id }: { id: string }) => {
 *   const response = await fetch(`https://api.example.com/users/${id}`);
 *   if (response.status === 404) throw new NonRetryableError(`there is no user ${id}`);
 *   return response.json();
 * });
 * ```
 */
export class NonRetryableError extends Error {
  override readonly name: string = "NonRetryableError";
}

/**
 * Throw this, or any error of this name, from an action that certainly did nothing to the world: a request that was
 * never sent, a balance that was too low. Only then does the ledger record the action as failed, and the step tries
 * again without a gate. After any other error it is unknown whether the action happened: a connection that breaks after
 * the request was served throws too.
 *
 * @example
 * ```ts
 * import { defineSkill, NothingHappenedError } from "orca-durable";
 *
 * export const order = defineSkill({
 *   id: "order",
 *   version: "1",
 *   async run(step, { card }: { card: string }) {
 *     return step.do("charge", { sideEffects: "external_action", isIdempotent: false }, async () => {
 *       const response = await fetch("https://pay.example.com/charges", { method: "POST", body: card });
 *       if (response.status === 422) throw new NothingHappenedError("the card was declined");
 *       return response.json();
 *     });
 *   },
 * });
 * ```
 */
export class NothingHappenedError extends Error {
  override readonly name: string = "NothingHappenedError";
}

/** The name of the thrown value, if it has one. */
export function nameOf(thrown: unknown): string | undefined {
  try {
    const name: unknown = (thrown as { name?: unknown } | null | undefined)?.name;
    return typeof name === "string" ? name : undefined;
  } catch {
    return undefined;
  }
}

/** True if another attempt may succeed. */
export function isRetryable(error: unknown): boolean {
  const isFinal = isDurableError(error, "invalid_output", "invalid_request", "nested_step", "too_large");
  return !isFinal && nameOf(error) !== "NonRetryableError";
}

/** The most characters of a message in the run's row and in events, whose size is bounded. */
export const longestMessage = 4_000;

/**
 * The bounds of a stored failure: the deepest nesting of the thrown value and of the input, and the most bytes of the
 * thrown value. A failure must fit into any state.
 */
const deepestInFailure = 400;
const maxThrownBytes = 1024 * 1024;

/** The input of a step that failed, as far as it can be stored. */
export function keptInput(input: Json): Json {
  return sizeOf(input).depth <= deepestInFailure ? input : null;
}

/** The description of a thrown value, in a form that can be stored. */
export function stepError(error: unknown): StepError {
  const code = isDurableError(error) ? error.code : "step_failed";
  const message = cutText(messageOf(error), longestMessage);
  return { code, message, thrown: encodedThrown(error, message), raw: error };
}

/** The message of a thrown value. Any value can be thrown, also one without a message. */
export function messageOf(thrown: unknown): string {
  try {
    const hasMessage = typeof thrown === "object" && thrown !== null && "message" in thrown;
    return String(hasMessage ? thrown.message : thrown);
  } catch {
    return "the thrown value has no message";
  }
}

/** The message of a commit that fails for its size; any other error is thrown on. */
export function tooLarge(error: unknown): StepError {
  if (!isDurableError(error, "too_large")) throw error;
  return stepError(error);
}

function encodedThrown(error: unknown, message: string): Json {
  try {
    const encoded = encodeValue(error, "error", bytesAtMost(maxThrownBytes));
    const { depth, bytes } = sizeOf(encoded);
    if (depth <= deepestInFailure && bytes <= maxThrownBytes) return encoded;
  } catch {
    // It contains a value that cannot be stored, such as a response.
  }
  // Its name, message and code can be stored in any case.
  const plain = Object.assign(new Error(message), isDurableError(error) ? { code: error.code } : {});
  const name = nameOf(error);
  if (name !== undefined) plain.name = name.slice(0, 200);
  return encodeValue(plain, "error");
}
