import { readEntry } from "../codec/entry.ts";
import { bodyFormat, readBody, readRunBody, writeRunBody } from "../codec/run.ts";
import { deliver } from "../engine/commit.ts";
import { getRun, type Held, heldRow, readRun } from "../engine/held.ts";
import type { Host } from "../engine/host.ts";
import { isLeaseLive } from "../engine/lease.ts";
import { DurableError, invalidRequest, isDurableError } from "../errors.ts";
import { isId, parseRunId, type RunId, type TenantId } from "../ids.ts";
import { isJsonObject, type Json, type JsonObject, parseJson } from "../json.ts";
import { present } from "../present.ts";
import type { ClaimRow, EntryRow, NewClaim, NewEntry, RunRow } from "../store.ts";

/** The first word of every export. */
const exportKind = "orca-durable/run";
const exportFormat = 1;
const pageSize = 200;

/**
 * A run as lines of NDJSON: a header with its row, then each entry of its history with its snapshot, then its claims. The
 * bodies are the stored ones to the byte, so that an import anywhere gives the same export again.
 *
 * @throws `not_found`; `conflict` while the run is being executed.
 */
export async function* exportRun(host: Host, tenant: TenantId, runId: RunId): AsyncGenerator<string, void, undefined> {
  const { row, record } = await getRun(host, tenant, runId);
  const now = host.clock.now();
  if (record.lease !== undefined && isLeaseLive(record, now)) {
    throw new DurableError("conflict", `run "${runId}" is being executed`, {
      retryAfterMs: record.lease.endsAt - now,
      hint: "wait until it rests, or cancel it",
    });
  }
  const { revision, createdAt, status, skillId, sourceRunId, dueAt, body } = row;
  yield line({
    kind: exportKind,
    format: exportFormat,
    runId,
    revision,
    createdAt,
    status,
    skillId,
    sourceRunId,
    dueAt,
    body,
  });
  for (let after = 0; after < revision; ) {
    const entries = await host.store.listEntries(tenant, runId, { after, limit: pageSize });
    const [first, last] = [entries[0], entries.at(-1)];
    if (first === undefined || last === undefined) break;
    const snapshots = await host.store.getSnapshots(tenant, runId, first.revision, last.revision);
    const bodyOf = new Map(snapshots.map((snapshot) => [snapshot.revision, snapshot.body]));
    for (const entry of entries) {
      // Written since the header was read; the export is the run as it was then.
      if (entry.revision > revision) return;
      yield line({
        kind: "entry",
        revision: entry.revision,
        checkpointId: entry.checkpointId,
        keyframe: entry.keyframe,
        body: entry.body,
        snapshot: bodyOf.get(entry.revision),
      });
    }
    after = last.revision;
  }
  for (let after: ClaimRow | undefined; ; ) {
    const claims = await host.store.listClaims(tenant, runId, {
      limit: pageSize,
      ...(after === undefined ? {} : { after: { kind: after.kind, key: after.key } }),
    });
    for (const claim of claims) {
      yield line({ kind: "claim", claim: claim.kind, key: claim.key, lapsesAt: claim.lapsesAt, body: claim.body });
    }
    after = claims.at(-1);
    if (after === undefined || claims.length < pageSize) return;
  }
}

function line(fields: Readonly<Record<string, Json | undefined>>): string {
  return `${JSON.stringify(fields)}\n`;
}

interface Header {
  readonly row: RunRow;
  /** The nonce of the last commit, by which the import's own is known too. */
  readonly nonce: string;
}

/**
 * Takes a run in. Revision by revision it is written under a row that nobody can see; the last commit brings the claims and
 * makes it visible, so that a crash leaves no half of a run. The same import may be begun again, and goes on.
 *
 * @throws `invalid_request` that names the line; `unsupported_version`; `conflict` where the run exists with another
 * history.
 */
