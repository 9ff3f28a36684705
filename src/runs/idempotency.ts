import { expectKind } from "../argument.ts";
import { DurableError, isDurableError } from "../errors.ts";
import type { RunId } from "../ids.ts";
import type { Held } from "../journal/change.ts";
import { type Changed, change, type Decided, getRun } from "../journal/held.ts";
import { canonicalJson, type Json, type Kind, present, sha256 } from "../json.ts";
import type { ClaimRow, NewClaim } from "../store.ts";
import type { Scope } from "./scope.ts";

const idempotencyMs = 24 * 60 * 60 * 1000;
const idempotency = "idempotency";
const aKey: Kind = [
  "a string of 1 to 1000 characters",
  (key) => typeof key === "string" && key !== "" && key.length <= 1000,
];
/** Of a SHA-256 in hex. */
const hashLength = 64;

/** The operations that accept an idempotency key. Each operation has its own keys. */
type Operation = "create" | "start" | "replay" | "fork" | "resume" | "approve" | "deny" | "signal" | "trigger";

/**
 * The claim of a call by its idempotency key, over the content of the request; `undefined` without a key.
 *
 * @throws `invalid_request` if it is not a key.
 */
export async function idempotencyClaim(
  { host }: Scope,
  operation: Operation,
  key: string | undefined,
  content: readonly (Json | undefined)[],
): Promise<NewClaim | undefined> {
  if (key === undefined) return undefined;
  expectKind(key, aKey, "idempotency_key");
  return {
    kind: idempotency,
    key: await sha256(JSON.stringify([operation, key])),
    lapsesAt: host.clock.now() + idempotencyMs,
    body: await sha256(canonicalJson(content.map((part) => part ?? null))),
  };
}

/**
 * True for a claim that {@link idempotencyClaim} may have made by now, also with a clock that is a day ahead of this
 * one.
 */
export function isIdempotencyClaim({ kind, key, lapsesAt, body }: NewClaim, now: number): boolean {
  const isHash = (text: string) => /^[0-9a-f]{64}$/.test(text);
  return (
    kind === idempotency &&
    isHash(key) &&
    isHash(body.slice(0, hashLength)) &&
    lapsesAt !== undefined &&
    lapsesAt <= now + 2 * idempotencyMs
  );
}

/** The claim of an earlier call with the same key, while it is in force. */
export async function earlierClaim(scope: Scope, claim: NewClaim | undefined): Promise<ClaimRow | undefined> {
  const { host, tenant } = scope;
  if (claim === undefined) return undefined;
  const earlier = await host.store.getClaim(tenant, claim.kind, claim.key);
  if (earlier?.lapsesAt === undefined || earlier.lapsesAt <= host.clock.now()) return undefined;
  return earlier;
}

/** @throws `idempotency_conflict` if the earlier call had different content. */
export function demandSame(claim: NewClaim, earlier: ClaimRow): void {
  if (contentOf(earlier) === claim.body) return;
  throw new DurableError("idempotency_conflict", "this idempotency key was used with different content", {
    hint: "use a new key for a new request",
  });
}

// After the hash of the content comes the first answer, if a repeat could not derive it from the run.
function contentOf({ body }: ClaimRow): string {
  return body.slice(0, hashLength);
}

function keptBy({ body }: ClaimRow): string {
  return body.slice(hashLength + 1);
}

/** A decision with an idempotency key. `kept` is the answer of a repeat, beside the run. */
export interface DecidedOnce<T> extends Decided<T> {
  readonly kept?: string;
}

/** The outcome of a call: a change, or nothing if an earlier call with its key has made it. */
export type ChangedOnce<T> =
  | ({ readonly isRepeat: false } & Changed<T>)
  | { readonly isRepeat: true; readonly held: Held; readonly kept: string };

/**
 * Like {@link change}, but once for each idempotency key: the claim is committed with the change, and a call that finds
 * the claim changes nothing. A repeat is looked up before anything is rejected, since the change itself may be the
 * reason for rejecting it.
 *
 * @throws `idempotency_conflict` if the key was used with different content.
 */
export async function changeOnce<T>(
  scope: Scope,
  runId: RunId,
  claim: NewClaim | undefined,
  decide: (held: Held, now: number) => DecidedOnce<T> | Promise<DecidedOnce<T>>,
): Promise<ChangedOnce<T>> {
  const find = async () => {
    const earlier = await earlierClaim(scope, claim);
    if (earlier !== undefined && claim !== undefined) demandSame(claim, earlier);
    return earlier;
  };
  const work = change<Looked<T>>(scope, runId, async (held, now) => {
    const earlier = await find();
    if (earlier !== undefined) return { answer: { isRepeat: true, earlier } };
    const { change, kept, answer } = await decide(held, now);
    const looked: Looked<T> = { isRepeat: false, answer };
    if (claim === undefined || change === undefined) return { ...present({ change }), answer: looked };
    const body = kept === undefined ? claim.body : `${claim.body} ${kept}`;
    return { change: { ...change, claims: [{ ...claim, body }, ...(change.claims ?? [])] }, answer: looked };
  });
  const { answer, ...changed } = await work.catch(async (error) => {
    // Between the lookup and the commit another run may have claimed the key.
    if (isDurableError(error, "conflict")) await find();
    throw error;
  });
  // The run was read before the claim: the first call may have changed it in between.
  if (answer.isRepeat) return { isRepeat: true, held: await getRun(scope, runId), kept: keptBy(answer.earlier) };
  return { isRepeat: false, ...changed, answer: answer.answer };
}

/** The claim that was found, or the decision. */
type Looked<T> =
  | { readonly isRepeat: true; readonly earlier: ClaimRow }
  | { readonly isRepeat: false; readonly answer: T };
