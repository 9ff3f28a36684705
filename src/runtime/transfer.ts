import { readEntry } from "../codec/entry.ts";
import { readBody, readRunBody, writeImportBody, writeRunBody } from "../codec/run.ts";
import { deliver } from "../engine/commit.ts";
import { getRun, type Held, heldRow } from "../engine/held.ts";
import type { Host } from "../engine/host.ts";
import { refuseLive } from "../engine/lease.ts";
import { DurableError, invalidRequest, isDurableError } from "../errors.ts";
import { isId, parseRunId, type TenantId } from "../ids.ts";
import { isJsonObject, type Json, type JsonObject, parseJson, utf8Length } from "../json.ts";
import { sourceRunId } from "../lineage.ts";
import { present } from "../present.ts";
import { dueAt, type RunRecord } from "../run.ts";
import { type ClaimRow, type EntryRow, maxRowBytes, type NewClaim, type NewEntry, type RunRow } from "../store.ts";
import { type CurrentRun, currentRun, type Runs } from "./runs.ts";
import { scopeOf } from "./scope.ts";

/** The first word of every export. */
const exportKind = "orca-durable/run";
const exportFormat = 1;
const pageSize = 200;

/**
 * A run as lines of NDJSON: a header with its row, each entry of its history with its snapshot, its claims, and an end. The
 * bodies are the stored ones to the byte, so that an import anywhere gives the same export again. Claims that have lapsed
 * are left out.
 *
 * @throws `not_found`; `conflict` while the run is being executed, and where it changed before the end.
 */
export async function* exportRun(runs: Runs, runId: string): AsyncGenerator<string, void, undefined> {
  const { host, tenant } = scopeOf(runs);
  const { row, record } = await getRun(host, tenant, parseRunId(runId));
  const now = host.clock.now();
  refuseLive(record, now, "wait until it rests, or cancel it");
  const { revision, createdAt, body } = row;
  yield line({ kind: exportKind, format: exportFormat, runId, revision, createdAt, body });
  let lines = 1;
  for (let after = 0; after < revision; ) {
    const entries = await host.store.listEntries(tenant, runId, { after, limit: pageSize });
    for (const group of chains(entries)) {
      const [first, last] = [group[0], group.at(-1)];
      if (first === undefined || last === undefined) continue;
      const snapshots = await host.store.getSnapshots(tenant, runId, first.revision, last.revision);
      const bodyOf = new Map(snapshots.map((snapshot) => [snapshot.revision, snapshot.body]));
      for (const { revision, checkpointId, keyframe, body } of group) {
        const snapshot = bodyOf.get(revision);
        yield line({ kind: "entry", revision, ...present({ checkpointId, keyframe, snapshot }), body });
        lines++;
      }
    }
    const last = entries.at(-1);
    if (last === undefined || entries.length < pageSize) break;
    after = last.revision;
  }
  for (let after: ClaimRow | undefined; ; ) {
    const query = { limit: pageSize, ...(after === undefined ? {} : { after: { kind: after.kind, key: after.key } }) };
    const claims = await host.store.listClaims(tenant, runId, query);
    for (const { kind: claim, key, lapsesAt, body } of claims) {
      if (lapsesAt !== undefined && lapsesAt <= now) continue;
      yield line({ kind: "claim", claim, key, ...present({ lapsesAt }), body });
      lines++;
    }
    after = claims.at(-1);
    if (after === undefined || claims.length < pageSize) break;
  }
  // Without its end an export is refused, so that no mixture of two moments is ever imported.
  if ((await host.store.getRun(tenant, runId))?.revision !== revision) {
    throw new DurableError("conflict", `run "${runId}" changed while it was exported`, { retryAfterMs: 1_000 });
  }
  yield line({ kind: "end", lines: lines + 1 });
}

/** The entries cut where another keyframe begins: what is read at once is then at most twice a state. */
function chains(entries: readonly EntryRow[]): readonly (readonly EntryRow[])[] {
  const groups: EntryRow[][] = [];
  for (const entry of entries) {
    if (groups.length === 0 || entry.keyframe === entry.revision) groups.push([]);
    groups.at(-1)?.push(entry);
  }
  return groups;
}

function line(fields: Readonly<Record<string, Json | undefined>>): string {
  return `${JSON.stringify(fields)}\n`;
}

