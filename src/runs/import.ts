import { expectKind } from "../argument.ts";
import { readRunBody, writeImportBody } from "../codec/bodies.ts";
import type { Host } from "../engine/host.ts";
import { DurableError, invalidRequest } from "../errors.ts";
import type { Held } from "../journal/change.ts";
import { deliverBirth, heldRow } from "../journal/commit.ts";
import { claimHeld } from "../journal/held.ts";
import { aText, isJsonObject, type Kind, parseJson, sha256 } from "../json.ts";
import type { Commit, EarlierEntry, RunRow } from "../store.ts";
import type { CurrentRun } from "./api.ts";
import { ImportLines, numberOf } from "./import-line.ts";
import { currentRun, type Runs } from "./runs.ts";
import { scopeOf } from "./scope.ts";

/** An export of up to this many characters is read to its end before anything is written. */
const mostAhead = 4 * 1024 * 1024;
/** The most entries, and the most characters of entries, in one commit. */
const mostEntries = 100;
const mostLength = 1024 * 1024;

/**
 * Imports a run from the lines of an export. It is written under a row that is in no list; the last commit brings the
 * claims and makes it visible, so that a crash or an interrupted stream leaves no partial run. The same import may be
 * started again, or that of a later export of the run: it continues where it stopped, which it knows by a digest of the
 * written history, without reading that history again. `runs.delete` removes the rest of an import that is never
 * finished. If an import of up to 4 MiB is rejected, it has written nothing at all.
 *
 * Everything is checked before it is written: data that could not be read back, or that does not belong to this run, is
 * rejected.
 *
 * @throws `invalid_request` that names the line; `unsupported_version`; `too_large`; `quota_exceeded`; `conflict` if
 * the run exists with another history.
 * @example
 * ```ts
 * import type { Runs } from "orca-durable";
 * import { exportRun, importRun } from "orca-durable/transfer";
 *
 * export function copy(from: Runs, to: Runs, runId: string) {
 *   return importRun(to, exportRun(from, runId));
 * }
 * ```
 */
export async function importRun(runs: Runs, lines: AsyncIterable<string> | Iterable<string>): Promise<CurrentRun> {
  const { host, tenant } = scopeOf(runs);
  expectKind(lines, anIterable, "lines");
  let taking: Import | undefined;
  let [number, isEnded] = [0, false];
  for await (const text of wholeLines(lines)) {
    if (text.trim() === "") continue;
    const place = `line ${++number}`;
    const fields = parseJson(text, place);
    if (!isJsonObject(fields)) throw invalidRequest(place, "expected an object");
    if (isEnded) throw invalidRequest(place, "unexpected line after the end line");
    if (taking === undefined) {
      taking = new Import(host, new ImportLines(host, tenant, fields, place));
      await taking.find();
    } else {
      switch (fields.kind) {
        case "entry":
          await taking.take(taking.lines.readEntry(fields, place), text.length);
          break;
        case "claim":
          await taking.lines.readClaim(fields, place);
          break;
        case "end":
          if (numberOf(fields, "lines", place) !== number)
            throw invalidRequest(place, "lines are missing before this line");
          isEnded = true;
          break;
        default:
          throw invalidRequest(place, `unknown kind of line "${String(fields.kind)}"`);
      }
    }
    if (taking.finished !== undefined) return currentRun(taking.finished);
  }
  if (taking === undefined) throw invalidRequest("line 1", "expected at least one line");
  if (!isEnded) throw invalidRequest(`line ${number + 1}`, "the export is incomplete: expected an end line");
  taking.lines.checkWhole(`line ${number}`);
  return currentRun(await taking.finish());
}

const anIterable: Kind = [
  "an iterable of strings",
  (lines) => {
    const { [Symbol.asyncIterator]: async, [Symbol.iterator]: sync } = lines as AsyncIterable<string> &
      Iterable<string>;
    return typeof (async ?? sync) === "function";
  },
];

/** An entry that was read, and the digest of the history up to it. */
interface Pending {
  readonly entry: EarlierEntry;
  readonly digest: string;
}

/** A run that is being imported. */
class Import {
  readonly lines: ImportLines;
  /** The run, if it already exists. */
  finished: Held | undefined;
  readonly #host: Host;
  /** Entries that are not yet written. */
  #pending: Pending[] = [];
  #length = 0;
  #digest = "";
  /** The entry that was read last. */
  #last: EarlierEntry | undefined;
  /** How far the history is written, and its digest up to there. */
  #written = { revision: 0, digest: "" };

  constructor(host: Host, lines: ImportLines) {
    this.#host = host;
    this.lines = lines;
  }

