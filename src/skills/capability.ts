import { type Duration, durationMs, durationProblem } from "../duration.ts";
import { DurableError, invalidDefinition, invalidRequest, notFound } from "../errors.ts";
import { isId } from "../ids.ts";
import { canonicalJson, type Json, sha256 } from "../json.ts";
import { type Retries, retriesProblem } from "../retry.ts";
import type { Schema } from "../schema.ts";

/** What a capability does to the world. Source: the ORCA durability contract, section 5. */
export type SideEffects = "none" | "read" | "write" | "external_action";

/** What happens to a recorded effect when its step is executed again. Source: as above. */
export type ReplayPolicy = "use_recorded_result" | "reexecute" | "require_human";

/** The effect of an action on the world, and how a later execution treats it. */
export interface EffectPolicy {
  /** Default `none`. */
  readonly sideEffects?: SideEffects;
  /** Default `use_recorded_result`. */
  readonly replayPolicy?: ReplayPolicy;
  /** False if two executions with one idempotency key have the effect twice. Default true. */
  readonly isIdempotent?: boolean;
  /** True if a person must allow it in each run. */
  readonly requiresConfirmation?: boolean;
}

/** A capability without its code. Frozen once it is defined. */
export interface CapabilityDefinition<Input = unknown, Output = unknown> extends EffectPolicy {
  /** Printable ASCII, such as `text.summarize`. */
  readonly id: string;
  readonly version: string;
  readonly description?: string;
  readonly input?: Schema<Input>;
  readonly output?: Schema<Output>;
  /** Absent for a single attempt. */
  readonly retries?: Retries;
  /** How long one attempt may take. Without it an attempt has no limit of time. */
  readonly timeout?: Duration;
}

/** The second argument of a handler. */
export interface StepContext {
  readonly runId: string;
  readonly stepId: string;
  readonly traceId?: string;
  /** 1 for the first. */
  readonly attempt: number;
  /**
   * The same for every attempt at this step in this run, also after a crash. Pass it to the service that performs the
   * action.
   */
  readonly idempotencyKey: string;
  /** Aborts when the run is canceled, the attempt times out, a sibling failed, or another executor took the run. */
  readonly signal: AbortSignal;
}

/** The function of a capability. */
export type Handler<Input, Output> = (input: Input, context: StepContext) => Output | Promise<Output>;

/** A definition and the handler that is bound to it here. */
export interface Capability<Input = unknown, Output = unknown> {
  readonly definition: CapabilityDefinition<Input, Output>;
  readonly handler: Handler<Input, Output>;
}

/**
 * Defines a capability. The definition is copied and frozen.
 *
 * @throws `invalid_definition` that names the place.
 * @example
 * ```ts
 * import { defineCapability } from "orca-durable";
 *
 * export const sendMail = defineCapability(
 *   { id: "mail.send", version: "1", sideEffects: "external_action" },
 *   async ({ to, text }: { to: string; text: string }, { idempotencyKey, signal }) => {
 *     const headers = { "idempotency-key": idempotencyKey };
 *     const body = JSON.stringify({ to, text });
 *     const response = await fetch("https://mail.example.com/send", { method: "POST", headers, body, signal });
 *     return { accepted: response.ok };
 *   },
 * );
 * ```
 */
export function defineCapability<Input = unknown, Output = unknown>(
  definition: CapabilityDefinition<Input, Output>,
  handler: Handler<Input, Output>,
): Capability<Input, Output> {
  const { id, retries, timeout } = definition;
  const path = `capability "${id}"`;
  checkIdentity(definition, path);
  checkTimes({ retries, timeout }, path);
  for (const name of ["isIdempotent", "requiresConfirmation"] as const) {
    if (definition[name] === undefined || typeof definition[name] === "boolean") continue;
    throw invalidDefinition(`${path}.${name}`, "expected true or false");
  }
  const frozen = Object.freeze({
    ...definition,
    ...(retries === undefined ? {} : { retries: Object.freeze({ ...retries }) }),
  });
  return Object.freeze({ definition: frozen, handler });
}