/** A run that is being taken in. */
interface Import {
  readonly row: RunRow;
  readonly record: RunRecord<Json>;
  /** The nonce of the run's last commit, by which the import's own commits are known too. */
  readonly nonce: string;
  /** How far an earlier import came, of this export or of an older one of the same run. */
  readonly found: number;
  /** How far what it wrote was compared with this one. */
  checked: number;
  /** The revision that was written last. */
  written: number;
  /** Entries that were read and found good, and what their lines take. */
  readonly ahead: ReadEntry[];
  aheadLength: number;
  /** The revision of the last entry that was read. */
  readTo: number;
  /** The last entry that left those ahead. It is written with the one after it, since the final commit may have to bring it. */
  last?: ReadEntry;
  keyframe?: number;
  readonly checkpointIds: Set<string>;
  readonly claims: NewClaim[];
}

interface ReadEntry {
  readonly revision: number;
  readonly entry: NewEntry;
}

/** An export of up to so many characters is read to its end before anything is written. */
const mostAhead = 4 * 1024 * 1024;

/**
 * Takes a run in. Revision by revision it is written under a row that nobody can see; the last commit brings the claims and
 * makes it visible, so that a crash or a stream that is cut leaves no half of a run. The same import may be begun again, or
 * that of a later export of the run, and goes on; what one has left that is never finished, `runs.delete` takes away. One of up
 * to 4 MiB that is refused has written nothing at all.
 *
 * @throws `invalid_request` that names the line; `unsupported_version`; `too_large`; `conflict` where the run exists with
 * another history.
 */
export async function importRun(runs: Runs, lines: AsyncIterable<string> | Iterable<string>): Promise<CurrentRun> {
  const { host, tenant } = scopeOf(runs);
  let taking: Import | undefined;
  let [number, isEnded] = [0, false];
  for await (const text of wholeLines(lines)) {
    const place = `line ${++number}`;
    const fields = parseJson(text, place);
    if (!isJsonObject(fields)) throw invalidRequest(place, "expected an object");
    if (isEnded) throw invalidRequest(place, "a line after the end");
    if (taking === undefined) {
      const header = readLine(place, () => readHeader(fields, tenant, place));
      const present = await host.store.getRun(tenant, header.row.runId);
      if (present?.status !== undefined) return currentRun(samePresent(header.row, present));
      if (present !== undefined && !isImport(present, header.row)) throw exists(header.row.runId);
      const found = present?.revision ?? 0;
      const nothing = {
        checked: 0,
        ahead: [],
        aheadLength: 0,
        readTo: 0,
        checkpointIds: new Set<string>(),
        claims: [],
      };
      taking = { ...header, ...nothing, found, written: found };
      continue;
    }
    switch (fields.kind) {
      case "entry": {
        const before = taking;
        const next = readLine(place, () => readEntryLine(host, before, fields, place));
        taking.ahead.push(next);
        taking.readTo = next.revision;
        taking.aheadLength += text.length;
        if (taking.aheadLength > mostAhead) await writeAhead(host, taking);
        break;
      }
      case "claim": {
        const claim = readClaimLine(taking, fields, place);
        if (claim.lapsesAt === undefined || claim.lapsesAt > host.clock.now()) taking.claims.push(claim);
        break;
      }
      case "end":
        if (numberOf(fields, "lines", place) !== number) throw invalidRequest(place, "lines are missing before it");
        isEnded = true;
        break;
      default:
        throw invalidRequest(place, `"${String(fields.kind)}" is not a kind of line`);
    }
  }
  if (taking === undefined) throw invalidRequest("line 1", "there is nothing to import");
  if (!isEnded) throw invalidRequest(`line ${number + 1}`, "the export ends too early");
  return currentRun(await finish(host, taking, `line ${number}`));
}

async function writeAhead(host: Host, taking: Import): Promise<void> {
  for (const next of taking.ahead.splice(0)) {
    await writeLast(host, taking);
    taking.last = next;
  }
  taking.aheadLength = 0;
}

/** Writes the last entry that left those ahead, and what comes before it, as far as an earlier import has not. */
async function writeLast(host: Host, taking: Import): Promise<void> {
  const { last } = taking;
  if (last === undefined) return;
  await compare(host, taking, last.revision);
  if (last.revision > taking.found) await writeHidden(host, taking, last.revision, last.entry);
}

