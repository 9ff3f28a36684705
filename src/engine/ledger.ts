import { bodyFormat, readBody } from "../codec/bodies.ts";
import { count, type Field, record as fieldsOf, requiredText, sparse, value, word } from "../codec/form.ts";
import { DurableError } from "../errors.ts";
import type { RunId } from "../ids.ts";
import { claimsOf } from "../journal/held.ts";
import type { JournalScope } from "../journal/host.ts";
import { canonicalJson, getOwn, type Json, type JsonObject, sha256, utf8Length } from "../json.ts";
import { hasOtherInputs, type RunRecord, type Wait } from "../record/run.ts";
import { type ExecutionState, isSettled } from "../record/state.ts";
import type { EffectPolicy } from "../skills/capability.ts";
import { ledgerName, stepOfLedgerName } from "../skills/renaming.ts";
import { type ClaimQuery, type ClaimRow, maxClaims, maxRowBytes, type NewClaim } from "../store.ts";
import type { Host } from "./host.ts";

export const claimKind = "effect";

/**
 * What the ledger knows about one action on the world. `attempted` means that it may have happened; `failed`, that it
 * certainly did not; `recorded`, that it did, and with which result.
 */
export interface Effect {
  /** The step's name in the ledger, which it keeps when a migration renames it. */
  readonly stepId: string;
  readonly uses: string;
  /** SHA-256 of the capability and its input. */
  readonly requestHash: string;
  /** 1 for the first execution of this request by this step; each deliberate repetition has the next. */
  readonly ordinal: number;
  readonly status: "attempted" | "failed" | "recorded";
  readonly output?: Json;
  /** The run that the action starts. */
  readonly childRunId?: string | undefined;
}

/** What a step must do about its effect. */
export type EffectPlan =
  | { readonly kind: "reuse"; readonly effect: Effect }
  | { readonly kind: "act"; readonly effect: Effect }
  | { readonly kind: "ask"; readonly effect: Effect; readonly reason: "replay" | "attempted" };

/** A step's intended action. */
export interface EffectRequest {
  /** The action's name in the ledger. */
  readonly name: string;
  readonly stepId: string;
  readonly input: Json;
  /** A person's decision at the step's gate, if one was opened. */
  readonly decided: Extract<Wait, { kind: "approval" }>["decision"] | undefined;
  /** What an earlier attempt asked for, by {@link requestOf}. */
  readonly earlier: string | undefined;
}

/** Identifies the action and its input, among those of one step. */
export function requestOf({ requestHash }: Effect): string {
  return requestHash.slice(0, 16);
}

/**
 * Looks the request up in the ledger and decides by the replay policy of the action.
 *
 * @throws `nondeterminism` if an earlier attempt had another input: that action may have happened, under another key.
 */
export async function planEffect(
  host: Host,
  record: RunRecord<Json>,
  policy: EffectPolicy,
  { name, stepId, input, decided, earlier }: EffectRequest,
): Promise<EffectPlan> {
  const requestHash = await sha256(canonicalJson([name, input]));
  const request = { stepId: ledgerName(record, stepId), uses: name, requestHash };
  const first: Effect = { ...request, ordinal: 1, status: "attempted" };
  if (earlier !== undefined && earlier !== requestOf(first) && !hasOtherInputs(record)) {
    throw new DurableError("nondeterminism", `step "${stepId}" is tried again with a different input`);
  }
  const latest = await latestEffect(host, record, request);
  if (latest === undefined) return { kind: "act", effect: first };
  switch (latest.status) {
    case "failed":
      return { kind: "act", effect: { ...latest, status: "attempted" } };
    case "attempted":
      // It may have happened. The same key lets the receiver recognize it; if it cannot, a person must decide.
      if (policy.isIdempotent === false && decided === undefined) {
        return { kind: "ask", effect: latest, reason: "attempted" };
      }
      return { kind: "act", effect: latest };
    case "recorded": {
      const again: Effect = { ...first, ordinal: latest.ordinal + 1 };
      switch (policy.replayPolicy ?? "use_recorded_result") {
        case "use_recorded_result":
          return { kind: "reuse", effect: latest };
        case "reexecute":
          return { kind: "act", effect: again };
        case "require_human":
          return decided === undefined
            ? { kind: "ask", effect: again, reason: "replay" }
            : { kind: "act", effect: again };
      }
    }
  }
}

