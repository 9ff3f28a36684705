import { readEntry, runEvents } from "../codec/bodies.ts";
import { DurableError } from "../errors.ts";
import { parseRunId, type RunId } from "../ids.ts";
import { claimsOf, getRun } from "../journal/held.ts";
import type { Json } from "../json.ts";
import { present } from "../json.ts";
import { demandUnleased } from "../record/precondition.ts";
import type { EntryRow } from "../store.ts";
import { entryPage } from "./checkpoints.ts";
import type { Runs } from "./runs.ts";
import { type Scope, scopeOf } from "./scope.ts";

/** The first word of every export. */
export const exportKind = "orca-durable/run";
export const exportFormat = 1;

type Entries = readonly EntryRow[];

/**
 * A run as lines of NDJSON: a header with its row, each entry of its history with its snapshot, its claims, and an end.
 * The bodies are the stored ones to the byte, so that an import anywhere can be exported again as the same text. Claims
 * that have lapsed are left out.
 *
 * @throws `not_found`; `corrupt_data` or `unsupported_version` that names an entry that cannot be read, or whose state
 * is missing; `conflict` while the run is being executed, and if it changed before the end.
 * @example
 * ```ts
 * import type { Runs } from "orca-durable";
 * import { exportRun } from "orca-durable/transfer";
 *
 * export async function linesOf(runs: Runs, runId: string) {
 *   const lines: string[] = [];
 *   for await (const line of exportRun(runs, runId)) lines.push(line);
 *   return lines;
 * }
 * ```
 */
export async function* exportRun(runs: Runs, runId: string): AsyncGenerator<string, void, undefined> {
  const scope = scopeOf(runs);
  const { host, tenant } = scope;
  const { row, record } = await getRun(scope, parseRunId(runId));
  const now = host.clock.now();
  demandUnleased(record, now);
  const { revision, createdAt, body } = row;
  const pages = await readable(scope, record.run.runId);
  yield line({ kind: exportKind, format: exportFormat, runId, revision, createdAt, body });
  let lines = 1;
  for await (const entries of pages) {
    for (const group of chains(entries)) {
      const [from = 0, to = 0] = [group[0]?.revision, group.at(-1)?.revision];
      const snapshots = await host.store.getSnapshots(tenant, runId, from, to);
      const bodyOf = new Map(snapshots.map((snapshot) => [snapshot.revision, snapshot.body]));
      for (const { revision, checkpointId, keyframe, body } of group) {
        const snapshot = bodyOf.get(revision);
        if (checkpointId !== undefined && snapshot === undefined) {
          // A run that was deleted meanwhile has lost all of them.
          await demandUnchanged();
          throw new DurableError(
            "corrupt_data",
            `the state of checkpoint "${checkpointId}" of run "${runId}" is missing`,
          );
        }
        yield line({ kind: "entry", revision, ...present({ checkpointId, keyframe, snapshot }), body });
        lines++;
      }
    }
  }
  for await (const { kind: claim, key, lapsesAt, body } of claimsOf(scope, record.run.runId)) {
    if (lapsesAt !== undefined && lapsesAt <= now) continue;
    yield line({ kind: "claim", claim, key, ...present({ lapsesAt }), body });
    lines++;
  }
  // An export without its end line is rejected, so that a mixture of two moments is never imported.
  await demandUnchanged();
  yield line({ kind: "end", lines: lines + 1 });

  async function demandUnchanged(): Promise<void> {
    if ((await host.store.getRun(tenant, runId))?.revision === revision) return;
    throw new DurableError("conflict", `run "${runId}" changed while it was exported`, { retryAfterMs: 1_000 });
  }
}

/**
 * Reads the history before the first line: a run with an entry that cannot be read could not be imported, and should not be
 * half sent. A history of one page is read once.
 */
async function readable(scope: Scope, runId: RunId): Promise<AsyncIterable<Entries> | readonly Entries[]> {
  const pages: Entries[] = [];
  for await (const entries of entryPages(scope, runId)) {
    for (const entry of entries) runEvents(runId, readEntry(entry));
    if (pages.length < 2) pages.push(entries);
  }
  return pages.length < 2 ? pages : entryPages(scope, runId);
}

async function* entryPages(scope: Scope, runId: RunId): AsyncGenerator<Entries, void, undefined> {
  for (let after = 0; ; ) {
    const { rows, isMore } = await entryPage(scope, runId, { after, limit: Number.POSITIVE_INFINITY });
    yield rows;
    if (!isMore) return;
    after = rows.at(-1)?.revision ?? after;
  }
}

/** The entries, split where another keyframe begins: a read then holds at most twice a state. */
function chains(entries: Entries): readonly Entries[] {
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
