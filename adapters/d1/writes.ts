import { DurableError } from "../../src/errors.ts";
import type { Commit, EarlierEntry, NewClaim, RunRow } from "../../src/store.ts";

export type Value = string | number | undefined;

/** A statement and its bound values. */
export type Write = readonly [sql: string, values: readonly Value[]];

/**
 * The UTF-8 bytes of long texts in one row: D1 allows 2,000,000 bytes a row, and ids and integers need some. The local
 * D1 allows four times as much, so the limit is enforced here or met only in production.
 */
const maxTextBytes = 2_000_000 - 2_000;

/** The writes of a commit, in order of precedence: a held claim over a stale row, and a stale row over the rest. */
export function writesOf(commit: Commit): readonly Write[] {
  const { run, over = run.revision - 1, earlier = [], entry, claims = [], now, erase } = commit;
  return [
    ...(erase === true ? erasing(run) : []),
    ...batchesOf(claims).map((batch) => claiming(run, batch, now)),
    fenced(run, over),
    // A newborn row is put whole.
    ...(over === 0 ? [] : indexed(run)),
    ...earlier.flatMap((one) => entering(run, one)),
    ...(entry === undefined ? [] : entering(run, { ...entry, revision: run.revision })),
  ];
}

function erasing({ tenant, runId }: RunRow): readonly Write[] {
  return [
    ["DELETE FROM entries WHERE tenant = ? AND run_id = ?", [tenant, runId]],
    ["DELETE FROM snapshot_parts WHERE tenant = ? AND run_id = ?", [tenant, runId]],
    ["DELETE FROM claims WHERE tenant = ? AND run_id = ? AND lapses_at IS NULL", [tenant, runId]],
    ["UPDATE claims SET body = '' WHERE tenant = ? AND run_id = ?", [tenant, runId]],
  ];
}

/** The characters of the claims of one statement: each becomes at most three bytes. */
const mostClaimCharacters = 500_000;

// Many in one statement, since an invocation may only run a limited number of them.
function batchesOf(claims: readonly NewClaim[]): readonly (readonly NewClaim[])[] {
  const batches: NewClaim[][] = [];
  let room = 0;
  for (const claim of claims) {
    room -= claim.body.length + 500;
    if (batches.length === 0 || room < 0) {
      batches.push([]);
      room = mostClaimCharacters - claim.body.length - 500;
    }
    batches.at(-1)?.push(claim);
  }
  return batches;
}

const overHeld = `ON CONFLICT (tenant, kind, key) DO UPDATE SET
  run_id = CASE WHEN run_id = excluded.run_id OR lapses_at <= ?3 THEN excluded.run_id END,
  lapses_at = excluded.lapses_at, body = excluded.body`;

function claiming({ tenant, runId }: RunRow, claims: readonly NewClaim[], now: number): Write {
  const [first, ...more] = claims;
  for (const { kind, key, body } of claims) expectFits(`claim ${kind} ${key}`, body);
  if (first !== undefined && more.length === 0) {
    const { kind, key, lapsesAt, body } = first;
    const sql = "INSERT INTO claims (tenant, kind, key, run_id, lapses_at, body) VALUES (?1, ?4, ?5, ?2, ?6, ?7)";
    return [`${sql} ${overHeld}`, [tenant, runId, now, kind, key, lapsesAt, body]];
  }
  const rows = claims.map(({ kind, key, lapsesAt = null, body }) => [kind, key, lapsesAt, body]);
  return [
    `INSERT INTO claims (tenant, kind, key, run_id, lapses_at, body)
      SELECT ?1, value->>0, value->>1, ?2, value->>2, value->>3 FROM json_each(?4) WHERE true ${overHeld}`,
    [tenant, runId, now, JSON.stringify(rows)],
  ];
}

function fenced(run: RunRow, over: number): Write {
  const { tenant, runId, revision, createdAt, status, skillId, sourceRunId, dueAt, body } = run;
  expectFits(`the row of run ${runId}`, body);
  return [
    `INSERT INTO runs (tenant, run_id, revision, created_at, status, skill_id, source_run_id, due_at, body) VALUES (?1, ?2,
        CASE WHEN ?10 = coalesce((SELECT revision FROM runs WHERE tenant = ?1 AND run_id = ?2), 0) THEN ?3 END,
        ?4, ?5, ?6, ?7, ?8, ?9)
      ON CONFLICT (tenant, run_id) DO UPDATE SET revision = excluded.revision, body = excluded.body`,
    [tenant, runId, revision, createdAt, status, skillId, sourceRunId, dueAt, body, over],
  ];
}

/**
 * A separate statement, because setting an indexed column writes its index entries even if the value stays the same.
 */
function indexed({ tenant, runId, status, skillId, sourceRunId, dueAt }: RunRow): readonly Write[] {
  return [
    ["UPDATE runs SET due_at = ?3 WHERE tenant = ?1 AND run_id = ?2 AND due_at IS NOT ?3", [tenant, runId, dueAt]],
    [
      `UPDATE runs SET status = ?3, skill_id = ?4, source_run_id = ?5 WHERE tenant = ?1 AND run_id = ?2
        AND (status IS NOT ?3 OR skill_id IS NOT ?4 OR source_run_id IS NOT ?5)`,
      [tenant, runId, status, skillId, sourceRunId],
    ],
  ];
}

function entering({ tenant, runId }: RunRow, entry: EarlierEntry): readonly Write[] {
  const { revision, checkpointId, keyframe, body, snapshot } = entry;
  const bytes = expectFits(`entry ${revision} of run ${runId}`, body);
  const [first, ...parts] = snapshot === undefined ? [] : split(snapshot, maxTextBytes - bytes);
  return [
    [
      `INSERT INTO entries (tenant, run_id, revision, checkpoint_id, keyframe, body, snapshot)
        VALUES (?, ?, ?, ?, ?, ?, ?)`,
      [tenant, runId, revision, checkpointId, keyframe, body, first],
    ],
    ...parts.map(
      (part, index): Write => [
        "INSERT INTO snapshot_parts (tenant, run_id, revision, part, body) VALUES (?, ?, ?, ?, ?)",
        [tenant, runId, revision, index + 1, part],
      ],
    ),
  ];
}

/** The bytes of the text. */
function expectFits(what: string, text: string): number {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes <= maxTextBytes) return bytes;
  throw new DurableError("too_large", `commit: ${what} has ${bytes} bytes; D1 allows ${maxTextBytes} in one row`);
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
