import { DurableError } from "../../src/errors.ts";
import {
  type Commit,
  type EarlierEntry,
  maxRevision,
  type NewClaim,
  type NewEntry,
  type RunRow,
} from "../../src/store.ts";
import { idOf } from "./entry-id.ts";

export type Value = string | number | undefined;

/** A statement and its bound values: `undefined` is NULL. */
export type Statement = readonly [sql: string, values: readonly Value[]];

/**
 * The UTF-8 bytes of long texts in one row: D1 and a Durable Object allow 2,000,000 bytes a row, and ids and integers need
 * some. Locally they allow four times as much, so the limit is enforced here or met only in production. It holds on each
 * medium, so that the rows of one can move to another.
 */
const maxTextBytes = 2_000_000 - 2_000;

/**
 * The bytes of the entry of a newborn that is kept in the row of the run, which is written again at each commit: so few that a
 * row does not grow beyond a page.
 */
const mostFirstBytes = 2_000;

/** The writes of a commit, in order of precedence: a held claim over a stale row, and a stale row over the rest. */
export function writesOf(commit: Commit): readonly Statement[] {
  const { run, over = run.revision - 1, earlier = [], entry, claims = [], now, erase } = commit;
  const first = over === 0 && run.revision === 1 && entry !== undefined ? firstOf(entry) : undefined;
  return [
    ...(erase === true ? erasing(run) : []),
    ...batchesOf(claims, ({ body }) => body.length).map((batch) => claiming(run, batch, now)),
    fenced(commit, over, first),
    ...batchesOf(earlier, lengthOf).flatMap((batch) => enteringMany(run, batch)),
    ...(entry === undefined ? [] : entering(run, { ...entry, revision: run.revision }, first)),
  ];
}

/** What of the entry is kept in the row of its run: nothing if its body is large, and all but a large snapshot otherwise. */
function firstOf(entry: NewEntry): NewEntry | undefined {
  const { snapshot = "", ...record } = entry;
  const room = mostFirstBytes - bytesOf(entry.body);
  if (room < 0) return undefined;
  return bytesOf(snapshot) > room ? record : entry;
}

function erasing({ tenant, runId }: RunRow): readonly Statement[] {
  const ofRun = `id BETWEEN (SELECT ${idOf(0)} FROM runs WHERE tenant = ?1 AND run_id = ?2)
    AND (SELECT ${idOf(maxRevision)} FROM runs WHERE tenant = ?1 AND run_id = ?2)`;
  return [
    [`DELETE FROM entries WHERE ${ofRun}`, [tenant, runId]],
    [`DELETE FROM snapshot_parts WHERE ${ofRun}`, [tenant, runId]],
    ["DELETE FROM claims WHERE tenant = ? AND run_id = ? AND lapses_at IS NULL", [tenant, runId]],
    ["UPDATE claims SET body = '' WHERE tenant = ? AND run_id = ?", [tenant, runId]],
  ];
}

/** The characters of the rows of one statement: each becomes at most three bytes. */
const mostCharacters = 500_000;
/** What a row needs beside its texts. */
const charactersPerRow = 500;

// Many in one statement, since an invocation may only run a limited number of them.
function batchesOf<Row>(rows: readonly Row[], lengthOf: (row: Row) => number): readonly (readonly Row[])[] {
  const batches: Row[][] = [];
  let room = 0;
  for (const row of rows) {
    const length = lengthOf(row) + charactersPerRow;
    room -= length;
    if (batches.length === 0 || room < 0) {
      batches.push([]);
      room = mostCharacters - length;
    }
    batches.at(-1)?.push(row);
  }
  return batches;
}

function claiming({ tenant, runId }: RunRow, claims: readonly NewClaim[], now: number): Statement {
  for (const { kind, key, body } of claims) expectFits(`claim ${kind} ${key}`, body);
  const rows = claims.map(({ kind, key, lapsesAt = null, body }) => [kind, key, lapsesAt, body]);
  return [
    `INSERT INTO claims (tenant, kind, key, run_id, lapses_at, body)
      SELECT ?1, value->>0, value->>1, ?2, value->>2, value->>3 FROM json_each(?4) WHERE true
      ON CONFLICT (tenant, kind, key) DO UPDATE SET
        run_id = CASE WHEN run_id = excluded.run_id OR lapses_at <= ?3 THEN excluded.run_id END,
        lapses_at = excluded.lapses_at, body = excluded.body`,
    [tenant, runId, now, JSON.stringify(rows)],
  ];
}