export async function importRun(
  host: Host,
  tenant: TenantId,
  lines: AsyncIterable<string> | Iterable<string>,
): Promise<Held> {
  let header: Header | undefined;
  let written = 0;
  let waiting: { revision: number; entry: NewEntry } | undefined;
  const claims: NewClaim[] = [];
  let number = 0;
  for await (const text of wholeLines(lines)) {
    number++;
    const place = `line ${number}`;
    const fields = parseJson(text, place);
    if (!isJsonObject(fields)) throw invalidRequest(place, "expected an object");
    if (header === undefined) {
      header = readHeader(fields, tenant, place);
      const present = await host.store.getRun(tenant, header.row.runId);
      if (present?.status !== undefined) return samePresent(host, tenant, header, present);
      if (present !== undefined && !isOwnImport(present, header)) throw exists(header.row.runId);
      written = present?.revision ?? 0;
      continue;
    }
    if (fields.kind === "entry") {
      if (claims.length > 0) throw invalidRequest(place, "an entry after a claim");
      const next = readEntryLine(fields, header.row, place);
      if (next.revision <= (waiting?.revision ?? 0)) throw invalidRequest(place, "entries are out of order");
      if (waiting !== undefined) written = await writeHidden(host, header, written, waiting.revision, waiting.entry);
      waiting = next;
    } else if (fields.kind === "claim") claims.push(readClaimLine(fields, place));
    else throw invalidRequest(place, `"${String(fields.kind)}" is not a kind of line`);
  }
  if (header === undefined) throw invalidRequest("line 1", "there is nothing to import");
  const { row, nonce } = header;
  if (waiting !== undefined && waiting.revision < row.revision) {
    written = await writeHidden(host, header, written, waiting.revision, waiting.entry);
    waiting = undefined;
  }
  await writeHidden(host, header, written, row.revision - 1);
  const delivery = await deliver(
    host,
    { run: row, now: host.clock.now(), claims, ...present({ entry: waiting?.entry }) },
    nonce,
  );
  switch (delivery.kind) {
    case "committed": {
      const held = delivery.later ?? heldRow(row);
      if (held === undefined) throw exists(row.runId);
      return held;
    }
    case "claimed":
      throw new DurableError("conflict", `a claim of run "${row.runId}" is held by run "${delivery.claim.runId}"`);
    case "conflict":
      throw exists(row.runId);
  }
}

/** Writes hidden revisions up to `revision`, the last with the entry. What an earlier try has written is passed over. */
async function writeHidden(
  host: Host,
  { row, nonce }: Header,
  written: number,
  revision: number,
  entry?: NewEntry,
): Promise<number> {
  for (let next = written + 1; next <= revision; next++) {
    const { tenant, runId, createdAt } = row;
    const run: RunRow = { tenant, runId, revision: next, createdAt, body: importBody(nonce) };
    const commit = { run, now: host.clock.now(), ...(next === revision && entry !== undefined ? { entry } : {}) };
    const delivery = await deliver(host, commit, nonce);
    if (delivery.kind !== "committed") throw exists(runId);
  }
  return Math.max(written, revision);
}

// The row of an import under way: without a status it is in no list, and nobody but this import writes over it.
function importBody(nonce: string): string {
  return JSON.stringify({ format: bodyFormat, nonce, is_import: true });
}

function isOwnImport(present: RunRow, { nonce, row }: Header): boolean {
  return present.body === importBody(nonce) && present.createdAt === row.createdAt && present.revision < row.revision;
}

async function samePresent(host: Host, tenant: TenantId, header: Header, present: RunRow): Promise<Held> {
  const held = await readRun(host, tenant, header.row.runId as RunId);
  if (held === undefined || present.revision !== header.row.revision || present.body !== header.row.body) {
    throw exists(header.row.runId);
  }
  return held;
}

function exists(runId: string): DurableError {
  return new DurableError("conflict", `there already is, or was, a run "${runId}" with another history`);
}

