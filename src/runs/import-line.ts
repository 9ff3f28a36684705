import { readEntry, readRunBody, runEvents, writeRunBody } from "../codec/bodies.ts";
import { SnapshotChain } from "../codec/snapshot-chain.ts";
import type { Host } from "../engine/host.ts";
import { isOwnEffect } from "../engine/ledger.ts";
import { type DurableError, invalidRequest, isDurableError } from "../errors.ts";
import { isId, parseRunId, type RunId, type TenantId } from "../ids.ts";
import { checkDepth, checkRow, checkState } from "../journal/commit.ts";
import type { Json } from "../json.ts";
import { type JsonObject, jsonEqual, present, utf8Length } from "../json.ts";
import { listedSource } from "../record/lineage.ts";
import { demandUnleased } from "../record/precondition.ts";
import { dueAt, type RunRecord } from "../record/run.ts";
import { type EarlierEntry, maxClaims, maxRevision, maxRowBytes, type NewClaim, type RunRow } from "../store.ts";
import { exportFormat, exportKind } from "./export.ts";
import { isIdempotencyClaim } from "./idempotency.ts";

const incomplete = "the history of the run is incomplete";

/** More commits than this always leave a trace in the history. */
const mostUnremembered = 1_000_000;

/** The largest count or revision, so that counting can go on from there. */
const largestCount = 2 ** 52;

/**
 * The largest numbers of a line. Lists continue from a birth time by cursors, which hold 15 digits; a Date holds
 * 8.64e15.
 */
const largestOf = {
  revision: maxRevision,
  createdAt: 10 ** 15 - 1,
  lapsesAt: 8.64e15,
  lines: Number.MAX_SAFE_INTEGER,
};

/** The run of a header. */
export interface Header {
  readonly row: RunRow;
  readonly record: RunRecord<Json>;
  /** The nonce of the run's last commit. */
  readonly nonce: string;
}

/** The lines of an export, checked as they are read: an imported run can be read like one that was written here. */
export class ImportLines {
  readonly header: Header;
  readonly claims: NewClaim[] = [];
  /** The revision of the last entry that was read. */
  readTo = 0;
  readonly #host: Host;
  #chain: SnapshotChain;
  readonly #checkpointIds = new Set<string>();
  #headRevision = 0;
  #keyframe: number | undefined;

  /** @throws `invalid_request` that names the line, or `unsupported_version`. */
  constructor(host: Host, tenant: TenantId, fields: JsonObject, place: string) {
    this.#host = host;
    this.#chain = new SnapshotChain(host.maxStateValues);
    this.header = readLine(place, () => readHeader(host, fields, tenant, place));
  }