async function latestEffect(
  host: Host,
  { run }: RunRecord<Json>,
  request: Pick<Effect, "stepId" | "uses" | "requestHash">,
): Promise<Effect | undefined> {
  for (let ordinal = 1, latest: Effect | undefined; ; ordinal++) {
    const key = await claimKey(run.runId, { ...request, ordinal });
    const claim = await host.store.getClaim(run.tenantId ?? "", claimKind, key);
    // An action of another run is not an action of this one.
    if (claim?.runId !== run.runId) return latest;
    latest = readEffect(claim);
  }
}

function claimKey(runId: string, { stepId, requestHash, ordinal }: Pick<Effect, "stepId" | "requestHash" | "ordinal">) {
  return sha256(JSON.stringify([runId, stepId, requestHash, ordinal]));
}

/** The claim that records an effect, or updates its entry. */
export async function effectClaim(runId: string, effect: Effect): Promise<NewClaim> {
  const body = { format: bodyFormat, ...(effectFields.write(effect) as JsonObject) };
  return { kind: claimKind, key: await claimKey(runId, effect), body: JSON.stringify(body) };
}

/** True if a recorded result fits into the ledger. */
export function fitsLedger(claim: NewClaim): boolean {
  return claim.body.length * 3 <= maxRowBytes || utf8Length(claim.body) <= maxRowBytes;
}

const effectFields = fieldsOf<Effect>("required", {
  stepId: requiredText,
  uses: requiredText,
  requestHash: requiredText,
  ordinal: count,
  status: word(["attempted", "failed", "recorded"]),
  output: sparse(value) as Field<Json | undefined>,
  childRunId: sparse(requiredText),
});

function readEffect({ runId, body }: Pick<ClaimRow, "runId" | "body">): Effect {
  return readBody(body, `a ledger entry of run "${runId}"`, ({ format: _, ...fields }) =>
    effectFields.read(fields, "effect"),
  );
}

/**
 * True for a claim on an effect of that run, false for a claim of another kind.
 *
 * @throws `corrupt_data` if it belongs to another run: the key follows from the run and the content of the entry.
 */
export async function isOwnEffect(runId: RunId, { kind, key, body, lapsesAt }: NewClaim): Promise<boolean> {
  if (kind !== claimKind) return false;
  const effect = readEffect({ runId, body });
  if (lapsesAt === undefined && key === (await claimKey(runId, effect))) return true;
  throw new DurableError("corrupt_data", `the ledger entry does not belong to run "${runId}"`);
}

/** The run's entries in the ledger, in the order of their claims. */
export async function* effectsOf(
  scope: JournalScope,
  runId: RunId,
  after?: ClaimQuery["after"],
): AsyncGenerator<Effect, void, undefined> {
  for await (const claim of claimsOf(scope, runId, after)) if (claim.kind === claimKind) yield readEffect(claim);
}

/** The name of the start of a child in the ledger, and that of one which the cancellation of its parent does not reach. */
export const childUses = "step.run";
export const detachedUses = "step.run detached";

/**
 * The claims with which a descendant inherits recorded effects of its source: those of the steps that the state has
 * settled, and of the others the children if `children` is true, and the rest if `rest` is. They become its own, and stay
 * when the source is deleted.
 */
export async function inheritedEffects(
  scope: JournalScope,
  source: RunRecord<Json>,
  descendant: RunId,
  { stepResults }: ExecutionState<Json>,
  version: string | undefined,
  children: boolean,
  rest: boolean,
): Promise<readonly NewClaim[]> {
  const isInherited = ({ stepId, uses }: Effect) =>
    (uses === childUses || uses === detachedUses ? children : rest) ||
    isSettled(getOwn(stepResults, stepOfLedgerName(source, version, stepId)));
  const latest = new Map<string, Effect>();
  for await (const effect of effectsOf(scope, source.run.runId)) {
    if (effect.status !== "recorded" || !isInherited(effect)) continue;
    const request = JSON.stringify([effect.stepId, effect.requestHash]);
    if ((latest.get(request)?.ordinal ?? 0) < effect.ordinal) latest.set(request, effect);
    if (latest.size < maxClaims) continue;
    const problem = `run "${source.run.runId}" has at least ${maxClaims} recorded effects; a copy can have fewer`;
    throw new DurableError("too_large", problem, {
      hint: "fork an earlier checkpoint",
    });
  }
  // The children stay those of the source.
  return Promise.all(
    [...latest.values()].map((effect) => effectClaim(descendant, { ...effect, ordinal: 1, childRunId: undefined })),
  );
}
