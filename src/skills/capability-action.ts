import { type Duration, durationMs } from "../duration.ts";
import type { Action } from "../engine/kernel.ts";
import type { Json } from "../json.ts";
import { type Retries, retryDelay } from "../retry.ts";
import type { Capability } from "./capability.ts";

/** The call of a capability under its own policies, unless the step that calls it overrides them. */
export function capabilityAction(
  { definition, handler }: Capability,
  input: Json,
  of: { readonly retries?: Retries | undefined; readonly timeout?: Duration | undefined } = {},
): Action {
  // Without any there is one attempt.
  const retries = { ...(definition.retries ?? of.retries ?? { limit: 0 }), ...of.retries };
  const timeout = of.timeout ?? definition.timeout;
  return {
    policy: definition,
    input,
    inputSchema: definition.input,
    outputSchema: definition.output,
    ...(timeout !== undefined && { timeoutMs: durationMs(timeout, "timeout") }),
    call: handler,
    retryDelay: (attempts, _, random) => retryDelay(retries, attempts, random),
  };
}
