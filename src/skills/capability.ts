import { aFunction, anId, expectKind, given, type Kinds, needed } from "../argument.ts";
import { aTimeout, type Duration } from "../duration.ts";
import { DurableError, notFound, shown } from "../errors.ts";
import { aFlag, aText, canonicalJson, type Json, type Kind, oneOf, read, sha256 } from "../json.ts";
import { type Retries, retriesKinds } from "../retry.ts";
import { aSchema, type Schema } from "../schema.ts";

/** What the policies of a step may say. */
export const effectKinds = {
  sideEffects: /* @__PURE__ */ oneOf(["none", "read", "write", "external_action"]),
  replayPolicy: /* @__PURE__ */ oneOf(["use_recorded_result", "reexecute", "require_human"]),
  isIdempotent: aFlag,
} as const;

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
  const code = "invalid_definition";
  const path = placeOf("capability", definition);
  expectKind(handler, aFunction, path, code);
  return Object.freeze({ definition: given(definition, definitionKinds(), path, path, code), handler });
}

/** The id, that errors name what they are about. @throws `invalid_definition`. */
export function placeOf(what: string, definition: { readonly id: string }): string {
  return `${what} ${read(what, () => shown(definition.id), "invalid_definition")}`;
}

function definitionKinds<Input, Output>(): Kinds<CapabilityDefinition<Input, Output>> {
  return {
    id: needed(anId),
    version: needed(anId),
    description: aText,
    input: aSchema,
    output: aSchema,
    ...effectKinds,
    retries: retriesKinds,
    timeout: aTimeout,
    requiresConfirmation: aFlag,
  };
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
export async function capabilityDigest(definition: CapabilityDefinition): Promise<string> {
  const text = () => {
    const { input, output, ...data } = definition;
    const vendors = [input?.["~standard"].vendor ?? null, output?.["~standard"].vendor ?? null];
    return canonicalJson([JSON.parse(JSON.stringify(data)) as Json, vendors]);
  };
  return sha256(read("definition", text));
}

/** A capability of any types. The input of its handler was checked by its schema, or mapped by the skill's author. */
export interface AnyCapability {
  readonly definition: CapabilityDefinition;
  readonly handler: Handler<never, unknown>;
}

/** What {@link defineCapability} makes. */
const aCapability: Kind = ["a capability or its id", isCapability];

/** The registered capabilities, by id. */
export class CapabilityRegistry {
  readonly #byId = new Map<string, Capability>();

  /** @throws `invalid_definition` if two have one id. */
  constructor(capabilities: readonly AnyCapability[]) {
    for (const capability of capabilities) {
      const { id } = expectKind(capability, aCapability, "capabilities").definition;
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
    expectKind(asked, aCapability, path);
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