function fenced({ run, before, erase }: Commit, over: number, first: NewEntry | undefined): Statement {
  const previous = before && columnsOf(before);
  const entry = {
    first_checkpoint_id: first?.checkpointId,
    first_keyframe: first?.keyframe,
    first_body: first?.body,
    first_snapshot: first?.snapshot,
  };
  expectFits(`the row of run ${run.runId}`, run.body);
  // Setting an indexed column writes its index, also if the value stays the same.
  const moved = Object.entries(columnsOf(run)).filter(([name, value]) => !previous || previous[name] !== value);
  const changed = { body: run.body, ...Object.fromEntries(moved) };
  const set = ["revision", ...Object.keys({ ...changed, ...(erase && entry) })];
  // Only a birth inserts. Over another row a column that is not named stays, or is NULL if it is set.
  const inserted = { created_at: run.createdAt, ...changed, ...(first && entry) };
  const names = Object.keys(inserted);
  return [
    `INSERT INTO runs (tenant, run_id, revision, ${names.join(", ")}) VALUES (?1, ?2,
        CASE WHEN ?4 = coalesce((SELECT revision FROM runs WHERE tenant = ?1 AND run_id = ?2), 0) THEN ?3 END,
        ${names.map((_, index) => `?${index + 5}`).join(", ")})
      ON CONFLICT (tenant, run_id) DO UPDATE SET ${set.map((name) => `${name} = excluded.${name}`).join(", ")}`,
    [run.tenant, run.runId, run.revision, over, ...Object.values(inserted)],
  ];
}

/** The columns of lists. */
function columnsOf({ status, skillId, sourceRunId, dueAt }: RunRow): Readonly<Record<string, Value>> {
  const isHidden = status === undefined ? 1 : undefined;
  return { status, skill_id: skillId, source_run_id: sourceRunId, due_at: dueAt, is_hidden: isHidden };
}

/** The rows of an entry, but for what is already in `first`. */
function entering(run: RunRow, entry: EarlierEntry, first?: NewEntry): readonly Statement[] {
  const { tenant, runId } = run;
  const { revision, checkpointId, keyframe, body, snapshot } = entry;
  if (first !== undefined && first.snapshot === snapshot) return [];
  const what = `entry ${revision} of run ${runId}`;
  if (revision > maxRevision) throw new DurableError("too_large", `commit: ${what} is beyond ${maxRevision}`);
  const room = first === undefined ? maxTextBytes - expectFits(what, body) : 0;
  const [beginning, ...parts] = snapshot === undefined ? [] : split(snapshot, room);
  const fromRun = "FROM runs WHERE tenant = ?1 AND run_id = ?2";
  const id = idOf("?3");
  const inserted: Statement = [
    // The first entry is in no index, so a body of NULL refuses its checkpoint id.
    `INSERT INTO entries (id, checkpoint_id, keyframe, body, snapshot)
      SELECT ${id}, ?4, ?5, CASE WHEN first_checkpoint_id = ?4 THEN NULL ELSE ?6 END, ?7 ${fromRun}`,
    [tenant, runId, revision, checkpointId, keyframe, body, beginning],
  ];
  return [
    ...(first === undefined ? [inserted] : []),
    ...parts.map(
      (part, index): Statement => [
        `INSERT INTO snapshot_parts (id, part, body) SELECT ${id}, ?4, ?5 ${fromRun}`,
        [tenant, runId, revision, index + 1, part],
      ],
    ),
  ];
}

/** Entries of which several fit into one statement, and so each into a row. */
function enteringMany(run: RunRow, entries: readonly EarlierEntry[]): readonly Statement[] {
  const [only, second] = entries;
  if (only !== undefined && second === undefined) return entering(run, only);
  const rows = entries.map(({ revision, checkpointId = null, keyframe = null, body, snapshot = null }) => [
    revision,
    checkpointId,
    keyframe,
    body,
    snapshot,
  ]);
  // The first entry is in no index, so a body of NULL refuses its checkpoint id.
  return [
    [
      `INSERT INTO entries (id, checkpoint_id, keyframe, body, snapshot)
        SELECT ${idOf("value->>0")}, value->>1, value->>2,
          CASE WHEN first_checkpoint_id = value->>1 THEN NULL ELSE value->>3 END, value->>4
        FROM json_each(?3) CROSS JOIN runs WHERE tenant = ?1 AND run_id = ?2`,
      [run.tenant, run.runId, JSON.stringify(rows)],
    ],
  ];
}

function lengthOf({ body, snapshot = "" }: EarlierEntry): number {
  return body.length + snapshot.length;
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** The bytes of the text. */
function expectFits(what: string, text: string): number {
  const bytes = bytesOf(text);
  if (bytes <= maxTextBytes) return bytes;
  throw new DurableError(
    "too_large",
    `commit: ${what} has ${bytes} bytes; at most ${maxTextBytes} are allowed in one row`,
  );
}

/** The text, cut between code points into pieces that fit into a row each, the first into `firstBytes`. */
function split(text: string, firstBytes: number): readonly string[] {
  // No UTF-16 unit takes more than three bytes.
  if (text.length * 3 <= firstBytes) return [text];
  const encoder = new TextEncoder();
  const room = new Uint8Array(maxTextBytes);
  const pieces: string[] = [];
  for (let start = 0; start < text.length; ) {
    // It stops before the first code point that does not fit, and returns how far it came.
    const { read } = encoder.encodeInto(text.slice(start), pieces.length === 0 ? room.subarray(0, firstBytes) : room);
    pieces.push(text.slice(start, start + read));
    start += read;
  }
  return pieces;
}