/**
 * Checks the names by which records know a capability or a skill.
 *
 * @throws `invalid_definition` that names the place.
 */
export function checkIdentity(definition: { readonly id: unknown; readonly version: unknown }, path: string): void {
  for (const name of ["id", "version"] as const) {
    if (isId(definition[name])) continue;
    const problem = `${path}: invalid ${name}: expected 1 to 200 printable ASCII characters`;
    throw new DurableError("invalid_definition", problem, { path: `${path}.${name}` });
  }
}

/**
 * Checks how often something is tried and for how long.
 *
 * @throws `invalid_definition` that names the place.
 */
export function checkTimes(
  { retries, timeout }: { readonly retries?: unknown; readonly timeout?: unknown },
  path: string,
): void {
  const wrong = retries === undefined ? undefined : retriesProblem(retries);
  if (wrong !== undefined) {
    throw invalidDefinition(wrong.at === undefined ? `${path}.retries` : `${path}.retries.${wrong.at}`, wrong.problem);
  }
  if (timeout === undefined) return;
  const problem = durationProblem(timeout) ?? (msIsZero(timeout) ? "expected a duration above 0" : undefined);
  if (problem !== undefined) throw invalidDefinition(`${path}.timeout`, problem);
}

function msIsZero(duration: unknown): boolean {
  return durationMs(duration as Duration, "timeout") === 0;
}

/**
 * SHA-256 of a definition, which never depends on a run. Of its schemas only the vendor names are included.
 *
 * @example
 * ```ts
 * import { capabilityDigest } from "orca-durable";
 * import { capabilities } from "./skills.ts";
 *
 * for (const { definition } of capabilities) console.log(definition.id, await capabilityDigest(definition));
 * ```
 */
export function capabilityDigest(definition: CapabilityDefinition): Promise<string> {
  const { input, output, ...data } = definition;
  const vendors = [input?.["~standard"].vendor ?? null, output?.["~standard"].vendor ?? null];
  return sha256(canonicalJson([JSON.parse(JSON.stringify(data)) as Json, vendors]));
}

/** A capability of any types. The input of its handler was checked by its schema, or mapped by the skill's author. */
export interface AnyCapability {
  readonly definition: CapabilityDefinition;
  readonly handler: Handler<never, unknown>;
}

/** The registered capabilities, by id. */
export class CapabilityRegistry {
  readonly #byId = new Map<string, Capability>();

  /** @throws `invalid_definition` if two have one id. */
  constructor(capabilities: readonly AnyCapability[]) {
    for (const capability of capabilities) {
      const { id } = capability.definition;
      if (this.#byId.has(id)) throw new DurableError("invalid_definition", `duplicate capability id "${id}"`);
      this.#byId.set(id, asUntyped(capability));
    }
  }

  find(id: string): Capability | undefined {
    return this.#byId.get(id);
  }

  /**
   * The capability that is registered under that id, or under the id of the capability in the argument; otherwise that
   * capability itself.
   *
   * @throws `not_found` if there is neither; `invalid_request` if the argument is not a capability.
   */
  resolve(asked: string | AnyCapability, path: string): Capability {
    if (typeof asked === "string") {
      const found = this.find(asked);
      if (found !== undefined) return found;
      throw notFound("capability", `capability "${asked}" is not registered here`);
    }
    if (!isCapability(asked)) throw invalidRequest(path, "expected a capability or the id of a capability");
    return this.find(asked.definition.id) ?? asUntyped(asked);
  }

  all(): readonly Capability[] {
    return [...this.#byId.values()];
  }
}

/** True for a result of {@link defineCapability}. */
export function isCapability(given: unknown): given is AnyCapability {
  if (typeof given !== "object" || given === null || !("definition" in given) || !("handler" in given)) return false;
  return typeof given.definition === "object" && given.definition !== null && typeof given.handler === "function";
}

function asUntyped(capability: AnyCapability): Capability {
  return capability as unknown as Capability;
}
