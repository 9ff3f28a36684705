import { invalidRequest } from "./errors.ts";

declare const brand: unique symbol;

/** The party that owns a run. It is part of every key of every store. */
export type TenantId = string & { readonly [brand]: "tenant" };
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
export const maxStepName = 256;

/** True for any string of 1 to 256 characters: people name steps, and no medium sorts by their names. */
export function isStepName(text: unknown): text is string {
  return typeof text === "string" && text !== "" && text.length <= maxStepName;
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

/** Fills a buffer with random bytes; `crypto.getRandomValues` outside tests. */
export type RandomBytes = (length: number) => Uint8Array;

/** Lower-case hex of `length` random bytes. */
export function randomHex(random: RandomBytes, length: number): string {
  return Array.from(random(length), (byte) => byte.toString(16).padStart(2, "0")).join("");
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