  /** @throws `invalid_request` that names the line, `too_large` or `unsupported_version`. */
  readEntry(fields: JsonObject, place: string): EarlierEntry {
    return readLine(place, () => this.#entry(fields, place));
  }

  #entry(fields: JsonObject, place: string): EarlierEntry {
    const { row, record } = this.header;
    const { tenant, runId } = row;
    const revision = numberOf(fields, "revision", place);
    if (this.claims.length > 0) throw invalidRequest(place, "unexpected entry after a claim");
    if (revision <= this.readTo) throw invalidRequest(place, "entries are out of order");
    if (revision > row.revision) throw invalidRequest(place, "the entry is newer than its run");
    checkGap(revision - this.readTo, place);
    const body = bodyOf(fields, place);
    checkDepth(body, "the entry");
    const read = readEntry({ tenant, runId, revision, body });
    runEvents(runId as RunId, read);
    const { checkpoint } = read;
    this.readTo = revision;
    if (checkpoint === undefined) {
      if (["checkpointId", "keyframe", "snapshot"].some((name) => name in fields)) {
        throw invalidRequest(place, "the entry has no checkpoint");
      }
      return { revision, body };
    }
    const { checkpointId } = checkpoint;
    const { keyframe } = fields;
    if (fields.checkpointId !== checkpointId || checkpoint.runId !== runId) {
      throw invalidRequest(place, "the entry belongs to another checkpoint");
    }
    if (this.#checkpointIds.has(checkpointId)) {
      throw invalidRequest(place, `duplicate checkpoint id "${checkpointId}"`);
    }
    if (typeof keyframe !== "number" || (keyframe !== revision && keyframe !== this.#keyframe)) {
      throw invalidRequest(`${place}.keyframe`, "expected its revision, or the keyframe before");
    }
    this.#checkpointIds.add(checkpointId);
    this.#headRevision = revision;
    this.#keyframe = keyframe;
    if (keyframe === revision) this.#chain = new SnapshotChain(this.#host.maxStateValues);
    const entry = { revision, body, checkpointId, keyframe };
    const snapshot = textOf(fields, "snapshot", place, this.#host.maxStateBytes);
    return readLine(`${place}.snapshot`, () => {
      const row = { revision, body: snapshot };
      const { skillId, ...size } = this.#chain.add(row);
      checkState(this.#host, record.run, size);
      if (skillId !== record.run.skillId) {
        throw invalidRequest("", `expected a state of skill "${record.run.skillId}", the skill of the run`);
      }
      return { ...entry, snapshot };
    });
  }

  /** Claims that have lapsed are left out. @throws `invalid_request` that names the line. */
  async readClaim(fields: JsonObject, place: string): Promise<void> {
    const { row } = this.header;
    const now = this.#host.clock.now();
    const { claim: kind, key } = fields;
    if (!isId(kind) || !isId(key)) throw invalidRequest(place, "expected a claim with a kind and a key");
    const before = this.claims.at(-1);
    const isOrdered = before === undefined || before.kind < kind || (before.kind === kind && before.key < key);
    if (!isOrdered) throw invalidRequest(place, "claims are out of order");
    const lapsesAt = fields.lapsesAt === undefined ? undefined : numberOf(fields, "lapsesAt", place);
    const claim = { kind, key, body: bodyOf(fields, place), ...present({ lapsesAt }) };
    const isKnown =
      isIdempotencyClaim(claim, now) || (await isOwnEffect(parseRunId(row.runId), claim).catch(named(place)));
    if (!isKnown) throw invalidRequest(place, "unexpected claim");
    if (lapsesAt !== undefined && lapsesAt <= now) return;
    if (this.claims.length >= maxClaims) {
      throw invalidRequest(place, `a run can be imported with at most ${maxClaims} claims`, {}, "too_large");
    }
    this.claims.push(claim);
  }

  /** @throws `invalid_request` if entries are missing. */
  checkWhole(place: string): void {
    const { row, record } = this.header;
    const { headSize } = record;
    const isWhole =
      record.entryRevision === this.readTo &&
      record.checkpointCount === this.#checkpointIds.size &&
      record.headRevision === this.#headRevision &&
      record.run.checkpointHead === [...this.#checkpointIds].at(-1) &&
      // The next checkpoint builds on it.
      (headSize === undefined || jsonEqual(headSize, [...this.#chain.count(), headSize[2]]));
    if (!isWhole) throw invalidRequest(place, incomplete);
    checkGap(row.revision - this.readTo, place);
  }
}

function checkGap(commits: number, place: string): void {
  if (commits > mostUnremembered) throw invalidRequest(place, incomplete);
}

/** The content of a line; an error names the line. */
function readLine<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw named(place)(error);
  }
}

/** Rejects with an error that names the place. */
function named(place: string): (error: unknown) => never {
  return (error) => {
    if (!isDurableError(error) || error.message.startsWith(place) || error.code === "conflict") throw error;
    const isPlain = isDurableError(error, "unsupported_version", "too_large");
    throw invalidRequest(place, reasonOf(error), { cause: error }, isPlain ? error.code : undefined);
  };
}

/** The error of a body that cannot be read says only that; its cause says where. */
function reasonOf(error: DurableError): string {
  const { cause, message } = error;
  return cause instanceof Error && isDurableError(cause, "invalid_request") ? `${message}: ${cause.message}` : message;
}

function readHeader(host: Host, fields: JsonObject, tenant: TenantId, place: string): Header {
  if (fields.kind !== exportKind) throw invalidRequest(place, "expected the export of a run");
  if (typeof fields.format !== "number" || fields.format > exportFormat) {
    throw invalidRequest(place, `unsupported format, expected ${exportFormat}`, {}, "unsupported_version");
  }
  const runId = parseRunId(fields.runId, `${place}.runId`);
  const text = bodyOf(fields, place);
  const { nonce, record: read } = readRunBody(text, `run "${runId}"`);
  if (read === undefined || read.run.runId !== runId) throw invalidRequest(place, "the row belongs to another run");
  demandUnleased(read, host.clock.now());
  // Unchanged within a tenant, so that the bytes stay the same.
  const isOwn = read.run.tenantId === tenant;
  const record = isOwn ? read : { ...read, run: { ...read.run, tenantId: tenant } };
  const { status, skillId } = record.run;
  const row: RunRow = {
    tenant,
    runId,
    revision: numberOf(fields, "revision", place),
    createdAt: numberOf(fields, "createdAt", place),
    status,
    skillId,
    ...present({ sourceRunId: listedSource(record.run), dueAt: dueAt(record) }),
    body: isOwn ? text : writeRunBody(nonce, record),
  };
  checkRow(record, row.body);
  checkColumns(row, record, place);
  return { row, record, nonce };
}

/** The rules for every row that is written here. */
function checkColumns(row: RunRow, record: RunRecord<Json>, place: string): void {
  const inRecord = `${place}.body.record`;
  if (row.revision === 0) throw invalidRequest(`${place}.revision`, "expected a number above 0");
  if (Date.parse(record.run.createdAt) !== row.createdAt) {
    throw invalidRequest(`${place}.createdAt`, "expected the time at which the run was created");
  }
  if (!isId(row.skillId)) throw invalidRequest(`${inRecord}.run.skill_id`, "expected a skill id");
  for (const [index, { receivedAt }] of record.inbox.entries()) {
    checkTime(receivedAt, `${inRecord}.inbox[${index}].received_at`);
  }
  for (const [index, wait] of record.waits.entries()) {
    if (wait.kind !== "approval" || wait.decision === undefined) continue;
    checkTime(wait.decision.at, `${inRecord}.waits[${index}].decision.at`);
  }
  const counts = {
    epoch: record.epoch,
    recoveries: record.recoveries,
    unserved_count: record.unservedCount,
    checkpoint_count: record.checkpointCount,
  };
  for (const [name, count] of Object.entries(counts)) {
    if (count > largestCount) throw invalidRequest(`${inRecord}.${name}`, `expected at most ${largestCount}`);
  }
}

function checkTime(text: string, path: string): void {
  if (Number.isNaN(Date.parse(text))) throw invalidRequest(path, "expected a time");
}

function bodyOf(fields: JsonObject, place: string): string {
  return textOf(fields, "body", place, maxRowBytes);
}

function textOf(fields: JsonObject, name: string, place: string, maxBytes: number): string {
  const value = fields[name];
  if (typeof value !== "string") throw invalidRequest(`${place}.${name}`, "expected a string");
  if (value.length * 3 > maxBytes && utf8Length(value) > maxBytes) {
    throw invalidRequest(`${place}.${name}`, `at most ${maxBytes} bytes are allowed`, {}, "too_large");
  }
  return value;
}

/** A whole number; a time must be one that a Date can hold. */
export function numberOf(fields: JsonObject, name: keyof typeof largestOf, place: string): number {
  const value = fields[name];
  const largest = largestOf[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= largest) return value;
  throw invalidRequest(`${place}.${name}`, `expected a whole number, at most ${largest}`);
}