/** Compares what an earlier import wrote up to `revision`, which is all that it may have: the last entry, if it came so far. */
async function compare(host: Host, taking: Import, revision: number): Promise<void> {
  const { row, found, checked, last } = taking;
  if (checked >= found) return;
  const { tenant, runId } = row;
  const [stored] = await host.store.listEntries(tenant, runId, { after: checked, limit: 1 });
  const [snapshot] = await host.store.getSnapshots(tenant, runId, revision, revision);
  const isSame =
    revision > found
      ? stored === undefined
      : stored?.revision === revision && stored.body === last?.entry.body && snapshot?.body === last.entry.snapshot;
  if (!isSame) throw exists(runId);
  taking.checked = Math.min(revision, found);
}

/** More commits than this leave a trace in every history. */
const mostUnremembered = 1_000_000;

function checkGap(commits: number, place: string): void {
  if (commits > mostUnremembered) throw invalidRequest(place, "too much of the history is missing");
}

/** Writes hidden rows up to `revision`, the last with the entry. */
async function writeHidden(host: Host, taking: Import, revision: number, entry?: NewEntry): Promise<void> {
  const { row, nonce } = taking;
  while (taking.written < revision) {
    const { tenant, runId, createdAt } = row;
    const next = taking.written + 1;
    const run: RunRow = { tenant, runId, revision: next, createdAt, body: writeImportBody(nonce) };
    const commit = { run, now: host.clock.now(), ...(next === revision ? present({ entry }) : {}) };
    const delivery = await deliver(host, commit, nonce);
    if (delivery.kind !== "committed") throw exists(runId);
    taking.written = next;
  }
}

async function finish(host: Host, taking: Import, place: string): Promise<Held> {
  const { row, record, nonce, readTo, claims, checkpointIds } = taking;
  const isWhole =
    record.entryRevision === readTo &&
    record.checkpointCount === checkpointIds.size &&
    record.run.checkpointHead === [...checkpointIds].at(-1);
  if (!isWhole) throw invalidRequest(place, "this is not the whole history of the run");
  checkGap(row.revision - readTo, place);
  const now = host.clock.now();
  for (const { kind, key } of claims) {
    const held = await host.store.getClaim(row.tenant, kind, key);
    const isFree = held === undefined || held.runId === row.runId || (held.lapsesAt ?? now + 1) <= now;
    if (!isFree) throw claimHeld(row, held);
  }
  await writeAhead(host, taking);
  const { last } = taking;
  const isLast = last?.revision === row.revision;
  if (!isLast) await writeLast(host, taking);
  await compare(host, taking, row.revision);
  await writeHidden(host, taking, row.revision - 1);
  const commit = { run: row, now: host.clock.now(), claims, ...(isLast ? { entry: last.entry } : {}) };
  const delivery = await deliver(host, commit, nonce);
  switch (delivery.kind) {
    case "committed":
      return delivery.later ?? { row, record };
    case "claimed":
      throw claimHeld(row, delivery.claim);
    case "conflict":
      throw exists(row.runId);
  }
}

function claimHeld({ runId }: RunRow, claim: ClaimRow): DurableError {
  return new DurableError("conflict", `a claim of run "${runId}" is held by run "${claim.runId}"`);
}

function isImport(present: RunRow, row: RunRow): boolean {
  const { isImport } = readRunBody(present.body, `run "${row.runId}"`);
  return isImport && present.createdAt === row.createdAt && present.revision < row.revision;
}

function samePresent(row: RunRow, present: RunRow): Held {
  const held = heldRow(present);
  if (held === undefined || present.revision !== row.revision || present.body !== row.body) throw exists(row.runId);
  return held;
}

function exists(runId: string): DurableError {
  return new DurableError("conflict", `there already is, or was, a run "${runId}" with another history`);
}

/** What a line holds; where it cannot be read, the line is named. */
function readLine<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (isDurableError(error, "corrupt_data")) throw invalidRequest(place, error.message, { cause: error });
    if (!isDurableError(error, "unsupported_version") || error.message.startsWith(place)) throw error;
    throw new DurableError("unsupported_version", `${place}: ${error.message}`, { path: place, cause: error });
  }
}

function readHeader(fields: JsonObject, tenant: TenantId, place: string): Pick<Import, "row" | "record" | "nonce"> {
  if (fields.kind !== exportKind) throw invalidRequest(place, "this is not the export of a run");
  if (typeof fields.format !== "number" || fields.format > exportFormat) {
    throw new DurableError("unsupported_version", `${place}: this reads format ${exportFormat} only`, { path: place });
  }
  const runId = parseRunId(fields.runId, `${place}.runId`);
  const text = bodyOf(fields, place);
  const { nonce, record: read } = readRunBody(text, `run "${runId}"`);
  if (read === undefined || read.run.runId !== runId) throw invalidRequest(place, "the row is not of this run");
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
    ...present({ sourceRunId: sourceRunId(record.run), dueAt: dueAt(record) }),
    body: isOwn ? text : writeRunBody(nonce, record),
  };
  if (row.revision === 0) throw invalidRequest(`${place}.revision`, "expected a number above 0");
  return { row, record, nonce };
}