function readHeader(fields: JsonObject, tenant: TenantId, place: string): Header {
  if (fields.kind !== exportKind) throw invalidRequest(place, "this is not the export of a run");
  if (typeof fields.format !== "number" || fields.format > exportFormat) {
    throw new DurableError("unsupported_version", `${place}: this reads format ${exportFormat} only`);
  }
  const runId = parseRunId(fields.runId, `${place}.runId`);
  const { nonce, record } = readRunBody(textOf(fields, "body", place), `run "${runId}"`);
  if (record === undefined || record.run.runId !== runId) throw invalidRequest(place, "the row is not of this run");
  // Unchanged within a tenant, so that the bytes stay the same.
  const isOwn = record.run.tenantId === tenant;
  const body = isOwn
    ? String(fields.body)
    : writeRunBody(nonce, { ...record, run: { ...record.run, tenantId: tenant } });
  const row: RunRow = {
    tenant,
    runId,
    revision: numberOf(fields, "revision", place),
    createdAt: numberOf(fields, "createdAt", place),
    status: record.run.status,
    skillId: record.run.skillId,
    ...(typeof fields.sourceRunId === "string" ? { sourceRunId: fields.sourceRunId } : {}),
    ...(typeof fields.dueAt === "number" ? { dueAt: fields.dueAt } : {}),
    body,
  };
  return { row, nonce };
}

function readEntryLine(fields: JsonObject, run: RunRow, place: string): { revision: number; entry: NewEntry } {
  const revision = numberOf(fields, "revision", place);
  const body = textOf(fields, "body", place);
  if (revision > run.revision) throw invalidRequest(place, "the entry is newer than its run");
  const row: EntryRow = { tenant: run.tenant, runId: run.runId, revision, body };
  const { checkpoint } = readEntry(row);
  if ((checkpoint?.checkpointId ?? undefined) !== (fields.checkpointId ?? undefined)) {
    throw invalidRequest(place, "the entry is of another checkpoint");
  }
  const entry: NewEntry = {
    body,
    ...present({ checkpointId: checkpoint?.checkpointId }),
    ...(typeof fields.keyframe === "number" ? { keyframe: fields.keyframe } : {}),
    ...(typeof fields.snapshot === "string" ? { snapshot: fields.snapshot } : {}),
  };
  return { revision, entry };
}

function readClaimLine(fields: JsonObject, place: string): NewClaim {
  const { claim, key, lapsesAt } = fields;
  if (!isId(claim) || !isId(key)) throw invalidRequest(place, "a claim has a kind and a key");
  const body = textOf(fields, "body", place);
  readBodyOrPlain(body, place);
  return { kind: claim, key, body, ...(typeof lapsesAt === "number" ? { lapsesAt } : {}) };
}

// Idempotency claims hold a bare digest; ledger entries a body with a format.
function readBodyOrPlain(body: string, place: string): void {
  if (!body.startsWith("{")) return;
  try {
    readBody(body, place, () => undefined);
  } catch (error) {
    if (isDurableError(error, "corrupt_data")) throw invalidRequest(place, error.message, { cause: error });
    throw error;
  }
}

function textOf(fields: JsonObject, name: string, place: string): string {
  const value = fields[name];
  if (typeof value === "string") return value;
  throw invalidRequest(`${place}.${name}`, "expected a string");
}

function numberOf(fields: JsonObject, name: string, place: string): number {
  const value = fields[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalidRequest(`${place}.${name}`, "expected a whole number");
}

/** The lines of a text that comes in chunks of any size; empty ones are left out. */
async function* wholeLines(chunks: AsyncIterable<string> | Iterable<string>): AsyncGenerator<string, void, undefined> {
  let rest = "";
  for await (const chunk of chunks) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    yield* parts.filter((part) => part.trim() !== "");
  }
  if (rest.trim() !== "") yield rest;
}
