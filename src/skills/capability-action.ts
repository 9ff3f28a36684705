import type { Action } from "../engine/attempt.ts";
import type { Json } from "../json.ts";
import { present } from "../present.ts";
import { noRetry, type RetryPolicy, retryDelay } from "../retry.ts";
import type { Capability } from "./capability.ts";

/** The call of a capability under its own policies, as far as the step that calls it says no other. */
export function capabilityAction(
  { definition, handler }: Capability,
  input: Json,
  of: { readonly retry?: Partial<RetryPolicy> | undefined; readonly timeoutMs?: number | undefined } = {},
): Action {
  const policy = { ...noRetry, ...definition.retry, ...of.retry };
  return {
    policy: definition,
    input,
    inputSchema: definition.input,
    outputSchema: definition.output,
    ...present({ timeoutMs: of.timeoutMs ?? definition.timeoutMs }),
    call: handler,
    retryDelay: (attempts, _, random) => retryDelay(policy, attempts, random),
  };
}
