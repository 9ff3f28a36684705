import { invalidRequest } from "./errors.ts";

declare const brand: unique symbol;

/** The party that owns a run. It is part of every key of every store. */
export type TenantId = string & { readonly [brand]: "tenant" };
/** The id of a run. */
export type RunId = string & { readonly [brand]: "run" };
/** Unique within its run only: a checkpoint is addressed by (run id, checkpoint id). */
export type CheckpointId = string & { readonly [brand]: "checkpoint" };

/** The longest id, in characters. */
const maxIdLength = 200;

// The media sort and fold everything but printable ASCII differently: UTF-16 units, UTF-8 bytes, U+FFFD.
const printableAscii = /^[\x20-\x7e]+$/;

/** True for 1 to 200 characters of printable ASCII, the only ids that sort alike on every medium. */
export function isId(text: unknown): text is string {
  return typeof text === "string" && text.length <= maxIdLength && printableAscii.test(text);
}

/** The longest name of a step, in characters. */
const maxStepName = 256;

/** True for any string of 1 to 256 characters: people name steps, and no medium sorts by their names. */
export function isStepName(text: unknown): text is string {
  return typeof text === "string" && text !== "" && text.length <= maxStepName;
}

/** `name` for the first step of that name, `name#2` for the second. Names that look like the latter are escaped. */
export function stepId(name: string, count: number): string {
  return count > 1 || /#\d+$/.test(name) ? `${name}#${count}` : name;
}

/** Begins the name of each step of a rollback. */
export const ofRollback = "rollback:";

/** The name of the step that undoes the step of that name. A long one is cut: the counts of equal names distinguish them. */
export function undoingName(name: string): string {
  return `${ofRollback} ${name}`.slice(0, maxStepName);
}

/** The name and the count of a {@link stepId}. */
export function partsOfStepId(id: string): readonly [name: string, count: number] {
  const [, name = id, count = "1"] = /^(.*)#(\d+)$/s.exec(id) ?? [];
  return [name, Number(count)];
}

function parseId(text: unknown, path: string): string {
  if (isId(text)) return text;
  const found = typeof text === "string" ? `${text.length} characters` : typeof text;
  throw invalidRequest(path, `invalid id: expected 1 to ${maxIdLength} printable ASCII characters, not ${found}`);
}

/** @throws `invalid_request` that names `path`. */
export function parseTenantId(text: unknown, path = "tenant"): TenantId {
  return parseId(text, path) as TenantId;
}

/** @throws `invalid_request` that names `path`. */
export function parseRunId(text: unknown, path = "run_id"): RunId {
  return parseId(text, path) as RunId;
}

/** @throws `invalid_request` that names `path`. */
export function parseCheckpointId(text: unknown, path = "checkpoint_id"): CheckpointId {
  return parseId(text, path) as CheckpointId;
}

/** Returns this number of random bytes: those of `crypto.getRandomValues` outside tests. */
export type RandomBytes = (length: number) => Uint8Array;

/** The platform's random bytes, drawn many at a time: a call of the platform costs more than a step has time for. */
export function pooledRandom(): RandomBytes {
  let pool = new Uint8Array();
  let used = 0;
  return (length) => {
    if (used + length > pool.length) {
      pool = crypto.getRandomValues(new Uint8Array(1_024 + length));
      used = 0;
    }
    used += length;
    return pool.subarray(used - length, used);
  };
}

/** Lower-case hex of `length` random bytes. */
export function randomHex(random: RandomBytes, length: number): string {
  return hexOf(random(length));
}

/** Bytes as lower-case hex. */
export function hexOf(bytes: Uint8Array): string {
  let hex = "";
  for (const byte of bytes) hex += (byte + 256).toString(16).slice(1);
  return hex;
}

/** A number in [0, 1). */
export function randomFraction(random: RandomBytes): number {
  return random(4).reduce((sum, byte) => (sum + byte) / 256, 0);
}

export function newRunId(random: RandomBytes): RunId {
  return `run_${randomHex(random, 12)}` as RunId;
}

export function newCheckpointId(random: RandomBytes): CheckpointId {
  return `chk_${randomHex(random, 8)}` as CheckpointId;
}

/** `replay_<source>_<12 hex>` or `fork_<source>_<12 hex>`. The source is cut so that the whole stays a valid id. */
export function newDescendantId(kind: "replay" | "fork", source: RunId, random: RandomBytes): RunId {
  const suffix = `_${randomHex(random, 6)}`;
  const room = maxIdLength - kind.length - 1 - suffix.length;
  return `${kind}_${source.slice(0, room)}${suffix}` as RunId;
}