function readEntryLine(host: Host, taking: Import, fields: JsonObject, place: string): ReadEntry {
  const { row, readTo, checkpointIds, claims } = taking;
  const { tenant, runId } = row;
  const revision = numberOf(fields, "revision", place);
  if (claims.length > 0) throw invalidRequest(place, "an entry after a claim");
  if (revision <= readTo) throw invalidRequest(place, "entries are out of order");
  if (revision > row.revision) throw invalidRequest(place, "the entry is newer than its run");
  checkGap(revision - readTo, place);
  const body = bodyOf(fields, place);
  const { checkpoint } = readEntry({ tenant, runId, revision, body });
  if (checkpoint === undefined) {
    if (["checkpointId", "keyframe", "snapshot"].some((name) => Object.hasOwn(fields, name))) {
      throw invalidRequest(place, "the entry has no checkpoint");
    }
    return { revision, entry: { body } };
  }
  const { checkpointId } = checkpoint;
  const { keyframe } = fields;
  if (fields.checkpointId !== checkpointId || checkpoint.runId !== runId) {
    throw invalidRequest(place, "the entry is of another checkpoint");
  }
  if (checkpointIds.has(checkpointId)) throw invalidRequest(place, `checkpoint "${checkpointId}" is there twice`);
  if (typeof keyframe !== "number" || (keyframe !== revision && keyframe !== taking.keyframe)) {
    throw invalidRequest(`${place}.keyframe`, "expected its own revision, or the keyframe of the checkpoint before");
  }
  checkpointIds.add(checkpointId);
  taking.keyframe = keyframe;
  // Absent where the state was gone at the source as well.
  const snapshot = fields.snapshot === undefined ? undefined : textOf(fields, "snapshot", place, host.maxStateBytes);
  return { revision, entry: { body, checkpointId, keyframe, ...present({ snapshot }) } };
}

function readClaimLine({ claims }: Import, fields: JsonObject, place: string): NewClaim {
  const { claim: kind, key } = fields;
  if (!isId(kind) || !isId(key)) throw invalidRequest(place, "a claim has a kind and a key");
  const before = claims.at(-1);
  const isOrdered = before === undefined || before.kind < kind || (before.kind === kind && before.key < key);
  if (!isOrdered) throw invalidRequest(place, "claims are out of order");
  const body = bodyOf(fields, place);
  // Idempotency claims hold a bare digest; ledger entries a body with a format.
  if (body.startsWith("{")) readLine(place, () => readBody(body, "the claim", () => undefined));
  const lapsesAt = fields.lapsesAt === undefined ? undefined : numberOf(fields, "lapsesAt", place);
  return { kind, key, body, ...present({ lapsesAt }) };
}

function bodyOf(fields: JsonObject, place: string): string {
  return textOf(fields, "body", place, maxRowBytes);
}

function textOf(fields: JsonObject, name: string, place: string, maxBytes: number): string {
  const value = fields[name];
  if (typeof value !== "string") throw invalidRequest(`${place}.${name}`, "expected a string");
  if (value.length * 3 > maxBytes && utf8Length(value) > maxBytes) {
    throw new DurableError("too_large", `${place}.${name}: at most ${maxBytes} bytes fit`, {
      path: `${place}.${name}`,
    });
  }
  return value;
}

function numberOf(fields: JsonObject, name: string, place: string): number {
  const value = fields[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalidRequest(`${place}.${name}`, "expected a whole number");
}

/** The lines of a text that comes in chunks of any size; empty ones are left out. */
async function* wholeLines(chunks: AsyncIterable<string> | Iterable<string>): AsyncGenerator<string, void, undefined> {
  // Joined once per line: a large line in small chunks would be copied with each of them.
  let parts: string[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf("\n"); end >= 0; end = chunk.indexOf("\n", start)) {
      parts.push(chunk.slice(start, end));
      const text = parts.join("");
      parts = [];
      start = end + 1;
      if (text.trim() !== "") yield text;
    }
    parts.push(chunk.slice(start));
  }
  const text = parts.join("");
  if (text.trim() !== "") yield text;
}