  /**
   * Reads how far this import, or another one of the same run, has come.
   *
   * @throws `conflict` if the run has another history.
   */
  async find(): Promise<void> {
    const { row } = this.lines.header;
    const found = await this.#host.store.getRun(row.tenant, row.runId);
    if (found === undefined) return;
    if (found.status !== undefined) {
      const isArrived = found.revision > row.revision && (await this.#isContinuedBy(found));
      this.finished = isArrived ? heldRow(found) : samePresent(row, found);
      return;
    }
    const { isImport, nonce } = readRunBody(found.body, `run "${row.runId}"`);
    const isOfRun = isImport && found.createdAt === row.createdAt && found.revision < row.revision;
    if (!isOfRun || found.revision <= this.#written.revision) throw exists(row.runId);
    this.#written = { revision: found.revision, digest: nonce };
    const [same, ...later] = this.#pending.filter(({ entry }) => entry.revision >= found.revision);
    if (same !== undefined) this.#compare(same);
    this.#pending = later;
  }

  // The answer of the last commit may be lost, and the run may be taken on before it can be read. A run that was not there
  // when this import began, and has its last entry, is the one that was imported.
  async #isContinuedBy({ tenant, runId }: RunRow): Promise<boolean> {
    const last = this.#last;
    if (last === undefined) return false;
    const query = { after: last.revision - 1, limit: 1 };
    const [entry] = await this.#host.store.listEntries(tenant, runId, query);
    return entry?.revision === last.revision && entry.body === last.body;
  }

  // The row ends at an entry, so that the digest of the history up to that entry is the digest of the row.
  #compare({ entry, digest }: Pending): void {
    const { revision, digest: expected } = this.#written;
    if (entry.revision === revision && digest === expected) return;
    throw exists(this.lines.header.row.runId);
  }

  /** Adds an entry, with the length of its line. */
  async take(entry: EarlierEntry, length: number): Promise<void> {
    const { revision } = entry;
    const before = this.#last?.revision ?? 0;
    this.#last = entry;
    this.#digest = await sha256(JSON.stringify([this.#digest, entry]));
    const next = { entry, digest: this.#digest };
    const written = this.#written.revision;
    if (before < written && revision >= written) this.#compare(next);
    if (revision <= written) return;
    this.#pending.push(next);
    this.#length += length;
    if (this.#length <= mostAhead) return;
    // The last one stays: the final commit may have to bring it.
    await this.#writeUntil(() => this.#pending.length <= 1);
    this.#length = 0;
  }

  /** Writes the rest, and makes the run visible. */
  async finish(): Promise<Held> {
    const { row, record, nonce } = this.lines.header;
    const { claims } = this.lines;
    for (;;) {
      await this.#writeUntil(() => this.#batch().length === this.#pending.length);
      if (this.finished !== undefined) return this.finished;
      if (this.lines.readTo < this.#written.revision) throw exists(row.runId);
      const entries = this.#pending.map(({ entry }) => entry);
      const last = entries.at(-1);
      const isLast = last?.revision === row.revision;
      const commit: Commit = {
        run: row,
        over: this.#written.revision,
        earlier: isLast ? entries.slice(0, -1) : entries,
        ...(isLast && { entry: entryOf(last) }),
        claims,
        now: this.#host.clock.now(),
      };
      const delivery = await deliverBirth(this.#host, commit, nonce);
      switch (delivery.kind) {
        case "committed":
          return delivery.later ?? { row, record };
        case "claimed":
          throw claimHeld(row.runId, delivery.claim);
        case "conflict":
          await this.find();
      }
    }
  }

  /** Writes hidden rows, each with as many entries as fit into a commit. */
  async #writeUntil(isEnough: () => boolean): Promise<void> {
    const { tenant, runId, createdAt } = this.lines.header.row;
    while (this.finished === undefined && !isEnough()) {
      const batch = this.#batch(this.#pending.length - 1);
      const { entry: last, digest } = batch.at(-1) as Pending;
      const run: RunRow = { tenant, runId, revision: last.revision, createdAt, body: writeImportBody(digest) };
      const earlier = batch.slice(0, -1).map(({ entry }) => entry);
      const commit = { run, over: this.#written.revision, earlier, entry: entryOf(last), now: this.#host.clock.now() };
      const delivery = await deliverBirth(this.#host, commit, digest);
      if (delivery.kind === "committed") {
        this.#written = { revision: last.revision, digest };
        this.#pending = this.#pending.slice(batch.length);
        // Another import of the same run has come further, or is done.
      } else await this.find();
    }
  }

  /** The first entries that are not yet written, as many as fit into a commit; at least one. */
  #batch(most = this.#pending.length): readonly Pending[] {
    let length = 0;
    const end = this.#pending.findIndex(({ entry }, index) => {
      length += lengthOf(entry);
      return index > 0 && (index >= Math.min(most, mostEntries) || length > mostLength);
    });
    return end < 0 ? this.#pending : this.#pending.slice(0, end);
  }
}

function lengthOf({ body, snapshot = "" }: EarlierEntry): number {
  return body.length + snapshot.length;
}

function entryOf({ revision: _, ...entry }: EarlierEntry) {
  return entry;
}

function samePresent(row: RunRow, present: RunRow): Held {
  const held = heldRow(present);
  if (held === undefined || present.revision !== row.revision || present.body !== row.body) throw exists(row.runId);
  return held;
}

function exists(runId: string): DurableError {
  return new DurableError("conflict", `run id "${runId}" is already taken by another history`);
}

/** The lines of a text that comes in chunks of any size. */
async function* wholeLines(chunks: AsyncIterable<string> | Iterable<string>): AsyncGenerator<string, void, undefined> {
  // Joined once per line: a large line in small chunks would otherwise be copied with each chunk.
  let parts: string[] = [];
  for await (const chunk of chunks) {
    expectKind(chunk, aText, "lines");
    let start = 0;
    for (let end = chunk.indexOf("\n"); end >= 0; end = chunk.indexOf("\n", start)) {
      parts.push(chunk.slice(start, end));
      yield parts.join("");
      parts = [];
      start = end + 1;
    }
    parts.push(chunk.slice(start));
  }
  yield parts.join("");
}
